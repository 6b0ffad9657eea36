"""Running the application: a socket that is bound before the models load, and a graceful shutdown."""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from forefront.catalog.catalog import Catalog
from forefront.gateway.ledger.ledger import Ledger
from forefront.observability.event_loop_lag import measured_event_loop_lag
from forefront.observability.load_samples import sampled_load
from forefront.observability.server_metrics import ServerMetrics
from forefront.server.connection.connection_limits import ConnectionLimits
from forefront.server.connection.protocol import ProtocolOptions, bounded_protocol
from forefront.server.connection.tls_listener import HttpProtocol, TlsListener
from forefront.server.idempotency.shared_runs import SharedRuns

log = logging.getLogger(__name__)

# Seconds for requests to end after their models are closed, and again after they are cancelled.
_END_SECONDS = 0.5
# Unsent bytes that the system buffers for a connection. Without a bound, megabytes wait for a slow client.
_NOTSENT_LOWAT = 2**17
_BACKLOG = 2048
_KEEPALIVE_SECONDS = 75
# Connections to the port of the metrics.
_METRICS_CONNECTIONS = 32


@dataclass(frozen=True, slots=True)
class MetricsPort:
    """An application that is served beside the main one, without keys and TLS: the metrics."""

    app: ASGIApp
    bound: socket.socket


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Seconds of grace at a shutdown, for the headers of a request and for a client that does not read; the number of
    connections in all, and without a key from one address; the files for TLS."""

    grace_seconds: float
    header_seconds: float
    send_seconds: float
    connections: int
    connections_per_address: int
    tls_certificate: str | None = None
    tls_key: str | None = None


@dataclass(frozen=True, slots=True)
class Shutdown:
    """The parts to close, in this order: models and shared runs, requests, the ledger."""

    catalog: Catalog
    runs: SharedRuns
    ledger: Ledger

    async def close(self, requests: Callable[[], set[asyncio.Task[None]]]) -> None:
        """Close everything. `requests` are the tasks of those that are still running."""
        try:
            await self.runs.close()
            await self.catalog.close()
            await _end(requests())
        finally:
            await self.ledger.close()


class _Server(uvicorn.Server):
    """uvicorn without its signal handling, which would end the process by the signal instead of with status 0.

    With TLS, a handshake has `handshake_seconds` and counts in `limits`. uvicorn gives it a minute and no limit.
    """

    def __init__(self, config: uvicorn.Config, handshake_seconds: float, limits: ConnectionLimits) -> None:
        super().__init__(config)
        self._handshake_seconds = handshake_seconds
        self._limits = limits

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        context = self.config.ssl
        if context is None:
            await super().startup(sockets)
            return
        await super().startup([])
        for bound in sockets or ():
            listener: Any = TlsListener(bound, context, self._handshake_seconds, self._limits, self._protocol)
            self.servers.append(listener)

    def _protocol(self) -> HttpProtocol:
        kind: Any = self.config.http_protocol_class
        protocol: HttpProtocol = kind(self.config, self.server_state, self.lifespan.state)
        return protocol


class _SignalHandler:
    """SIGINT and SIGTERM: the first begins the shutdown, a second one ends it at once."""

    def __init__(self, server: uvicorn.Server, catalog: Catalog, grace_seconds: float) -> None:
        self._server = server
        self._catalog = catalog
        self._grace_seconds = grace_seconds
        self._timer: asyncio.TimerHandle | None = None
        self._closing: list[asyncio.Task[None]] = []

    def install(self) -> None:
        """Handle the signals, on the running event loop."""
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self._stop)

    def cancel_timer(self) -> None:
        """End the grace period without closing the models."""
        if self._timer is not None:
            self._timer.cancel()

    async def models_closed(self) -> None:
        """Wait for models that a signal has closed."""
        await asyncio.gather(*self._closing)

    def _stop(self) -> None:
        if self._server.should_exit:
            self._server.force_exit = True
            self._close_models("second signal")
            return
        seconds = self._grace_seconds
        log.info("shutting down: %s", _shutdown_message(len(self._server.server_state.tasks), seconds))
        self._server.should_exit = True
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(seconds, self._close_models, f"the grace period of {seconds:g} s is over")

    def _close_models(self, reason: str) -> None:
        log.warning("%s: ending the remaining requests", reason)
        self._closing.append(asyncio.get_running_loop().create_task(self._catalog.close()))


def bind(host: str, port: int) -> socket.socket:
    """A bound socket that does not listen yet. Raises `OSError` when the address is taken, before any model loads."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):
            bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _NOTSENT_LOWAT)  # connections inherit it
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound


async def serve(
    app: ASGIApp,
    shutdown: Shutdown,
    bound: socket.socket,
    options: ServerOptions,
    started: Callable[[], None],
    metrics: ServerMetrics,
    metrics_port: MetricsPort | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT. Then accept no more requests, give the running ones `grace_seconds`, and return.

    Requests that are left then end with an error. A second signal ends the grace period. `started` is called once the
    socket listens. `metrics` counts the requests that cannot be read, and measures the event loop.
    """
    limits = ConnectionLimits(options.connections, options.connections_per_address)
    server = _Server(_uvicorn_config(app, limits, options, metrics), options.header_seconds, limits)
    signals = _SignalHandler(server, shutdown.catalog, options.grace_seconds)
    signals.install()
    shutdown.ledger.start()
    shutdown.catalog.start()
    bound.listen(_BACKLOG)
    started()
    async with _metrics_server(metrics_port, options, metrics):
        try:
            with measured_event_loop_lag(metrics.event_loop_lag), sampled_load(metrics):
                await server.serve(sockets=[bound])
        finally:
            signals.cancel_timer()
            await shutdown.close(lambda: set(server.server_state.tasks))
            await signals.models_closed()


@contextlib.asynccontextmanager
async def _metrics_server(
    port: MetricsPort | None, options: ServerOptions, metrics: ServerMetrics
) -> AsyncIterator[None]:
    """Serve the metrics on their own port, if they have one."""
    if port is None:
        yield
        return
    limits = ConnectionLimits(_METRICS_CONNECTIONS, _METRICS_CONNECTIONS)
    plain = replace(options, grace_seconds=0, tls_certificate=None, tls_key=None)
    server = _Server(_uvicorn_config(port.app, limits, plain, metrics), options.header_seconds, limits)
    port.bound.listen(_METRICS_CONNECTIONS)
    serving = asyncio.create_task(server.serve(sockets=[port.bound]))
    try:
        yield
    finally:
        server.should_exit = True
        await serving


def _uvicorn_config(
    app: ASGIApp, limits: ConnectionLimits, options: ServerOptions, metrics: ServerMetrics
) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=bounded_protocol(ProtocolOptions(limits, options.header_seconds, options.send_seconds, metrics.errors)),
        ws="none",
        ssl_certfile=options.tls_certificate,
        ssl_keyfile=options.tls_key,
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # the client's address is not used
        server_header=False,
        timeout_keep_alive=_KEEPALIVE_SECONDS,
        # Longer than the grace period: requests end by the closing of their models, so that each gets its error.
        timeout_graceful_shutdown=int(options.grace_seconds) + 5,
    )


async def _end(requests: set[asyncio.Task[None]]) -> None:
    """Wait until no request is left that could write to the ledger. Cancel those that do not end by themselves, such as
    one whose client does not read."""
    if requests:
        _, left = await asyncio.wait(requests, timeout=_END_SECONDS)
        for request in left:
            request.cancel()
        if left:
            await asyncio.wait(left, timeout=_END_SECONDS)


def _shutdown_message(running: int, seconds: float) -> str:
    if not running:
        return "no request is running"
    requests = "1 running request" if running == 1 else f"{running} running requests"
    return f"no new requests, up to {seconds:g} s for {requests} (Ctrl-C again ends the wait)"
