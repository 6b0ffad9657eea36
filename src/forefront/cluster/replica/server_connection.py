"""The replica's side of the connection of one server: authenticate, then messages about its work."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from dataclasses import dataclass

from forefront.cluster.protocol.frames import PROTOCOL, Challenge, FromServer, Heartbeat, Hello, Status, Welcome
from forefront.cluster.protocol.framing import FrameProtocol
from forefront.cluster.protocol.secret_proof import is_proof, new_nonce, proof


@dataclass(slots=True)
class ReplicaContext:
    """State that the connections of a replica share. `work`: see `ReplicaLoad`. `prompt_tokens` counts those of all
    requests, `cached_tokens` those found in the cache. `status` returns the heartbeat."""

    secret: bytes
    status: Callable[[], Status]
    draining: bool = False
    work: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0


class ServerConnection(ABC):
    """One server. `heard`: the monotonic time of its last message. `ready`: it is authenticated. `closed` is called at
    the end."""

    def __init__(self, replica: ReplicaContext, closed: Callable[["ServerConnection"], None]) -> None:
        self.ready = False
        self.heard = time.monotonic()
        self.protocol = _Greeting(self)
        self._replica, self._closed = replica, closed
        self._nonce = new_nonce()
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    @abstractmethod
    def requests(self) -> int:
        """The requests of the server that have not ended."""

    @abstractmethod
    def handle(self, message: FromServer) -> bool:
        """Handle a message apart from handshake and heartbeat. False for one that is out of place."""

    @abstractmethod
    def cancel_all(self, reason: str) -> None:
        """Cancel all requests: the connection is closed."""

    def close(self, reason: str) -> None:
        """Close the connection and cancel its requests."""
        self.protocol.abort(reason)

    def greet(self) -> None:
        """Begin the handshake."""
        self.protocol.send(Challenge(PROTOCOL, self._nonce))

    def received(self, message: FromServer) -> None:
        """Handle a message."""
        self.heard = time.monotonic()
        if not self.ready:
            self._authenticate(message)
        elif isinstance(message, Heartbeat):
            self.protocol.send(self._replica.status())
        elif not self.handle(message):
            self.close("a message is out of place")

    def lost(self, reason: str) -> None:
        """The connection is closed."""
        self.cancel_all(reason)
        for task in self._tasks:
            task.cancel()
        self._closed(self)

    def _authenticate(self, message: FromServer) -> None:
        secret = self._replica.secret
        if not isinstance(message, Hello) or not is_proof(message.proof, secret, b"server", self._nonce):
            self.close("it does not know the secret")
            return
        self.ready = True
        self.protocol.allow_large()
        self.protocol.send(Welcome(proof(secret, b"replica", message.nonce)))
        self.protocol.send(self._replica.status())

    def _run(self, coroutine: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


class _Greeting(FrameProtocol):
    """Sends the challenge as soon as the connection is open."""

    def __init__(self, connection: ServerConnection) -> None:
        super().__init__(FromServer, connection.received, connection.lost)
        self._connection = connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._connection.greet()
