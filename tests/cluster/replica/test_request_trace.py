"""The trace of a request goes on in the replica that computes its tokens or its vectors."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from forefront.cluster.backend.cluster_status import cluster_status
from forefront.cluster.backend.connections.replica_pool import RemoteModel
from forefront.cluster.backend.dispatching.dispatcher import RemoteLimits
from forefront.cluster.backend.remote_embedding_engine import RemoteEmbeddingEngine
from forefront.engine.embedding.embedding_model import EmbeddingInput
from forefront.engine.request import GenerateRequest
from forefront.fairness.tenant import Tenant
from forefront.observability.trace_context import received_trace
from tests.cluster.replicas import Replica, engine_on, spec_of
from tests.engine.engines import GREEDY, collect, prompt
from tests.support.models.random_encoder import ENCODERS, write_encoder
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


async def test_an_embedding_request_has_a_span_on_its_replica(tmp_path: Path, collector: Collector) -> None:
    encoder = tmp_path / "encoder.gguf"
    write_encoder(encoder, ENCODERS["bert, mean"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        replica = Replica(msgspec.structs.replace(spec_of(encoder, tmp_path), traces=collector.url))
    try:
        identity = replica.address.identity
        model = RemoteModel(identity.context_limit, identity.vocabulary_size, identity.text, identity.width)
        engine = RemoteEmbeddingEngine(model, RemoteLimits())
        engine.start()
        engine.set_replicas([replica.address])
        with received_trace({"traceparent": PARENT}):
            await engine.vectors([EmbeddingInput([5, 6, 7]), EmbeddingInput([8, 9])], Tenant("project"))
        async with asyncio.timeout(20):
            while not (spans := [span for span in collector.spans if span.name == "embed"]):
                await asyncio.sleep(0.05)
        await engine.stop()
    finally:
        replica.close()
    [span] = spans
    assert span.parent_span_id.hex() == PARENT.split("-")[2]
    assert attributes(span) == {"forefront.prompt_tokens": 5, "forefront.sequences": 2}
