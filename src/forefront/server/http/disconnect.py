"""Work that ends when its client disconnects."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol, TypeVar

from starlette.types import Receive, Scope

T = TypeVar("T")

# The key of the client's connection in a request's scope.
CONNECTION: Final = "connection"


class ClientConnection(Protocol):
    """The connection of a request that is being answered."""

    def watch(self, callback: Callable[[], None]) -> None:
        """Call `callback` once the client disconnects; soon if it has already."""

    def unwatch(self, callback: Callable[[], None]) -> None:
        """Remove `callback`."""


async def while_connected(scope: Scope, receive: Receive, work: Coroutine[Any, Any, T]) -> T | None:
    """The result of `work`; None if the client disconnects first. Then `work` is cancelled and awaited.

    For use after the body has been read: `receive` has only the disconnection left to report.
    """
    task = asyncio.current_task()
    assert task is not None
    disconnected = False

    def cancel_work() -> None:
        nonlocal disconnected
        disconnected = True
        task.cancel()

    # The work runs in the current task, and the connection calls back: a task for either costs more than most requests.
    connection = scope.get(CONNECTION) or _ReceivedDisconnection(receive)
    connection.watch(cancel_work)
    try:
        return await work
    except asyncio.CancelledError:
        if not disconnected or task.uncancel():
            raise
        return None
    finally:
        connection.unwatch(cancel_work)


def detached(scope: Scope) -> dict[str, Any]:
    """The scope of a request whose work outlives its connection."""
    return {name: value for name, value in scope.items() if name != CONNECTION}


class _ReceivedDisconnection:
    """Detects the disconnection by `receive`, for a scope without a connection."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._task: asyncio.Task[None] | None = None

    def watch(self, callback: Callable[[], None]) -> None:
        """See `ClientConnection.watch`."""
        self._task = asyncio.ensure_future(self._wait(callback))

    def unwatch(self, _callback: Callable[[], None]) -> None:
        """See `ClientConnection.unwatch`."""
        if self._task is not None:
            self._task.cancel()

    async def _wait(self, callback: Callable[[], None]) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        callback()
