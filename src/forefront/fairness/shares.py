"""Max-min fair division of a resource: weighted shares, bounded by each tenant's demand."""

from collections.abc import Sequence


def fair_shares(capacity: float, claims: Sequence[tuple[float, float]]) -> list[float]:
    """The part of `capacity` for each of `claims`, which are weight and demand.

    No part exceeds its demand. What small demands leave is divided among the others by weight.
    """
    shares = [0.0] * len(claims)
    left, weights = capacity, sum(weight for weight, _ in claims)
    for place in sorted(range(len(claims)), key=lambda place: claims[place][1] / claims[place][0]):
        weight, demand = claims[place]
        shares[place] = min(demand, left * min(weight / weights, 1)) if weights > 0 else 0.0
        left -= shares[place]
        weights -= weight
    return shares


def whole_shares(capacity: float, claims: Sequence[tuple[float, float]]) -> list[int]:
    """The same in whole units, rounded down."""
    # The sum of rounding errors must not cost a tenant a unit.
    return [int(share + 1e-6) for share in fair_shares(capacity, claims)]
