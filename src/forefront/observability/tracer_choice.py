"""The tracer that the environment configures. Nothing of OpenTelemetry is imported without an exporter."""

import logging
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Final

from forefront.observability.tracing import Tracer

log = logging.getLogger(__name__)

MISSING_PACKAGES: Final = "traces need OpenTelemetry: pip install 'forefront[tracing]'"
_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


def choose_tracer(endpoint: str | None, environment: Mapping[str, str]) -> Tracer | None:
    """The tracer, or None if no exporter is configured or its packages are missing. `endpoint`: see `OtelTracer`."""
    if not _is_enabled(endpoint, environment):
        return None
    if not is_installed():  # variables of the environment may be meant for other programs
        log.warning("%s", MISSING_PACKAGES)
        return None
    from forefront.observability.otel_tracer import OtelTracer

    return OtelTracer(endpoint)


def is_installed() -> bool:
    """Whether the packages of the exporter are there."""
    try:
        return find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    except ModuleNotFoundError:  # of a package above it
        return False


def _is_enabled(endpoint: str | None, environment: Mapping[str, str]) -> bool:
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    if environment.get("OTEL_TRACES_EXPORTER", "otlp").lower() == "none":
        return False
    return endpoint is not None or any(environment.get(name) for name in _ENDPOINTS)
