"""The result of a forward pass."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Logits:
    """Logits of n rows over a vocabulary of V tokens. Views of the graph's memory, valid until the model runs again.

    `top` and `top_tokens` [n, K]: the K largest logits in descending order, and their tokens. `log_sum` [n]: the
    log-sum-exp over the row of logit / temperature. `full` [n, V]: all logits.
    """

    top: npt.NDArray[np.floating]
    top_tokens: npt.NDArray[np.integer]
    log_sum: npt.NDArray[np.floating]
    full: npt.NDArray[np.floating]
