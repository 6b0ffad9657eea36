"""Prices of models and costs of requests. Money is a whole number of billionths of the currency's unit, so that sums
are exact."""

from collections.abc import Mapping
from dataclasses import dataclass

NANOS = 10**9


def to_nanos(amount: float) -> int:
    """Units of money in billionths."""
    return round(amount * NANOS)


def from_nanos(nanos: int) -> float:
    """Billionths in units of money."""
    return nanos / NANOS


@dataclass(frozen=True, slots=True)
class Price:
    """The prices of a million tokens, in billionths. Only the cost of a whole request is rounded.

    `cached` applies to input tokens from the KV cache.
    """

    input: int = 0
    cached: int = 0
    output: int = 0

    @classmethod
    def per_million(cls, input: float, output: float, cached: float | None = None) -> "Price":  # noqa: A002
        """Prices in units of money per million tokens. `cached` defaults to `input`."""
        return cls(to_nanos(input), to_nanos(input if cached is None else cached), to_nanos(output))

    def cost(self, input_tokens: int, cached_tokens: int, output_tokens: int) -> int:
        """The cost of a completion in billionths. `input_tokens` includes `cached_tokens`."""
        uncached = input_tokens - cached_tokens
        return _round(uncached * self.input + cached_tokens * self.cached + output_tokens * self.output)

    def max_cost(self, input_tokens: int, output_tokens: int) -> int:
        """The highest cost of a completion of this size, for any state of the cache."""
        return _round(input_tokens * max(self.input, self.cached) + output_tokens * self.output)


_FREE = Price()


def _round(millionths: int) -> int:
    return (millionths + 500_000) // 1_000_000


class PriceList:
    """The price of each model. Models without an entry are free."""

    def __init__(self, prices: Mapping[str, Price]) -> None:
        self._prices = dict(prices)

    def __getitem__(self, model: str) -> Price:
        return self._prices.get(model, _FREE)
