"""The counts and latencies of a running server, in memory. Everything here is written and read on the event loop."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from forefront.observability.histogram import Histogram
from forefront.observability.request_history import RequestHistory

# Buckets of vLLM's metrics of the same names, in seconds, so that dashboards and alerts carry over.
_FIRST_TOKEN: Final = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0, 160.0,
)  # fmt: skip
_BETWEEN_TOKENS: Final = (
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0,
)  # fmt: skip
_REQUEST: Final = (
    0.01, 0.05, 0.1, 0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0,
    480.0, 960.0,
)  # fmt: skip
_TOKENS: Final = (
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000,
)  # fmt: skip
SHORT_TIMES: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


def _histogram(bounds: tuple[float, ...]) -> Callable[[], Histogram]:
    return lambda: Histogram(bounds)


@dataclass(slots=True)
class ModelMetrics:
    """The requests of one model. `running` and `waiting` are requests now; all else is since the server's start.

    Tokens, cost and latencies are those of requests that have ended. `finished` counts them by reason.
    """

    running: int = 0
    waiting: int = 0
    finished: Counter[str] = field(default_factory=Counter)
    prompt_tokens: int = 0
    cached_tokens: int = 0
    generation_tokens: int = 0
    reasoning_tokens: int = 0
    cost_nanos: int = 0
    time_to_first_token: Histogram = field(default_factory=_histogram(_FIRST_TOKEN))
    inter_token_latency: Histogram = field(default_factory=_histogram(_BETWEEN_TOKENS))
    time_per_output_token: Histogram = field(default_factory=_histogram(_BETWEEN_TOKENS))
    request_latency: Histogram = field(default_factory=_histogram(_REQUEST))
    queue_time: Histogram = field(default_factory=_histogram(_REQUEST))
    prefill_time: Histogram = field(default_factory=_histogram(_REQUEST))
    decode_time: Histogram = field(default_factory=_histogram(_REQUEST))
    request_prompt_tokens: Histogram = field(default_factory=_histogram(_TOKENS))
    request_generation_tokens: Histogram = field(default_factory=_histogram(_TOKENS))


class ServerMetrics:
    """The metrics of all models and of the server itself.

    `errors` counts error responses and error events of streams by code. `responses` counts HTTP responses by method,
    route and status; status 0 is a client that left before the response. `history` has the requests of the last hour.
    """

    def __init__(self) -> None:
        self.models: dict[str, ModelMetrics] = {}
        self.errors: Counter[str] = Counter()
        self.responses: Counter[tuple[str, str, int]] = Counter()
        self.event_loop_lag = Histogram(SHORT_TIMES)
        self.history = RequestHistory()

    def model(self, name: str) -> ModelMetrics:
        """The metrics of a served model. The name is one of the catalog, never a client's text."""
        metrics = self.models.get(name)
        if metrics is None:
            metrics = self.models[name] = ModelMetrics()
        return metrics
