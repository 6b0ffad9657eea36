"""The events of one response, within bounds of time and memory."""

import asyncio
from typing import Final

import msgspec

from forefront.upstream.error_mapping import connection_error, malformed_error, timeout_error
from forefront.upstream.http.http_connection import (
    ConnectionLostError,
    HttpConnection,
    MalformedResponseError,
    UpstreamResponse,
)
from forefront.upstream.http.sse import BoundedEventReader, EventTooLargeError
from forefront.upstream.replica import UpstreamReplica

# Bytes of one event, and of an answer that is no stream.
MAX_EVENT: Final = 4 * 2**20
_DONE: Final = b"[DONE]"
# Seconds for the end of a body after its last event, so that the connection can be used again.
_DRAIN_SECONDS: Final = 0.05
_MAX_DRAINED: Final = 2**16


class ReadLimits(msgspec.Struct, frozen=True):
    """`seconds` without progress, and the time of the event loop's clock at which everything ends."""

    seconds: float
    deadline: float | None = None


class EventStream:
    """Sends a request over a connection and reads the data of events from its response. `close` must follow.

    The time without progress counts only while the upstream is awaited, so a slow client ends nothing. One timer per
    stream takes a fraction of the time of `asyncio.timeout` around each read.
    """

    def __init__(self, connection: HttpConnection, replica: UpstreamReplica, limits: ReadLimits) -> None:
        self.response: UpstreamResponse | None = None
        self.connection = connection
        self.ended = False  # everything has been read
        self._is_stream = False  # whether the response is a stream of events
        self._replica = replica
        self._seconds = limits.seconds
        self._loop = asyncio.get_running_loop()
        self._reader = BoundedEventReader(MAX_EVENT)
        self._stalled = self._deadline_over = False
        self._waited = 0.0  # without progress
        self._since: float | None = None  # the beginning of the current read
        self._timer = self._loop.call_later(limits.seconds, self._check)
        self._deadline = None if limits.deadline is None else self._loop.call_at(limits.deadline, self._end)

    def close(self) -> None:
        """Close the connection, unless the response has been read to its end."""
        self._timer.cancel()
        if self._deadline is not None:
            self._deadline.cancel()
        if self.response is None or not self.response.complete:
            self.connection.close()

    async def send(self, request: bytes, *, kept: bool) -> UpstreamResponse | None:
        """The response, once its head has arrived. None if the connection was `kept` open and lost before that.

        Raises `TimeoutError` at the deadline, and `UpstreamError`.
        """
        begin = self._since = self._loop.time()
        try:
            self.response = await self.connection.send(request)
        except ConnectionLostError as error:
            if kept and not (error.received or self._stalled or self._deadline_over):
                return None
            raise self._failure(error, began=False) from None
        except MalformedResponseError as error:
            raise malformed_error(self._replica, str(error)) from None
        self._waited, self._since = self._loop.time() - begin, None
        self._is_stream = self.response.content_type == "text/event-stream"
        return self.response

    def progressed(self) -> None:
        """Part of the answer has arrived: restart the time without progress."""
        self._waited = 0.0

    async def read(self) -> list[bytes]:
        """The data of the next events, at least one; none at `[DONE]` or the end of the body.

        The body of an answer that is JSON in place of a stream is one event. Raises `TimeoutError` at the deadline, and
        `UpstreamError`.
        """
        if self.ended:
            return []
        if self._is_stream:
            return await self._read_events()
        assert self.response is not None
        kind = self.response.content_type or "application/json"
        if kind == "application/json" or kind.endswith("+json"):
            return await self._read_whole()
        raise malformed_error(self._replica, f"it answers with {kind[:80]!r} in place of a stream of events")

    async def _read_events(self) -> list[bytes]:
        try:
            while data := await self._read():
                if events := self._reader.feed(data):
                    if _DONE not in events:
                        return events
                    self.ended = True
                    await self._drain()
                    return events[: events.index(_DONE)]
            self.ended = True
            events = self._reader.finish()
            return events[: events.index(_DONE)] if _DONE in events else events
        except EventTooLargeError:
            raise malformed_error(self._replica, f"an event of its stream has more than {MAX_EVENT} bytes") from None

    async def _read_whole(self) -> list[bytes]:
        assert self.response is not None
        parts, size = [], 0
        while not self.response.complete and (data := await self._read()):
            parts.append(data)
            size += len(data)
            if size > MAX_EVENT:
                raise malformed_error(self._replica, f"its answer has more than {MAX_EVENT} bytes")
        self.ended = True
        return [b"".join(parts)]

    async def _read(self) -> bytes:
        """More of the body; empty at its end."""
        assert self.response is not None
        begin = self._since = self._loop.time()
        try:
            return await self.response.read()
        except ConnectionLostError as error:
            raise self._failure(error, began=True) from None
        except MalformedResponseError as error:
            raise malformed_error(self._replica, str(error)) from None
        finally:
            self._waited += self._loop.time() - begin
            self._since = None

    def _failure(self, error: ConnectionLostError, *, began: bool) -> Exception:
        """The error of a lost connection."""
        if self._deadline_over:
            return TimeoutError()
        if self._stalled:
            return timeout_error(self._replica, self._seconds)
        return connection_error(self._replica, error, began=began)

    async def _drain(self) -> None:
        """Wait shortly for the end of the body."""
        assert self.response is not None
        if self.response.complete:
            return
        size = 0
        try:
            async with asyncio.timeout(_DRAIN_SECONDS):
                while size < _MAX_DRAINED and (data := await self.response.read()):
                    size += len(data)
        except (ConnectionLostError, MalformedResponseError, TimeoutError):
            return

    def _check(self) -> None:
        waited = self._waited + (0.0 if self._since is None else self._loop.time() - self._since)
        if waited >= self._seconds:
            self._stalled = True
            self.connection.close()
        else:
            self._timer = self._loop.call_later(max(self._seconds - waited, 0.001), self._check)

    def _end(self) -> None:
        self._deadline_over = True
        self.connection.close()
