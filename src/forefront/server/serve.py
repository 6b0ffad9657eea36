"""Running the application: a socket that is bound early, and a shutdown that drains."""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import uvicorn
from starlette.types import ASGIApp

from forefront.catalog.catalog import Catalog
from forefront.gateway.writer import Writer
from forefront.server.protocol import bounded_protocol
from forefront.server.shared_runs import SharedRuns

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Listen:
    """How connections are taken: seconds of grace at the end and for headers, how many, and TLS by files."""

    grace: float
    header_seconds: float
    connections: int
    tls_certificate: str | None = None
    tls_key: str | None = None


class _Server(uvicorn.Server):
    """uvicorn, less its signal handling: it would end the process by the signal instead of with status 0."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def bind(host: str, port: int) -> socket.socket:
    """A bound socket that does not listen yet. Raises `OSError` when the address is taken, before any model loads."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound


async def serve(
    app: ASGIApp,
    catalog: Catalog,
    writer: Writer,
    runs: SharedRuns,
    bound: socket.socket,
    listen: Listen,
    started: Callable[[], None],
) -> None:
    """Serve until SIGTERM or SIGINT; then take no more requests, give those that run `listen.grace` seconds, return.

    What still runs after that ends with a clean error. A second signal ends at once.
    """
    config = uvicorn.Config(
        app,
        http=bounded_protocol(listen.header_seconds, listen.connections),
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
    server, grace = _Server(config), listen.grace
    loop = asyncio.get_running_loop()
    cutting: list[asyncio.TimerHandle] = []
    closing: list[asyncio.Task[None]] = []

    def cut() -> None:
        log.warning("the grace period of %g s is over; ending what still runs", grace)
        closing.append(loop.create_task(catalog.close()))

    def leave() -> None:
        if server.should_exit:
            server.force_exit = True
            cut()
        else:
            log.info("shutting down: no new requests, up to %g s for those that run", grace)
            server.should_exit = True
            cutting.append(loop.call_later(grace, cut))

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
        await runs.close()
        await catalog.close()
        await asyncio.gather(*closing)
        await writer.close()
