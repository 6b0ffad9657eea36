"""One run of a request, shared by all connections that sent it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from typing import Final, Protocol

from starlette.types import Send

from forefront.server.idempotency.replay_buffer import ReplayBuffer
from forefront.wire.errors import RequestError, shutting_down

log = logging.getLogger(__name__)

# Messages that a connection gets per turn: about a millisecond of work.
_TURN: Final = 64

Application = Callable[[Send], Awaitable[None]]


class RunOwner(Protocol):
    """The holder of the runs."""

    def hold(self, run: "SharedRun", size: int) -> bool:
        """Reserve memory for so many more bytes of the run's response; whether there is any."""

    async def wait_for_turn(self, run: "SharedRun") -> None:
        """Return once a connection may get more messages of the run."""

    def deserted(self, run: "SharedRun") -> None:
        """The last connection has closed before the end."""

    def ended(self, run: "SharedRun") -> None:
        """The run has ended."""

    def delivered(self, run: "SharedRun") -> None:
        """A connection has received the whole response."""


class SharedRun:
    """Runs `application` in a task, and replays its response to connections. A `detached` run needs no connection."""

    def __init__(self, owner: RunOwner, application: Application, *, detached: bool = False) -> None:
        self._owner = owner
        self._detached = detached
        self.buffer = ReplayBuffer(lambda size: owner.hold(self, size), lossy=detached)
        self._connections = 0
        self._timer: asyncio.TimerHandle | None = None
        self.task = asyncio.get_running_loop().create_task(self._work(application))

    @contextmanager
    def attached(self) -> Iterator[None]:
        """The context of a connection to the run."""
        self._connections += 1
        self._stop_timer()
        try:
            yield
        finally:
            self._connections -= 1
            if self._is_deserted:
                self._owner.deserted(self)

    async def play(
        self, send: Send, *, replayed: bool, after: int = -1, limits: Sequence[tuple[bytes, bytes]] = ()
    ) -> None:
        """Send the response to a connection; of a stream, the events after that number. `replayed`: the connection did
        not start the run, so it gets its own `limits`, the headers of rate limits, in place of those of that time.

        Raises what the application raised.
        """
        sent = 0
        async with aclosing(self.buffer.read(after)) as messages:
            async for message in messages:
                if replayed and message["type"] == "http.response.start":
                    headers = [pair for pair in message["headers"] if not pair[0].startswith(b"x-ratelimit-")]
                    message = {**message, "headers": [*headers, (b"idempotent-replayed", b"true"), *limits]}
                await send(message)
                sent += 1
                if sent % _TURN == 0:
                    await self._owner.wait_for_turn(self)
        self._owner.delivered(self)

    def cancel_in(self, seconds: float) -> None:
        """Cancel the run then, unless a connection joins."""
        self._stop_timer()
        self._timer = asyncio.get_running_loop().call_later(seconds, self.cancel)

    def cancel(self) -> None:
        """End the run now: its connections get an error, or the end of the connection in the middle of the response."""
        if not self.buffer.done:
            self.task.cancel()
            self._finish(shutting_down())

    @property
    def _is_deserted(self) -> bool:
        return not self._connections and not self._detached and not self.buffer.done

    async def _work(self, application: Application) -> None:
        try:
            await application(self.buffer.write)
        except Exception as error:
            if self._is_deserted and not isinstance(error, RequestError):
                log.exception("a request without connections failed")
            self._finish(error)
        except asyncio.CancelledError:
            self._finish(shutting_down())
            raise
        else:
            self._finish(None)

    def _finish(self, error: Exception | None) -> None:
        self._stop_timer()
        if not self.buffer.done:
            self.buffer.end(error)
            self._owner.ended(self)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
