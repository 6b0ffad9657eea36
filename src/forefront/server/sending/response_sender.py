"""Sending a response: as one JSON body, or as server-sent events."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Final
from urllib.parse import quote

import msgspec
from starlette.types import Message, Scope, Send

from forefront.chat.events import Completed, Event
from forefront.gateway.request_lease import Lease
from forefront.server.http.error_response import raw_rate_limit_headers
from forefront.server.http.headers import RawHeaders, raw
from forefront.server.http.request_context import request_context
from forefront.server.sending.event_throttle import Write, throttled
from forefront.server.sending.keepalive import with_keepalive
from forefront.server.sending.response_encoder import ResponseEncoder
from forefront.server.sending.send_body import send_body
from forefront.server.sending.sse import BUFFERED, EVENT_NUMBER, RESUMABLE, STREAM_FAILED, encode_comment, with_id
from forefront.wire.errors import RequestError

_encode_json = msgspec.json.Encoder().encode
_MAX_LIST: Final = 2048  # bytes of names in a header
_STREAM_HEADERS: Final[RawHeaders] = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),  # proxies must not hold events back
]


class ResponseSender:
    """Sends the response to one request. `headers` may change until the first byte is sent."""

    def __init__(
        self, scope: Scope, send: Send, encoder: ResponseEncoder, lease: Lease, headers: Mapping[str, str]
    ) -> None:
        self._scope = scope
        self._send = send
        self._encoder = encoder
        self._lease = lease
        self._headers = headers
        self._number = -1  # of the last event
        self._with_ids: bool = scope.get(RESUMABLE, False)
        self._joins_frames = not (self._with_ids or scope.get(BUFFERED, False))
        self._task: asyncio.Task[None] | None = None
        self._reason: RequestError | None = None  # of `cancel`

    def cancel(self, error: RequestError) -> None:
        """End the response with that error, unless it is at its end."""
        if self._task is not None and self._reason is None:
            self._reason = error
            self._task.cancel()

    async def whole(self, events: AsyncGenerator[Event, None]) -> None:
        """Collect all events, then send them as one body."""
        self._task = asyncio.current_task()
        try:
            async with aclosing(events):
                body = _encode_json(await self._encoder.whole(events))
        except asyncio.CancelledError:
            raise self._cancellation() from None
        self._task = None
        await self._send(self._start([(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]))
        await send_body(self._send, body)

    async def stream(self, events: AsyncGenerator[Event, None], keepalive_seconds: float) -> None:
        """Send each event as it comes, and a comment whenever none has come for so long.

        Nothing is sent before the first of these: a request that fails until then gets an error status. A later error
        is an event of the stream, after which the end of a whole stream is missing.
        """
        write = throttled(self._scope, self._write)
        self._joins_frames &= write == self._write
        last: Message = {"type": "http.response.body", "body": b"", "more_body": False}
        self._task = asyncio.current_task()
        async with aclosing(with_keepalive(events, keepalive_seconds)) as paced:
            try:
                first = await anext(paced)
            except asyncio.CancelledError:
                raise self._cancellation() from None
            await self._send(self._start(_STREAM_HEADERS))
            try:
                await self._write_events(write, first, paced)
            except (RequestError, asyncio.CancelledError) as error:
                failure = error if isinstance(error, RequestError) else self._cancellation()
                if not isinstance(failure, RequestError):
                    raise failure from None
                request_context(self._scope).errors[failure.code] += 1
                await write(self._numbered(self._encoder.failure(failure)))
                last[STREAM_FAILED] = True
            await self._send(last)

    async def _write_events(self, write: Write, first: list[Event], batches: AsyncGenerator[list[Event], None]) -> None:
        await self._write_batch(write, first)
        async for events in batches:
            await self._write_batch(write, events)
        self._task = None
        if end := self._encoder.end_of_stream():
            self._number += 1  # without an id: it has a fixed form
            await write(end)

    def _cancellation(self) -> BaseException:
        """The reason of a cancelled task: `cancel`, or else the end of the connection or the server."""
        task, self._task = self._task, None
        if self._reason is None or task is None:
            return asyncio.CancelledError()
        task.uncancel()
        return self._reason

    async def _write_batch(self, write: Write, events: list[Event]) -> None:
        """Write events that have arrived together. An empty list means a pause."""
        if not events:
            loading = self._encoder.model.progress()  # the progress of a load that the request waits for
            pause = self._encoder.pause(*self._lease.wait_estimate()) if loading is None else encode_comment(loading)
            await write(pause)
            return
        frames: list[bytes] = []
        try:
            for event in events:
                if isinstance(event, Completed):
                    await self._encoder.finish(event)
                frames += self._encoder.frames(event)
        finally:
            await self._write_frames(write, frames)

    async def _write_frames(self, write: Write, frames: list[bytes]) -> None:
        """Write events as one message, or one by one: for a throttled client, and for a buffer, which sends what
        follows a given event."""
        if not frames:
            return
        if self._joins_frames:
            await write(b"".join(frames))
        else:
            for frame in frames:
                await write(self._numbered(frame))

    def _numbered(self, frame: bytes) -> bytes:
        """The next event, with its id where the stream can be resumed."""
        self._number += 1
        return with_id(frame, self._number) if self._with_ids else frame

    async def _write(self, body: bytes) -> None:
        message = {"type": "http.response.body", "body": body, "more_body": True, EVENT_NUMBER: self._number}
        await self._send(message)

    def _start(self, headers: RawHeaders) -> Message:
        all_headers = [*raw(self._headers), *raw_rate_limit_headers(self._lease.rate_limits()), *headers]
        return {"type": "http.response.start", "status": 200, "headers": all_headers}


def unenforced_header(paths: Sequence[str]) -> dict[str, str]:
    """The header that lists the keywords of schemas that do not bind the answer."""
    return {"x-unenforced-keywords": _bounded_list(paths)} if paths else {}


def ignored_header(names: Sequence[str]) -> dict[str, str]:
    """The header that lists the request fields without effect."""
    return {"x-ignored-params": _bounded_list(names)} if names else {}


def _bounded_list(names: Sequence[str]) -> str:
    """The names, percent-encoded where needed. Beyond 2 KiB they are only counted, so that proxies take the header."""
    shown: list[str] = []
    size = 0
    for name in names:
        quoted = quote(name[:128], safe="[]._-$")
        size += len(quoted) + 2
        if size > _MAX_LIST:
            shown.append(f"and {len(names) - len(shown)} more")
            break
        shown.append(quoted)
    return ", ".join(shown)
