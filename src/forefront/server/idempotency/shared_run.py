"""One run of a request, for every connection that has asked for it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import Protocol

from starlette.types import Send

from forefront.server.idempotency.replay_buffer import Tape
from forefront.wire.errors import ApiError, shutting_down

log = logging.getLogger(__name__)

Application = Callable[[Send], Awaitable[None]]


class Keeper(Protocol):
    """Who holds the runs."""

    def hold(self, run: "SharedRun", size: int) -> bool:
        """Whether there is room for so many more bytes of what the run sends."""

    def left(self, run: "SharedRun") -> None:
        """The last connection has gone before the end."""

    def ended(self, run: "SharedRun") -> None:
        """There is nothing more to come."""

    def delivered(self, run: "SharedRun") -> None:
        """A connection has been sent everything."""


class SharedRun:
    """Runs `application` in a task of its own and lets connections play what it sends."""

    def __init__(self, keeper: Keeper, application: Application) -> None:
        self._keeper = keeper
        self.tape = Tape(lambda size: keeper.hold(self, size))
        self._connections = 0
        self._timer: asyncio.TimerHandle | None = None
        self.task = asyncio.get_running_loop().create_task(self._work(application))

    @contextmanager
    def attached(self) -> Iterator[None]:
        """For as long as a connection is there for the run."""
        self._connections += 1
        self._stop_timer()
        try:
            yield
        finally:
            self._connections -= 1
            if self._deserted:
                self._keeper.left(self)

    async def play(self, send: Send, *, again: bool) -> None:
        """Send everything from the beginning, then what comes; `again` for those who did not start the run. How much
        was left of limits when it began is nothing to these.

        Raises what the application raised.
        """
        async with aclosing(self.tape.read()) as messages:
            async for message in messages:
                if again and message["type"] == "http.response.start":
                    headers = [pair for pair in message["headers"] if not pair[0].startswith(b"x-ratelimit-")]
                    message = {**message, "headers": [*headers, (b"idempotent-replayed", b"true")]}
                await send(message)
        self._keeper.delivered(self)

    def cancel_in(self, seconds: float) -> None:
        """Cancel it then, unless somebody comes."""
        self._stop_timer()
        self._timer = asyncio.get_running_loop().call_later(seconds, self.cancel)

    def cancel(self) -> None:
        """End it now, for whoever is there with an error, or in the middle of the answer."""
        if not self.tape.done:
            self.task.cancel()
            self._finish(shutting_down())

    @property
    def _deserted(self) -> bool:
        return not self._connections and not self.tape.done

    async def _work(self, application: Application) -> None:
        try:
            await application(self.tape.write)
        except Exception as error:
            if self._deserted and not isinstance(error, ApiError):
                log.exception("a request that nobody waited for failed")
            self._finish(error)
        except asyncio.CancelledError:
            self._finish(shutting_down())
            raise
        else:
            self._finish(None)

    def _finish(self, error: Exception | None) -> None:
        self._stop_timer()
        if not self.tape.done:
            self.tape.end(error)
            self._keeper.ended(self)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
