"""The text of a scrape: Prometheus' text format, or OpenMetrics where the client accepts it."""

from collections.abc import Iterable
from itertools import chain
from typing import Final

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST as OPEN_METRICS
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector

from forefront.server.http.headers import list_members

_OPEN_METRICS_TYPE: Final = "application/openmetrics-text"


class Exposition:
    """Renders families, together with those of the process and the interpreter."""

    def __init__(self) -> None:
        self._process = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._process)

    def render(self, families: Iterable[Metric], *, open_metrics: bool) -> bytes:
        """The body of a response."""
        snapshot = _Snapshot(chain(families, self._process.collect()))
        if open_metrics:
            body: bytes = generate_openmetrics(snapshot)  # type: ignore[no-untyped-call]
            return body
        return generate_latest(snapshot)


def accepts_open_metrics(accept: str) -> bool:
    """Whether an `accept` header names OpenMetrics."""
    return any(part.partition(";")[0].strip().lower() == _OPEN_METRICS_TYPE for part in list_members(accept))


def content_type(*, open_metrics: bool) -> str:
    """The media type of the format."""
    return OPEN_METRICS if open_metrics else CONTENT_TYPE_PLAIN_0_0_4


class _Snapshot(Collector):
    """Families that have been collected."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families
