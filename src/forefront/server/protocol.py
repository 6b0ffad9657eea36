"""HTTP/1.1 on a connection, as uvicorn has it, within bounds: headers in time and of a size, and many connections."""

import asyncio
import socket
import sys
from http import HTTPStatus
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from forefront.server.gathered import Gathered
from forefront.wire.errors import ApiError

MAX_HEADERS: Final = 64 * 2**10
# Requests on one connection that may wait for the answer to the one before them.
MAX_PIPELINE: Final = 8
# What the transport hands over at a time: the first bytes of a body may come with the last of the headers.
_READ: Final = 2**18
# Bytes: who takes so many while it is waited for is reading.
_SOME: Final = 48 * 2**10
_ACKNOWLEDGED: Final = 120  # where Linux has `tcpi_bytes_acked` in its `tcp_info`


def bounded_protocol(header_seconds: float, connections: int, send_seconds: float = 60.0) -> type[HttpToolsProtocol]:
    """A protocol class: a request's headers must be there `header_seconds` after the connection or their first byte,
    within `MAX_HEADERS` bytes, and at most `connections` are open at a time. Who takes next to nothing of what is to be
    sent for `send_seconds` has left: an answer that nobody takes would keep its turn. What is not HTTP gets one error
    of the API's own shape, and the connection ends."""

    class Bounded(HttpToolsProtocol):
        _deadline: asyncio.TimerHandle | None = None
        _stalled: asyncio.TimerHandle | None = None
        _unread = 0  # bytes of headers, of a chunk's frame or of a trailer
        _piece = 0  # bytes that were read last
        _in_headers = True

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(Gathered(transport, self.loop))  # type: ignore[arg-type]
            self._cycles: list[RequestResponseCycle] = []
            if len(self.connections) > connections:
                text = f"The server has {connections} connections open and takes no more."
                self._refuse(ApiError("overloaded", text))
            else:
                self._start()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop()
            self._flows()
            # uvicorn tells the last request alone, and the one that is being answered may be an earlier one.
            for cycle in self._cycles:
                cycle.disconnected = True
                cycle.message_event.set()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            self._piece = len(data)
            self._unread += self._piece
            super().data_received(data)
            if all(cycle.response_complete for cycle in self._cycles):
                # The rest of a body that nobody reads, or empty lines; they have ended uvicorn's wait for a request.
                self._start()
            if self._unread > MAX_HEADERS + _READ:
                self._refuse(ApiError("headers_too_large", "The headers are too large."))

        def on_message_begin(self) -> None:
            self._in_headers, self._unread = True, self._piece
            self._start()
            super().on_message_begin()

        def on_header(self, name: bytes, value: bytes) -> None:
            # A trailer comes after everything has been decided by the headers; uvicorn would add it to them.
            if self._in_headers:
                super().on_header(name, value)

        def on_headers_complete(self) -> None:
            self._in_headers, self._unread = False, 0
            self._stop()
            super().on_headers_complete()
            self._cycles = [*(cycle for cycle in self._cycles if not cycle.response_complete), self.cycle]
            if len(self.pipeline) > MAX_PIPELINE:
                self.transport.close()

        def on_chunk_header(self) -> None:
            self._unread = 0

        def on_body(self, body: bytes) -> None:
            self._unread = 0
            super().on_body(body)

        def on_message_complete(self) -> None:
            self._unread = 0
            super().on_message_complete()

        def pause_writing(self) -> None:
            super().pause_writing()
            self._flows()
            self._watch()

        def resume_writing(self) -> None:
            self._flows()
            super().resume_writing()

        def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's own words, in plain text
            self._refuse(ApiError("invalid_http", "The server cannot read this as an HTTP request."))

        def _unsupported_upgrade_warning(self) -> None:
            """Nothing: the request is answered as if it had not asked for another protocol."""

        def _start(self) -> None:
            if self._deadline is None:
                self._deadline = self.loop.call_later(header_seconds, self._late)

        def _stop(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

        def _flows(self) -> None:
            if self._stalled is not None:
                self._stalled.cancel()
                self._stalled = None

        def _watch(self) -> None:
            self._stalled = self.loop.call_later(send_seconds, self._judge, _taken(self.transport))

        def _judge(self, before: int) -> None:
            """End the connection, unless the client has been reading an answer that is too large for the time."""
            if _taken(self.transport) - before < _SOME:
                self.transport.abort()
            else:
                self._watch()

        def _late(self) -> None:
            if self._in_headers:
                text = f"The request's headers did not arrive within {header_seconds:g} s."
                self._refuse(ApiError("request_timeout", text))
            else:
                self.transport.close()

        def _refuse(self, error: ApiError) -> None:
            """Answer without the application, and close."""
            self._stop()
            if self.transport.is_closing():
                return
            # Another answer may be on its way, and must not be mistaken for whole, nor this one for a part of it.
            if all(cycle.response_complete or not cycle.response_started for cycle in self._cycles):
                self.transport.write(_spell(error))
            self.transport.close()

    return Bounded


def _taken(transport: asyncio.Transport) -> int:
    """How much the client has taken so far, in bytes from any beginning.

    Linux knows what has been acknowledged. What waits in this process says less: the system's own buffer may hold
    megabytes more, and asks for the next when a third of them have gone.
    """
    try:
        info = transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _ACKNOWLEDGED + 8)
        return int.from_bytes(info[_ACKNOWLEDGED : _ACKNOWLEDGED + 8], sys.byteorder)
    except (AttributeError, OSError):
        return -transport.get_write_buffer_size()


def _spell(error: ApiError) -> bytes:
    """The error as a whole HTTP response, the connection's last."""
    body = error.encode()
    headers = {"content-type": "application/json", "content-length": str(len(body)), "connection": "close"}
    lines = [f"{name}: {value}" for name, value in (headers | error.headers).items()]
    status = f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}"
    return "\r\n".join([status, *lines, "", ""]).encode() + body
