"""Traces by OpenTelemetry, exported over OTLP (HTTP). Import this module only where an exporter is configured."""

from collections.abc import Mapping
from importlib.metadata import version

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from forefront.observability.trace_context import set_trace_headers, trace_headers
from forefront.observability.tracing import AttributeValue, RequestTimes

_SECOND = 1_000_000_000  # nanoseconds
_FLUSH_SECONDS = 5.0


class OtelTracer:
    """The `Tracer` of a server. `endpoint` is the URL of the collector, such as `http://localhost:4318`; without it,
    OpenTelemetry's environment variables apply."""

    def __init__(self, endpoint: str | None) -> None:
        url = None if endpoint is None else endpoint.rstrip("/") + "/v1/traces"
        defaults = Resource({SERVICE_NAME: "forefront", SERVICE_VERSION: version("forefront")})
        self._provider = TracerProvider(
            resource=defaults.merge(OTELResourceDetector().detect()), shutdown_on_exit=False
        )
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=url)))
        self._tracer = self._provider.get_tracer("forefront", version("forefront"))
        self._propagator = TraceContextTextMapPropagator()

    def start(self, name: str, received: float, attributes: Mapping[str, AttributeValue]) -> "OtelSpan":
        """See `Tracer.start`."""
        parent = self._propagator.extract(trace_headers())
        span = self._tracer.start_span(
            name, context=parent, kind=SpanKind.SERVER, attributes=attributes, start_time=_nanoseconds(received)
        )
        headers: dict[str, str] = {}
        self._propagator.inject(headers, trace.set_span_in_context(span))
        set_trace_headers(headers)
        return OtelSpan(self._tracer, span)

    def close(self) -> None:
        """See `Tracer.close`."""
        self._provider.force_flush(int(_FLUSH_SECONDS * 1000))
        self._provider.shutdown()


class OtelSpan:
    """The `RequestSpan` of a request, with a child for each of its phases."""

    def __init__(self, tracer: trace.Tracer, span: Span) -> None:
        self._tracer = tracer
        self._span = span

    def end(self, times: RequestTimes, attributes: Mapping[str, AttributeValue], error: str | None) -> None:
        """See `RequestSpan.end`."""
        span = self._span
        if span.is_recording():
            span.set_attributes(attributes)
            if error is not None:
                span.set_attribute("error.type", error)
                span.set_status(Status(StatusCode.ERROR))
            marks = (times.received, times.admitted, times.first_token, times.computed)
            for name, begin, end in zip(("queue", "prefill", "decode"), marks, marks[1:], strict=False):
                if begin is not None and end is not None:
                    self._phase(name, begin, max(begin, end))
        span.end(_nanoseconds(times.finished))

    def _phase(self, name: str, begin: float, end: float) -> None:
        parent = trace.set_span_in_context(self._span)
        child = self._tracer.start_span(name, context=parent, start_time=_nanoseconds(begin))
        child.end(_nanoseconds(end))


def _nanoseconds(seconds: float) -> int:
    return int(seconds * _SECOND)
