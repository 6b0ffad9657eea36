"""The figures of a round: percentiles, throughput and goodput."""

import math
import statistics
from collections.abc import Sequence
from typing import Final

from benchmarks.load.stream import Stream

FIRST_TOKEN_GOAL: Final = 1.0
"""Seconds to the first token within which an answer counts as good."""
GAP_GOAL: Final = 0.1
"""Seconds between tokens, at the answer's 95th percentile, within which an answer counts as good."""


def percentile(values: Sequence[float], part: float) -> float:
    """The value at the rank `part` of 1, interpolated linearly (method 7 of Hyndman and Fan); NaN without values."""
    if not values:
        return math.nan
    ordered = sorted(values)
    rank = (len(ordered) - 1) * part
    below = math.floor(rank)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (rank - below)


def is_good(stream: Stream) -> bool:
    """Whether the answer is whole and both goals are met."""
    if not stream.ended or not stream.arrivals or stream.first_token > FIRST_TOKEN_GOAL:
        return False
    return len(stream.arrivals) < 2 or percentile(stream.gaps, 0.95) <= GAP_GOAL


def summarise(streams: Sequence[Stream], seconds: float) -> dict[str, float]:
    """The figures of the streams of one round that took `seconds`. Times are in seconds, rates per second."""
    begun = [stream for stream in streams if stream.arrivals]
    gaps = [gap for stream in begun for gap in stream.gaps]
    first = [stream.first_token for stream in begun]
    figures = {
        "seconds": seconds,
        "requests": float(len(streams)),
        "failed": float(sum(not stream.ended for stream in streams)),
        "prompt_tokens": float(sum(stream.prompt_tokens for stream in streams)),
        "tokens": float(sum(stream.tokens for stream in streams)),
        "good": sum(map(is_good, streams)) / max(len(streams), 1),
    }
    figures["throughput"] = figures["tokens"] / seconds
    figures["goodput"] = figures["good"] * len(streams) / seconds
    for name, values in (("first_token", first), ("gap", gaps)):
        figures |= {f"{name}_p{part}": percentile(values, part / 100) for part in (50, 95, 99)}
    return figures


def median_figures(rounds: Sequence[dict[str, float]]) -> dict[str, float]:
    """The median of each figure over the rounds."""
    return {name: statistics.median(figures[name] for figures in rounds) for name in rounds[0]}
