"""The engine of a replica, reached by servers over connections of frames. It knows nothing of Ray.

Each server has one connection. A server that closes its connection, or sends nothing for `SERVER_SILENCE` seconds, has
its requests cancelled.
"""

import asyncio
import logging
import ssl
import time
from collections.abc import Callable
from typing import Final, Protocol

from forefront.cluster.protocol.frames import Status
from forefront.cluster.replica.server_connection import ReplicaContext, ServerConnection
from forefront.cluster.routing.replica_state import ReplicaLoad
from forefront.engine.engine_stats import EngineStats

log = logging.getLogger(__name__)

_CHECK_SECONDS: Final = 1.0
# A server sends a heartbeat each second. A frozen server has no reading clients.
SERVER_SILENCE: Final = 20.0
_HANDSHAKE_SECONDS: Final = 10.0


class ReplicaService(Protocol):
    """The engine of a replica, as offered to servers."""

    def stats(self) -> EngineStats:
        """The load and the counters of the engine."""

    def connect(self, replica: ReplicaContext, closed: Callable[[ServerConnection], None]) -> ServerConnection:
        """The connection of another server. `closed` is called at its end."""

    async def close(self) -> None:
        """Free what the connections have shared. The engine runs on."""


class ReplicaServer:
    """Serves an engine, which runs already, to servers that know `secret`. `slots`: sequences that run at once.
    `pass_seconds`: the longest time between two steps of a working engine."""

    def __init__(self, service: ReplicaService, secret: bytes, slots: int, pass_seconds: float = 0.0) -> None:
        self._service = service
        self._context = ReplicaContext(secret, self.status)
        self._pass_seconds = pass_seconds
        self._leaving = False
        self._slots = slots
        self._connections: dict[ServerConnection, float] = {}
        self._server: asyncio.Server | None = None
        self._watchdog: asyncio.Task[None] | None = None
        self._progress = (0, time.monotonic())

    async def start(self, host: str, context: ssl.SSLContext | None = None) -> int:
        """Listen on `host`; the port."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._accept, host, 0, ssl=context)
        self._watchdog = loop.create_task(self._watch())
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def drain(self, grace: float) -> None:
        """Take no more requests, and return once those that run have ended. After `grace` seconds, servers have to
        move theirs to other replicas of the same fingerprint; without one, they stay until they end."""
        self._context.draining = True
        self._send_status()
        deadline = time.monotonic() + grace
        while any(connection.requests for connection in self._connections):
            if not self._leaving and time.monotonic() >= deadline:
                self._leaving = True
                self._send_status()
            await asyncio.sleep(0.05)

    async def stop(self) -> None:
        """Close all connections, and cancel their requests."""
        if self._watchdog is not None:
            self._watchdog.cancel()
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.close("the replica ends")
        await self._service.close()

    def load(self) -> ReplicaLoad:
        """The current load."""
        stats = self._service.stats()
        return ReplicaLoad(
            running=stats.running,
            waiting=stats.waiting,
            slots=self._slots,
            work=self._context.work,
            blocks_held=stats.blocks_held,
            blocks_total=stats.blocks_total,
            retained_seconds=stats.retained_seconds,
            tokens_sampled=stats.tokens_sampled,
            prompt_tokens=self._context.prompt_tokens,
            cached_tokens=self._context.cached_tokens,
            drafts=stats.drafts,
            draft_tokens=stats.draft_tokens,
            accepted_tokens=stats.accepted_tokens,
        )

    def stalled(self) -> float:
        """Seconds since the engine's last step beyond the maximum duration of a step, while it has work."""
        stats, now = self._service.stats(), time.monotonic()
        if stats.steps != self._progress[0] or not (stats.running or stats.waiting):
            self._progress = (stats.steps, now)
        return max(now - self._progress[1] - self._pass_seconds, 0.0)

    def _accept(self) -> asyncio.Protocol:
        connection = self._service.connect(self._context, self._forget)
        self._connections[connection] = time.monotonic()
        return connection.protocol

    def _forget(self, connection: ServerConnection) -> None:
        self._connections.pop(connection, None)

    async def _watch(self) -> None:
        """Close the connections of silent servers, and follow the engine's progress."""
        while True:
            now = time.monotonic()
            for connection, begin in list(self._connections.items()):
                if connection.ready:
                    if now - connection.heard > SERVER_SILENCE:
                        connection.close("the server is silent")
                elif now - begin > _HANDSHAKE_SECONDS:
                    connection.close("it did not authenticate in time")
            self.stalled()
            await asyncio.sleep(_CHECK_SECONDS)

    def _send_status(self) -> None:
        status = self.status()
        for connection in list(self._connections):
            if connection.ready:
                connection.protocol.send(status)

    def status(self) -> Status:
        """The heartbeat."""
        load = self.load()
        return Status(
            running=load.running,
            waiting=load.waiting,
            slots=load.slots,
            work=load.work,
            blocks_held=load.blocks_held,
            blocks_total=load.blocks_total,
            retained_seconds=load.retained_seconds,
            tokens_sampled=load.tokens_sampled,
            prompt_tokens=load.prompt_tokens,
            cached_tokens=load.cached_tokens,
            stalled=self.stalled(),
            draining=self._context.draining,
            leaving=self._leaving,
            drafts=load.drafts,
            draft_tokens=load.draft_tokens,
            accepted_tokens=load.accepted_tokens,
        )
