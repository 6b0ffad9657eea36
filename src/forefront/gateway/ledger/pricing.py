"""Prices and costs. Inside, money is a whole number of billionths of the currency's unit: sums of it are exact."""

from collections.abc import Mapping
from dataclasses import dataclass

NANOS = 10**9


def to_nanos(amount: float) -> int:
    """An amount as people write it, in billionths."""
    return round(amount * NANOS)


def from_nanos(nanos: int) -> float:
    """Billionths as an amount that people read."""
    return nanos / NANOS


@dataclass(frozen=True, slots=True)
class Price:
    """What a million tokens cost, in billionths of the unit; what is rounded is the cost of a whole request.

    `cached` is for input tokens that were found in the KV cache.
    """

    input: int = 0
    cached: int = 0
    output: int = 0

    @classmethod
    def per_million(cls, input: float, output: float, cached: float | None = None) -> "Price":  # noqa: A002
        """The price in units per million tokens; cached input costs the same as other input unless said."""
        return cls(to_nanos(input), to_nanos(input if cached is None else cached), to_nanos(output))

    def cost(self, input_tokens: int, cached_tokens: int, output_tokens: int) -> int:
        """What a completion costs, in billionths; `cached_tokens` are among the `input_tokens`."""
        fresh = input_tokens - cached_tokens
        return _whole(fresh * self.input + cached_tokens * self.cached + output_tokens * self.output)

    def bound(self, input_tokens: int, output_tokens: int) -> int:
        """The most that a completion of this size can cost, whatever the cache holds."""
        return _whole(input_tokens * max(self.input, self.cached) + output_tokens * self.output)


def _whole(millionths: int) -> int:
    return (millionths + 500_000) // 1_000_000


class Prices:
    """The price of each model; one without an entry costs nothing."""

    def __init__(self, of: Mapping[str, Price]) -> None:
        self._of = dict(of)

    def __getitem__(self, model: str) -> Price:
        return self._of.get(model, Price())
