"""Running the application: a socket that is bound early, and a shutdown that drains."""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from forefront.catalog.catalog import Catalog
from forefront.gateway.ledger.ledger import Ledger
from forefront.server.http.connection_limits import ConnectionLimits
from forefront.server.http.protocol import Bounds, bounded_protocol
from forefront.server.http.tls_listener import HttpProtocol, TlsListener
from forefront.server.idempotency.shared_runs import SharedRuns

log = logging.getLogger(__name__)

# Seconds in which requests end after their models have, and after they have been cancelled.
_FAREWELL = 0.5
# Bytes that the system takes of a connection before it sends them. Without a bound, megabytes wait for a slow client.
_UNSENT = 2**17


@dataclass(frozen=True, slots=True)
class Listen:
    """How connections are taken: seconds of grace at the end, for headers and for reading what is sent; how many in
    all, and of one address without a key; and TLS by files."""

    grace: float
    header_seconds: float
    send_seconds: float
    connections: int
    connections_per_address: int
    tls_certificate: str | None = None
    tls_key: str | None = None


class _Server(uvicorn.Server):
    """uvicorn, less its signal handling: it would end the process by the signal instead of with status 0.

    With TLS, a handshake has `handshake_seconds` and is within `limits`; uvicorn gives it a minute and no limit.
    """

    def __init__(self, config: uvicorn.Config, handshake_seconds: float, limits: ConnectionLimits) -> None:
        super().__init__(config)
        self._seconds = handshake_seconds
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
            listener: Any = TlsListener(bound, context, self._seconds, self._limits, self._protocol)
            self.servers.append(listener)

    def _protocol(self) -> HttpProtocol:
        kind: Any = self.config.http_protocol_class
        made: HttpProtocol = kind(self.config, self.server_state, self.lifespan.state)
        return made


def bind(host: str, port: int) -> socket.socket:
    """A bound socket that does not listen yet. Raises `OSError` when the address is taken, before any model loads."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):
            bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT)  # connections inherit it
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound


async def serve(
    app: ASGIApp,
    catalog: Catalog,
    writer: Ledger,
    runs: SharedRuns,
    bound: socket.socket,
    listen: Listen,
    started: Callable[[], None],
) -> None:
    """Serve until SIGTERM or SIGINT; then take no more requests, give those that run `listen.grace` seconds, return.

    What still runs after that ends with a clean error. A second signal ends it at once.
    """
    limits = ConnectionLimits(listen.connections, listen.connections_per_address)
    config = uvicorn.Config(
        app,
        http=bounded_protocol(Bounds(limits, listen.header_seconds, listen.send_seconds)),
        ws="none",
        ssl_certfile=listen.tls_certificate,
        ssl_keyfile=listen.tls_key,
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # nothing here looks at the client's address
        server_header=False,
        timeout_keep_alive=75,
        # Longer than the grace period: the engine's stop ends the requests, so that each gets its error.
        timeout_graceful_shutdown=int(listen.grace) + 5,
    )
    server, grace = _Server(config, listen.header_seconds, limits), listen.grace
    loop = asyncio.get_running_loop()
    cutting: list[asyncio.TimerHandle] = []
    closing: list[asyncio.Task[None]] = []

    def cut(reason: str) -> None:
        log.warning("%s: ending what still runs", reason)
        closing.append(loop.create_task(catalog.close()))

    def leave() -> None:
        if server.should_exit:
            server.force_exit = True
            cut("stopped again")
        else:
            log.info("shutting down: %s", _farewell(len(server.server_state.tasks), grace))
            server.should_exit = True
            cutting.append(loop.call_later(grace, cut, f"the grace period of {grace:g} s is over"))

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, leave)
    writer.start()
    catalog.start()
    bound.listen(2048)
    started()
    try:
        await server.serve(sockets=[bound])
    finally:
        for timer in cutting:
            timer.cancel()
        try:
            await runs.close()
            await catalog.close()
            await asyncio.gather(*closing)
            await _see_off(set(server.server_state.tasks))
        finally:
            await writer.close()


async def _see_off(requests: set[asyncio.Task[None]]) -> None:
    """Wait until no request is left that could have a row for the ledger; cancel those that do not end by themselves,
    such as one whose client does not read."""
    if requests:
        _, left = await asyncio.wait(requests, timeout=_FAREWELL)
        for request in left:
            request.cancel()
        if left:
            await asyncio.wait(left, timeout=_FAREWELL)


def _farewell(running: int, grace: float) -> str:
    if not running:
        return "no request is running"
    those, them = ("the 1 that runs", "it") if running == 1 else (f"the {running} that run", "them")
    return f"no new requests, up to {grace:g} s for {those} (Ctrl-C again ends {them})"
