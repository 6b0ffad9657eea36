"""A server's connection to one replica: connect → prove the secret → messages; again after it is lost."""

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import Any, Final, Protocol

from forefront.cluster.protocol.frames import PROTOCOL, Challenge, FromReplica, Hello, Status, Welcome
from forefront.cluster.protocol.framing import FrameProtocol
from forefront.cluster.protocol.replica_identity import ReplicaAddress
from forefront.cluster.protocol.secret_proof import is_proof, new_nonce, proof
from forefront.cluster.routing.replica_state import ReplicaLoad, ReplicaState

log = logging.getLogger(__name__)

_CONNECT_SECONDS: Final = 5.0
_FIRST_PAUSE: Final = 0.05
_MAX_PAUSE: Final = 2.0


class ReplicaEvents(Protocol):
    """The callbacks of a connection, on the event loop."""

    def ready(self, connection: "ReplicaConnection") -> None:
        """The replica takes requests."""

    def received(self, connection: "ReplicaConnection", message: FromReplica) -> None:
        """A message apart from the handshake."""

    def lost(self, connection: "ReplicaConnection", reason: str) -> None:
        """A ready connection was lost."""


class ReplicaConnection:
    """One replica. `ready`: it is connected; `available`: it gets new requests. `heard`: the loop's time of the last
    heartbeat. `reported`: there has been one, so the load in `state` is the replica's own."""

    def __init__(self, address: ReplicaAddress, events: ReplicaEvents, tls: ssl.SSLContext | None) -> None:
        identity = address.identity
        self.name, self.address = address.name, address
        self.state = ReplicaState(address.name, address.node, identity.fingerprint, identity.block_size)
        self.state.load = ReplicaLoad(slots=identity.slots)
        self.ready = self.available = self.reported = False
        self.heard = 0.0
        self._events, self._tls = events, tls
        self._protocol: FrameProtocol | None = None
        self._nonce = b""
        self._ended: asyncio.Future[str] | None = None
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._keep_connected())

    def send(self, message: Any) -> None:
        """Send a message."""
        if self._protocol is not None:
            self._protocol.send(message)

    def reset(self, reason: str) -> None:
        """Close the current connection, and connect again."""
        if self._protocol is not None:
            self._protocol.abort(reason)

    def close(self) -> None:
        """End for good. `ReplicaEvents.lost` is not called."""
        self.ready = False
        self._task.cancel()
        if self._protocol is not None:
            self._protocol.abort("closed")

    def note_status(self, status: Status) -> None:
        """Take a heartbeat."""
        self.heard, self.reported = self._loop.time(), True
        self.state.draining = status.draining
        self.state.load = ReplicaLoad(
            running=status.running,
            waiting=status.waiting,
            slots=status.slots,
            work=status.work,
            blocks_held=status.blocks_held,
            blocks_total=status.blocks_total,
            retained_seconds=status.retained_seconds,
            tokens_sampled=status.tokens_sampled,
            prompt_tokens=status.prompt_tokens,
            cached_tokens=status.cached_tokens,
            drafts=status.drafts,
            draft_tokens=status.draft_tokens,
            accepted_tokens=status.accepted_tokens,
        )

    async def _keep_connected(self) -> None:
        identity, pause = self.address.identity, _FIRST_PAUSE
        while True:
            self._ended = self._loop.create_future()
            try:
                async with asyncio.timeout(_CONNECT_SECONDS):
                    await self._loop.create_connection(
                        self._create_protocol, identity.host, identity.port, ssl=self._tls
                    )
            except (OSError, TimeoutError) as error:
                log.debug("replica %s cannot be reached: %s", self.name, error)
            else:
                began = self._loop.time()
                reason = await self._ended
                log.info("the connection to replica %s ended: %s", self.name, reason)
                if self._loop.time() - began > _MAX_PAUSE:
                    pause = _FIRST_PAUSE
            await asyncio.sleep(pause)
            pause = min(2 * pause, _MAX_PAUSE)

    def _create_protocol(self) -> FrameProtocol:
        assert self._ended is not None
        ended: Callable[[str], None] = self._ended_with(self._ended)
        self._protocol = FrameProtocol(FromReplica, self._received, ended)
        self._loop.call_later(_CONNECT_SECONDS, self._check_handshake, self._protocol)
        return self._protocol

    def _ended_with(self, ended: asyncio.Future[str]) -> Callable[[str], None]:
        def lost(reason: str) -> None:
            self._protocol = None
            was_ready, self.ready = self.ready, False
            self._nonce = b""
            if not ended.done():
                ended.set_result(reason)
            if was_ready:
                self._events.lost(self, reason)

        return lost

    def _check_handshake(self, protocol: FrameProtocol) -> None:
        if protocol is self._protocol and not self.ready:
            protocol.abort("no handshake in time")

    def _received(self, message: FromReplica) -> None:
        if self.ready:
            self._events.received(self, message)
            return
        secret = bytes.fromhex(self.address.identity.secret)
        match message:
            case Challenge(protocol=version, nonce=nonce) if version == PROTOCOL and not self._nonce:
                self._nonce = new_nonce()
                self.send(Hello(proof(secret, b"server", nonce), self._nonce))
            case Welcome(proof=given) if is_proof(given, secret, b"replica", self._nonce):
                self._nonce = b""
                self.ready, self.heard = True, self._loop.time()
                assert self._protocol is not None
                self._protocol.allow_large()
                self._events.ready(self)
            case _:
                self.reset("the handshake failed")
