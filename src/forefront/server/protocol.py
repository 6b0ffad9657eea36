"""HTTP/1.1 on a connection, as uvicorn has it, within bounds: headers in time and of a size, and many connections."""

import asyncio
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from forefront.wire.errors import ApiError

MAX_HEADERS: Final = 64 * 2**10


def bounded_protocol(header_seconds: float, connections: int) -> type[HttpToolsProtocol]:
    """A protocol class: a request's headers must be there `header_seconds` after the connection or their first byte,
    within `MAX_HEADERS` bytes, and at most `connections` are open at a time."""

    class Bounded(HttpToolsProtocol):
        _deadline: asyncio.TimerHandle | None = None
        _header_bytes = 0
        _in_headers = True

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            if len(self.connections) > connections:
                text = f"The server has {connections} connections open and takes no more."
                self._refuse(ApiError("overloaded", text))
            else:
                self._start()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self._in_headers:
                self._header_bytes += len(data)
                # The first bytes of a body may come with the last of the headers, so that those are let through.
                if self._header_bytes > MAX_HEADERS + 2**18:
                    self._refuse(ApiError("headers_too_large", "The headers are too large."))
                    return
            super().data_received(data)

        def on_message_begin(self) -> None:
            self._in_headers, self._header_bytes = True, 0
            self._start()
            super().on_message_begin()

        def on_headers_complete(self) -> None:
            self._in_headers = False
            self._stop()
            super().on_headers_complete()

        def _start(self) -> None:
            if self._deadline is None:
                self._deadline = self.loop.call_later(header_seconds, self._late)

        def _stop(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

        def _late(self) -> None:
            text = f"The request's headers did not arrive within {header_seconds:g} s."
            self._refuse(ApiError("request_timeout", text))

        def _refuse(self, error: ApiError) -> None:
            """Answer without the application, and close."""
            self._stop()
            body = error.encode()
            head = (
                f"HTTP/1.1 {error.status} Refused\r\ncontent-type: application/json\r\nconnection: close\r\n"
                f"x-should-retry: {error.headers['x-should-retry']}\r\nretry-after: 1\r\n"
                f"content-length: {len(body)}\r\n\r\n"
            )
            if not self.transport.is_closing():
                self.transport.write(head.encode() + body)
                self.transport.close()

    return Bounded
