"""Figures of one run."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulation.cluster import ClusterSettings, RequestRecord, Result

# A request is good if its first token comes within so many seconds, and it ends without an error.
GOOD_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Summary:
    """Of the requests after the warm-up. Times in seconds, CPU times in microseconds."""

    requests: int
    hit_rate: float  # cached prompt tokens ÷ prompt tokens
    computed_tokens: float  # prompt tokens per request
    ttft_p50: float
    ttft_p99: float
    goodput: float  # good requests per second
    moved: int
    errors: int
    pause_p99: float  # of the requests that moved
    placement_us: float
    heartbeat_us: float


def summarize(result: Result, settings: ClusterSettings) -> Summary:
    """The figures of a run."""
    requests = [it for it in result.requests if it.arrived_at >= settings.warm_up_seconds]
    waits = [it.first_token_at - it.arrived_at for it in requests if it.first_token_at is not None]
    computed = sum(it.computed for it in requests)
    cached = sum(it.cached for it in requests)
    return Summary(
        requests=len(requests),
        hit_rate=cached / max(cached + computed, 1),
        computed_tokens=computed / max(len(requests), 1),
        ttft_p50=_quantile(waits, 0.5),
        ttft_p99=_quantile(waits, 0.99),
        goodput=sum(map(_good, requests)) / (settings.seconds - settings.warm_up_seconds),
        moved=sum(it.moves > 0 for it in requests),
        errors=sum(it.error for it in requests),
        pause_p99=_quantile([it.longest_pause for it in requests if it.longest_pause], 0.99),
        placement_us=1e6 * result.placement_seconds / max(result.placements, 1),
        heartbeat_us=1e6 * result.heartbeat_seconds / max(result.heartbeats, 1),
    )


def _good(request: RequestRecord) -> bool:
    first = request.first_token_at
    return first is not None and first - request.arrived_at <= GOOD_SECONDS and not request.error


def _quantile(values: Sequence[float], part: float) -> float:
    return float(np.quantile(values, part)) if values else 0.0
