"""Least squares without negative coefficients."""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def positive_coefficients(products: Array, terms: Array) -> Array:
    """The coefficients that solve the normal equations; those that would be negative are 0. `products` [terms, terms],
    invertible; `terms` [terms]."""
    coefficients: Array = np.asarray(np.linalg.solve(products, terms), np.float64)
    used = np.arange(len(terms))
    while coefficients.min() < 0:
        used = np.delete(used, coefficients[used].argmin())
        coefficients = np.zeros(len(terms))
        coefficients[used] = np.linalg.solve(products[used][:, used], terms[used])
    return coefficients
