"""The operations of monitoring, and the pages."""

from typing import Final

from forefront.server.openapi.operation import Operation, PathId
from forefront.wire.completions.response import Health

SERVER_OPERATIONS: Final = (
    Operation(
        method="GET", path="/health", group="Server", name="health", open=True,
        summary="Whether the process answers", answer=Health,
    ),
    Operation(
        method="GET", path="/ready", group="Server", name="ready", open=True,
        summary="Whether every loaded model generates tokens", answer=Health, errors=("not_ready",),
    ),
    Operation(
        method="GET", path="/metrics", group="Server", name="metrics", scope="metrics",
        summary="Metrics for Prometheus",
        description="In Prometheus' text format, or OpenMetrics if the header `accept` names it. For keys with the "
        "scope `metrics` or `admin`.",
        answer="text/plain",
    ),
    Operation(
        method="GET", path="/openapi.json", group="Server", name="openapi", open=True,
        summary="This document", answer="application/json",
    ),
    Operation(
        method="GET", path="/docs", group="Server", name="docs", open=True,
        summary="A page that shows this document", answer="text/html",
    ),
    Operation(
        method="GET", path="/", group="Server", name="playground", open=True,
        summary="A page to try the models on",
        description="Clients that do not accept `text/html` get a 404.", answer="text/html", errors=("unknown_url",),
    ),
    Operation(
        method="GET", path="/dashboard", group="Server", name="dashboard", open=True,
        summary="A page for administrators", answer="text/html",
    ),
    Operation(
        method="GET", path="/assets/{name}", group="Server", name="asset",
        summary="A file of the pages", description="The files that exist need no key.",
        answer="application/octet-stream", path_types={"name": PathId}, errors=("unknown_url",),
    ),
)  # fmt: skip
