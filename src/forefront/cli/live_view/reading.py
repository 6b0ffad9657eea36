"""A reading of a server's status and metrics, and the change between two readings."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from forefront.wire.admin.records import ServerStatus

_PREFIX: Final = "forefront_"
_MODEL: Final = "model_name"
# Sums over the other labels, by model.
_BY_MODEL: Final = (
    "request_success_total",
    "generation_tokens_total",
    "engine_tokens_total",
    "prefix_cache_queries_total",
    "prefix_cache_hits_total",
    "time_to_first_token_seconds_sum",
    "time_to_first_token_seconds_count",
    "inter_token_latency_seconds_sum",
    "inter_token_latency_seconds_count",
    "num_requests_running",
    "num_requests_waiting",
    "kv_cache_usage_perc",
)


@dataclass(frozen=True, slots=True)
class Reading:
    """The state of a server at `time`, in seconds of a monotonic clock. `values` are metrics by name and model."""

    time: float
    status: ServerStatus
    values: Mapping[str, Counter[str]]
    errors: Counter[str]

    def value(self, name: str, model: str) -> float:
        """A metric of a model; 0 for a model that has none."""
        return self.values[name][model]


@dataclass(frozen=True, slots=True)
class ModelRates:
    """The activity of a model: per second, and means in seconds. None without a request."""

    requests: float = 0.0
    tokens: float = 0.0
    first_token: float | None = None
    between_tokens: float | None = None
    cache_hits: float | None = None


@dataclass(frozen=True, slots=True)
class Rates:
    """The activity between two readings. `errors` are numbers by code."""

    seconds: float
    models: dict[str, ModelRates] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)

    @property
    def tokens(self) -> float:
        """Tokens per second of all models."""
        return sum(model.tokens for model in self.models.values())

    @property
    def requests(self) -> float:
        """Requests per second of all models."""
        return sum(model.requests for model in self.models.values())


def parse_reading(time: float, status: ServerStatus, metrics: str) -> Reading:
    """A reading from the body of `/metrics`. Raises `ValueError` for another kind of text."""
    from prometheus_client.parser import text_string_to_metric_families  # the other commands start without it

    values: dict[str, Counter[str]] = {name: Counter() for name in _BY_MODEL}
    errors: Counter[str] = Counter()
    for family in text_string_to_metric_families(metrics):
        for sample in family.samples:
            name = sample.name.removeprefix(_PREFIX)
            if name in values:
                values[name][sample.labels[_MODEL]] += sample.value  # type: ignore[assignment]
            elif name == "errors_total":
                errors[sample.labels["code"]] += int(sample.value)
    return Reading(time, status, values, errors)


def rates(before: Reading | None, now: Reading) -> Rates:
    """The activity between two readings. Without the first one, the totals since the server's start, with `seconds` 0.

    A server that was restarted between them counts from zero.
    """
    if before is not None and any(now.errors[code] < count for code, count in before.errors.items()):
        before = None
    seconds = 0.0 if before is None else now.time - before.time
    models = {name: _model_rates(before, now, name, seconds) for name in now.status.models}
    errors = now.errors.copy() if before is None else now.errors - before.errors
    return Rates(seconds, models, +errors)


def _model_rates(before: Reading | None, now: Reading, model: str, seconds: float) -> ModelRates:
    def change(name: str) -> float:
        earlier = 0.0 if before is None else before.value(name, model)
        return max(now.value(name, model) - earlier, 0.0)

    def mean(total: str, count: str) -> float | None:
        return change(total) / change(count) if change(count) else None

    # The engine also counts the tokens of running requests; an upstream's are known at their end.
    tokens = change("engine_tokens_total") or change("generation_tokens_total")
    return ModelRates(
        requests=change("request_success_total") / seconds if seconds else 0.0,
        tokens=tokens / seconds if seconds else 0.0,
        first_token=mean("time_to_first_token_seconds_sum", "time_to_first_token_seconds_count"),
        between_tokens=mean("inter_token_latency_seconds_sum", "inter_token_latency_seconds_count"),
        cache_hits=mean("prefix_cache_hits_total", "prefix_cache_queries_total"),
    )
