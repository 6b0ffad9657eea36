"""Sending a response: as one JSON body, or as server-sent events."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Final
from urllib.parse import quote

import msgspec
from starlette.types import Message, Scope, Send

from forefront.chat.events import Event
from forefront.gateway.lease import Lease
from forefront.server.http.error_response import rate_limit_headers
from forefront.server.http.headers import raw
from forefront.server.http.request_context import request_context
from forefront.server.response.event_throttle import throttled
from forefront.server.response.keepalive import with_keepalive
from forefront.server.response.response_encoder import ResponseEncoder
from forefront.server.response.send_body import send_body
from forefront.server.response.sse import STREAM_FAILED, encode_comment
from forefront.wire.errors import ApiError

_MAX_LIST: Final = 2048  # bytes of names in a header
_STREAM_HEADERS: Final = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache, no-transform",
    "x-accel-buffering": "no",  # proxies must not hold events back
}


class ResponseSender:
    """Sends the response to one request. `headers` may change until the first byte is sent. `loading`: the progress of
    a load that the request waits for."""

    def __init__(
        self,
        scope: Scope,
        send: Send,
        encoder: ResponseEncoder,
        lease: Lease,
        headers: Mapping[str, str],
        loading: Callable[[], str | None],
    ) -> None:
        self._scope = scope
        self._send = send
        self._encoder = encoder
        self._lease = lease
        self._headers = headers
        self._loading = loading

    async def whole(self, events: AsyncGenerator[Event, None]) -> None:
        """Collect all events, then send them as one body."""
        async with aclosing(events):
            body = msgspec.json.encode(await self._encoder.whole(events))
        await self._send(self._start({"content-type": "application/json", "content-length": str(len(body))}))
        await send_body(self._send, body)

    async def stream(self, events: AsyncGenerator[Event, None], keepalive_seconds: float) -> None:
        """Send each event as it comes, and a comment whenever none has come for so long.

        Nothing is sent before the first of these: a request that fails until then gets an error status. A later error
        is an event of the stream, after which the end of a whole stream is missing.
        """
        write = throttled(self._scope, self._write)
        last: Message = {"type": "http.response.body", "body": b"", "more_body": False}
        async with aclosing(with_keepalive(events, keepalive_seconds)) as paced:
            first = await anext(paced)
            await self._send(self._start(_STREAM_HEADERS))
            try:
                for payload in self._encoded(first):
                    await write(payload)
                async for event in paced:
                    for payload in self._encoded(event):
                        await write(payload)
                if end := self._encoder.end_of_stream():
                    await write(end)
            except ApiError as error:
                request_context(self._scope).errors[error.code] += 1
                await write(self._encoder.failure(error))
                last[STREAM_FAILED] = True
            await self._send(last)

    def _encoded(self, event: Event | None) -> list[bytes]:
        """An event as server-sent events. None means a pause."""
        if event is None:
            loading = self._loading()
            pause = self._encoder.pause(*self._lease.wait_estimate()) if loading is None else encode_comment(loading)
            return [pause]
        return self._encoder.frames(event)

    async def _write(self, body: bytes) -> None:
        await self._send({"type": "http.response.body", "body": body, "more_body": True})

    def _start(self, headers: Mapping[str, str]) -> Message:
        all_headers = {**self._headers, **rate_limit_headers(self._lease.rate_limits()), **headers}
        return {"type": "http.response.start", "status": 200, "headers": raw(all_headers)}


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
