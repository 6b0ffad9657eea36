"""Opens the exporter of traces, if the settings or OpenTelemetry's environment variables configure one."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec

from forefront.cli.config import ConfigError
from forefront.observability.tracing import Tracer

log = logging.getLogger(__name__)

_MISSING = "traces need OpenTelemetry: pip install 'forefront[tracing]'"
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


@contextmanager
def open_tracer(endpoint: str | None, environment: Mapping[str, str]) -> Iterator[Tracer | None]:
    """The tracer, or None if no exporter is configured. `endpoint` is the setting. Nothing of OpenTelemetry is imported
    without an exporter.

    Raises `ConfigError` where the setting asks for traces and the packages are missing.
    """
    tracer = _create_tracer(endpoint) if _is_enabled(endpoint, environment) else None
    try:
        yield tracer
    finally:
        if tracer is not None:
            tracer.close()


def _is_enabled(endpoint: str | None, environment: Mapping[str, str]) -> bool:
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    if environment.get("OTEL_TRACES_EXPORTER", "otlp").lower() == "none":
        return False
    return endpoint is not None or any(environment.get(name) for name in _ENDPOINTS)


def check_tracing(endpoint: str | None) -> None:
    """Raise `ConfigError` where the setting asks for traces and the packages are missing."""
    if endpoint is not None and not _is_installed():
        raise ConfigError(f"`tracing.endpoint`: {_MISSING}")


def _create_tracer(endpoint: str | None) -> Tracer | None:
    check_tracing(endpoint)
    if not _is_installed():  # variables of the environment may be meant for other programs
        log.warning("%s", _MISSING)
        return None
    from forefront.observability.otel_tracer import OtelTracer

    return OtelTracer(endpoint)


def _is_installed() -> bool:
    try:
        return find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    except ModuleNotFoundError:  # of a package above it
        return False
