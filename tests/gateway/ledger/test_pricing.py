"""Prices, as those who pay would reckon them."""

from fractions import Fraction
from random import Random

import pytest

from forefront.gateway.ledger.pricing import NANOS, Price, to_nanos


@pytest.mark.parametrize("price", ["0.0375", "0.0001", "0.1", "3", "999999.999", "0.000002"])
def test_the_cost_of_a_completion_is_exact_to_the_billionth(price: str) -> None:
    per_million = Price.per_million(float(price), float(price) * 4, float(price) / 2)
    chance = Random(5)
    for _ in range(200):
        tokens, output = chance.randrange(1, 200_000), chance.randrange(100_000)
        cached = chance.randrange(tokens)
        exact = Fraction(price) * ((tokens - cached) + Fraction(cached, 2) + 4 * output) / 1_000_000 * NANOS
        cost = per_million.cost(tokens, cached, output)
        assert abs(cost - exact) <= 1
        assert 0 <= cost <= per_million.max_cost(tokens, output)


def test_a_small_price_is_not_zero() -> None:
    """Rounded to thousandths for each million tokens, this one was nothing, and 0.0375 was 0.038."""
    assert Price.per_million(0.0004, 0).cost(1_000_000, 0, 0) == to_nanos(0.0004)
    assert Price.per_million(0, 0.0375).cost(1, 0, 2_000_000) == to_nanos(0.075)
