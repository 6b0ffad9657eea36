"""The trace of a request goes on in the replica that generates its tokens."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from forefront.cluster.backend.cluster_status import cluster_status
from forefront.engine.request import GenerateRequest
from forefront.observability.trace_context import received_trace
from tests.cluster.replicas import Replica, engine_on, spec_of
from tests.engine.engines import GREEDY, collect, prompt
from tests.support.services.otlp import Collector, attributes, run_collector

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with run_collector() as running:
        yield running


@pytest.fixture(scope="module")
def replica(tiny_gguf: Path, tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[Replica]:
    """A replica that exports spans, at its end at the latest."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        spec = spec_of(tiny_gguf, tmp_path_factory.mktemp("home"))
        running = Replica(msgspec.structs.replace(spec, traces=collector.url))
    yield running
    running.close()


async def test_a_generation_has_a_span_on_its_replica(replica: Replica, collector: Collector) -> None:
    async with engine_on([replica]) as engine:
        with received_trace({"traceparent": PARENT}):
            tokens = await collect(engine.submit(GenerateRequest(prompt(100), 5, GREEDY)))
        await collect(engine.submit(GenerateRequest(prompt(100), 5, GREEDY)))  # without a trace
        async with asyncio.timeout(20):
            while len(collector.spans) < 3:
                await asyncio.sleep(0.05)
        status = cluster_status(engine.router, engine.dispatcher.moves)
    spans = {span.name: span for span in collector.spans}
    span = spans["generate"]
    assert span.trace_id.hex() == PARENT.split("-")[1]
    assert span.parent_span_id.hex() == PARENT.split("-")[2]
    assert attributes(span)["forefront.sampled_tokens"] == len(tokens) == 5
    assert attributes(span)["forefront.prompt_tokens"] == 100
    assert spans["prefill"].parent_span_id == spans["decode"].parent_span_id == span.span_id

    [seen] = status.replicas
    assert (seen.name, seen.state, seen.requests) == (replica.name, "available", 0)
    assert status.routing.prefix == 1
    assert status.routing.known_tokens == 96
