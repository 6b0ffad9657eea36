"""Opens the exporter of traces, if the settings or OpenTelemetry's environment variables configure one."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from forefront.cli.settings.config import ConfigError
from forefront.observability.tracer_choice import MISSING_PACKAGES, choose_tracer, is_installed
from forefront.observability.tracing import Tracer


@contextmanager
def open_tracer(endpoint: str | None, environment: Mapping[str, str]) -> Iterator[Tracer | None]:
    """The tracer, or None if no exporter is configured. `endpoint` is the setting.

    Raises `ConfigError` where the setting asks for traces and the packages are missing.
    """
    check_tracing(endpoint)
    tracer = choose_tracer(endpoint, environment)
    try:
        yield tracer
    finally:
        if tracer is not None:
            tracer.close()


def check_tracing(endpoint: str | None) -> None:
    """Raise `ConfigError` where the setting asks for traces and the packages are missing."""
    if endpoint is not None and not is_installed():
        raise ConfigError(f"`tracing.endpoint`: {MISSING_PACKAGES}")
