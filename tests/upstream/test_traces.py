"""The trace of a request goes on in the upstream."""

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from forefront.observability.otel_tracer import OtelTracer
from forefront.observability.trace_context import received_trace
from forefront.observability.tracing import RequestTimes
from forefront.upstream.upstream_backend import UpstreamBackend
from tests.support.services.otlp import Collector, run_collector
from tests.support.upstreams.faulty_upstream import FaultyUpstream
from tests.upstream.backends import answer, chat

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@contextmanager
def traced(collector: Collector) -> Iterator[OtelTracer]:
    tracer = OtelTracer(collector.url)
    with contextlib.closing(tracer):
        yield tracer


async def test_an_upstream_gets_the_span_of_the_request(backend: UpstreamBackend, upstream: FaultyUpstream) -> None:
    with run_collector() as collector, received_trace({"traceparent": PARENT, "tracestate": "vendor=1"}):
        with traced(collector) as tracer:
            span = tracer.start("chat big", 1.0, {})
            await answer(backend, chat())
            span.end(RequestTimes(1.0, 1.0, 2.0, 3.0, 4.0), {}, None)
        [exported] = [span for span in collector.spans if span.name == "chat big"]
    headers = upstream.completions[-1].headers
    assert headers["traceparent"] == f"00-{exported.trace_id.hex()}-{exported.span_id.hex()}-01"
    assert exported.trace_id.hex() == PARENT.split("-")[1]
    assert headers["tracestate"] == "vendor=1"


@pytest.mark.parametrize("header", ["traceparent", "tracestate"])
async def test_without_traces_nothing_is_sent(backend: UpstreamBackend, upstream: FaultyUpstream, header: str) -> None:
    await answer(backend, chat())
    assert header not in upstream.completions[-1].headers
