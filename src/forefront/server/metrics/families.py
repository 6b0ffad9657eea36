"""Every metric of the server as a family: name, help, labels, samples. `docs/operate/monitoring.md` lists them."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final, get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from forefront.catalog.catalog import Catalog
from forefront.chat.backend import ClusteredBackend, EngineStats, ReplicatedBackend
from forefront.gateway.ledger.ledger import Ledger
from forefront.gateway.ledger.pricing import from_nanos
from forefront.observability.histogram import Histogram
from forefront.observability.server_metrics import ModelMetrics, ServerMetrics
from forefront.server.http.body_memory import BodyMemory
from forefront.wire.errors import ERRORS
from forefront.wire.models import ModelState

PREFIX: Final = "forefront_"
_CIRCUIT_STATES: Final = ("closed", "open", "half_open")
_REPLICA_STATES: Final = ("available", "draining", "lost")
# Reasons that are always exported, so that a rate exists before the first request of its kind.
_REASONS: Final = ("stop", "length", "tool_calls", "abort", "error")

_COUNTERS: Final[Sequence[tuple[str, str, Callable[[ModelMetrics], float]]]] = (
    ("prompt_tokens", "Tokens of prompts, of requests that have ended.", lambda model: model.prompt_tokens),
    ("generation_tokens", "Sampled tokens, of requests that have ended.", lambda model: model.generation_tokens),
    (
        "reasoning_tokens",
        "Sampled tokens within reasoning, of requests that have ended.",
        lambda model: model.reasoning_tokens,
    ),
    (
        "prefix_cache_queries",
        "Tokens of prompts that were looked up in the prefix cache.",
        lambda model: model.prompt_tokens,
    ),
    ("prefix_cache_hits", "Tokens of prompts that were in the prefix cache.", lambda model: model.cached_tokens),
    ("cost", "Cost of requests, in the unit of the prices.", lambda model: from_nanos(model.cost_nanos)),
)
_HISTOGRAMS: Final[Sequence[tuple[str, str, Callable[[ModelMetrics], Histogram]]]] = (
    (
        "time_to_first_token_seconds",
        "From the parsed request to its first token.",
        lambda model: model.time_to_first_token,
    ),
    (
        "inter_token_latency_seconds",
        "Between two deltas of an answer, of its first choice, as the server sends them.",
        lambda model: model.inter_token_latency,
    ),
    (
        "request_time_per_output_token_seconds",
        "Decode time of a request, divided by its tokens after the first.",
        lambda model: model.time_per_output_token,
    ),
    (
        "e2e_request_latency_seconds",
        "From the parsed request to the end of its answer.",
        lambda model: model.request_latency,
    ),
    (
        "request_queue_time_seconds",
        "From the parsed request to its slot: preparation, limits, budget and queue.",
        lambda model: model.queue_time,
    ),
    ("request_prefill_time_seconds", "From the slot to the first token.", lambda model: model.prefill_time),
    ("request_decode_time_seconds", "From the first token to the last.", lambda model: model.decode_time),
    ("request_prompt_tokens", "Tokens of the prompt of a request.", lambda model: model.request_prompt_tokens),
    ("request_generation_tokens", "Sampled tokens of a request.", lambda model: model.request_generation_tokens),
)
_ENGINE_GAUGES: Final[Sequence[tuple[str, str, Callable[[EngineStats], float]]]] = (
    ("engine_sequences_running", "Sequences in the engine's batch.", lambda stats: stats.running),
    ("engine_sequences_waiting", "Sequences that wait for the engine's batch.", lambda stats: stats.waiting),
    (
        "kv_cache_usage_perc",
        "Share of the KV cache's blocks that are held; 1 is full.",
        lambda stats: stats.blocks_held / stats.blocks_total if stats.blocks_total else 0.0,
    ),
    ("kv_cache_blocks", "Blocks of the KV cache.", lambda stats: stats.blocks_total),
)
_ENGINE_COUNTERS: Final[Sequence[tuple[str, str, Callable[[EngineStats], float]]]] = (
    ("engine_tokens", "Tokens that the engine has sampled, also for running requests.", lambda s: s.tokens_sampled),
    ("spec_decode_num_drafts", "Drafts: guesses at the next tokens of a sequence.", lambda stats: stats.drafts),
    ("spec_decode_num_draft_tokens", "Tokens of drafts.", lambda stats: stats.draft_tokens),
    (
        "spec_decode_num_accepted_tokens",
        "Tokens of drafts that sampling confirmed.",
        lambda stats: stats.accepted_tokens,
    ),
    ("num_preemptions", "Sequences that gave up their KV blocks and began again.", lambda s: s.preemptions),
    ("kv_cache_evictions", "Cached KV blocks that were overwritten.", lambda stats: stats.evictions),
    ("engine_restarts", "Restarts of the engine after a failed step.", lambda stats: stats.restarts),
)


@dataclass(frozen=True, slots=True)
class MetricSources:
    """The parts of the server that are measured."""

    catalog: Catalog
    metrics: ServerMetrics
    ledger: Ledger
    body_memory: BodyMemory


def metric_families(sources: MetricSources) -> Iterator[Metric]:
    """A snapshot of every metric. Call it on the event loop; the result may be rendered in another thread."""
    info = GaugeMetricFamily(PREFIX + "build_info", "The version of the server; always 1.", labels=["version"])
    info.add_metric([version("forefront")], 1)
    yield info
    models = {model.name: sources.metrics.model(model.name) for model in sources.catalog}
    yield from _request_families(models | sources.metrics.models)
    engines = {model.name: model.loaded.backend.stats() for model in sources.catalog if model.loaded is not None}
    yield from _engine_families(engines)
    yield from _model_families(sources.catalog)
    yield from _replica_families(sources.catalog)
    yield from _cluster_families(sources.catalog)
    yield from _server_families(sources)


def _request_families(models: Mapping[str, ModelMetrics]) -> Iterator[Metric]:
    running = _gauge("num_requests_running", "Requests with a slot.", "model_name")
    waiting = _gauge("num_requests_waiting", "Requests that wait in the queue.", "model_name")
    finished = _counter("request_success", "Requests that have ended, by reason.", "model_name", "finished_reason")
    for name, model in models.items():
        running.add_metric([name], model.running)
        waiting.add_metric([name], model.waiting)
        for reason in dict.fromkeys((*_REASONS, *model.finished)):
            finished.add_metric([name, reason], model.finished[reason])
    yield from (running, waiting, finished)
    for title, text, count in _COUNTERS:
        counter = _counter(title, text, "model_name")
        for name, model in models.items():
            counter.add_metric([name], count(model))
        yield counter
    for title, text, histogram_of in _HISTOGRAMS:
        family = HistogramMetricFamily(PREFIX + title, text, labels=["model_name"])
        for name, model in models.items():
            histogram = histogram_of(model)
            family.add_metric([name], histogram.buckets(), histogram.sum)
        yield family


def _engine_families(engines: Mapping[str, EngineStats]) -> Iterator[Metric]:
    for title, text, value in _ENGINE_GAUGES:
        gauge = _gauge(title, text, "model_name")
        for name, stats in engines.items():
            gauge.add_metric([name], value(stats))
        yield gauge
    for title, text, value in _ENGINE_COUNTERS:
        counter = _counter(title, text, "model_name")
        for name, stats in engines.items():
            counter.add_metric([name], value(stats))
        yield counter


def _model_families(catalog: Catalog) -> Iterator[Metric]:
    state = _gauge("model_state", "1 for the state of the model, 0 for the others.", "model_name", "state")
    memory = _gauge("model_memory_bytes", "Memory that the loaded model takes.", "model_name")
    loading = _gauge("model_load_waiting", "Requests that wait until the model is loaded.", "model_name")
    for model in catalog:
        for name in get_args(ModelState):
            state.add_metric([model.name, name], name == model.state)
        memory.add_metric([model.name], model.held_bytes)
        loading.add_metric([model.name], len(model.waiting))
    yield from (state, memory, loading)


def _replica_families(catalog: Catalog) -> Iterator[Metric]:
    labels = ("model_name", "replica")
    state = _gauge("upstream_state", "1 for the state of an upstream's circuit, 0 for the others.", *labels, "state")
    running = _gauge("upstream_requests_running", "Requests that an upstream server computes.", *labels)
    tokens = _gauge("upstream_outstanding_tokens", "Tokens of these requests, with the longest answers.", *labels)
    failures = _counter("upstream_failures", "Failures of requests to an upstream server.", *labels)
    ejections = _counter("upstream_ejections", "How often an upstream server was taken out of use.", *labels)
    for model in catalog:
        backend: object = None if model.loaded is None else model.loaded.backend
        if not isinstance(backend, ReplicatedBackend):
            continue
        for replica in backend.replicas():
            names = [model.name, replica.name]
            for value in _CIRCUIT_STATES:
                state.add_metric([*names, value], value == replica.state)
            running.add_metric(names, replica.running)
            tokens.add_metric(names, replica.outstanding_tokens)
            failures.add_metric(names, replica.failures)
            ejections.add_metric(names, replica.ejections)
    yield from (state, running, tokens, failures, ejections)


def _cluster_families(catalog: Catalog) -> Iterator[Metric]:
    labels = ("model_name", "node")
    replicas = _gauge("cluster_replicas", "Replicas of a model on a node of the cluster, by state.", *labels, "state")
    work = _gauge("cluster_work_tokens", "Tokens that the replicas on a node still have to compute.", *labels)
    routed = _counter("cluster_placements", "Generations that were sent to replicas.", "model_name", "reason")
    tokens = _counter("cluster_prompt_tokens", "Tokens of prompts that were sent to replicas.", "model_name")
    known = _counter("cluster_known_tokens", "Of these, tokens expected in the replica's cache.", "model_name")
    moves = _counter("cluster_moves", "Moves of generations between replicas.", "model_name", "reason")
    for model in catalog:
        backend: object = None if model.loaded is None else model.loaded.backend
        if not isinstance(backend, ClusteredBackend):
            continue
        status = backend.cluster_status()
        counts = Counter((replica.node, replica.state) for replica in status.replicas)
        loads: Counter[str] = Counter()
        for replica in status.replicas:
            loads[replica.node] += replica.work
        for node, load in loads.items():
            work.add_metric([model.name, node], load)
            for state in _REPLICA_STATES:
                replicas.add_metric([model.name, node, state], counts[node, state])
        for reason in ("prefix", "hash", "load"):
            routed.add_metric([model.name, reason], getattr(status.routing, reason))
        tokens.add_metric([model.name], status.routing.tokens)
        known.add_metric([model.name], status.routing.known_tokens)
        for reason in ("failures", "drains", "given_up"):
            moves.add_metric([model.name, reason], getattr(status.moves, reason))
    yield from (replicas, work, routed, tokens, known, moves)


def _server_families(sources: MetricSources) -> Iterator[Metric]:
    metrics, ledger, memory = sources.metrics, sources.ledger, sources.body_memory.memory
    errors = _counter("errors", "Error responses, and error events of streams, by code.", "code")
    for code in ERRORS:
        errors.add_metric([code], metrics.errors[code])
    yield errors
    responses = _counter(
        "http_requests", "HTTP requests; status 0: the client disconnected.", "method", "route", "status"
    )
    for (method, route, status), count in metrics.responses.items():
        responses.add_metric([method, route, str(status)], count)
    yield responses
    yield _value("ledger_up", "Whether the ledger can be written.", ledger.healthy)
    yield _value("ledger_pending", "Rows and reservations that wait for a commit.", ledger.pending)
    yield _single("ledger_write_seconds", "From the end of an answer to the commit of its row.", ledger.write_times)
    yield _value("body_memory_bytes", "Memory that bodies and collected answers hold.", memory.capacity - memory.free)
    yield _value("body_memory_limit_bytes", "The most that they may hold.", memory.capacity)
    yield _single("event_loop_lag_seconds", "Delay of a timer of the event loop.", metrics.event_loop_lag)


def _gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(PREFIX + name, text, labels=labels)


def _counter(name: str, text: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(PREFIX + name, text, labels=labels)


def _value(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(PREFIX + name, text, value=value)


def _single(name: str, text: str, histogram: Histogram) -> HistogramMetricFamily:
    return HistogramMetricFamily(PREFIX + name, text, buckets=histogram.buckets(), sum_value=histogram.sum)
