"""HTTP/1.1 on a connection, as uvicorn has it, within bounds: certain framing, headers in time and of a size."""

import asyncio
import socket
import sys
from functools import partial
from http import HTTPStatus
from typing import Any, Final

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from forefront.server.connection_limits import ConnectionLimits
from forefront.server.framing import (
    UnclearRequestError,
    check_head,
    close_delimited,
    closing_unread,
    head_without_upgrade,
    is_rtsp,
)
from forefront.server.gathered import Gathered
from forefront.server.tls_listener import Handshake
from forefront.wire.errors import ApiError

MAX_HEADERS: Final = 64 * 2**10
# Requests on one connection that may wait for the answer to the one before them.
MAX_PIPELINE: Final = 8
# What the transport hands over at a time: the first bytes of a body may come with the last of the headers.
_READ: Final = 2**18
# Bytes: who takes so many while it is waited for is reading.
_SOME: Final = 48 * 2**10
# Seconds in which the rest of a refused request may arrive.
_LINGER: Final = 1.0
_ACKNOWLEDGED: Final = 120  # where Linux has `tcpi_bytes_acked` in its `tcp_info`


def bounded_protocol(
    header_seconds: float, limits: ConnectionLimits, send_seconds: float = 60.0
) -> type[HttpToolsProtocol]:
    """A protocol class: a request's headers must be there `header_seconds` after the connection or their first byte,
    within `MAX_HEADERS` bytes, and `limits` counts the connections. Who takes next to nothing of what is to be
    sent for `send_seconds` has left: an answer that nobody takes would keep its turn. What is not HTTP, or could be
    framed in two ways, gets one error of the API's own shape, and the connection ends.

    `scope["authenticate"]` counts the connection towards a project, whose name it takes."""

    class Bounded(HttpToolsProtocol):
        _deadline: asyncio.TimerHandle | None = None
        _stalled: asyncio.TimerHandle | None = None
        _unread = 0  # bytes of headers, of a chunk's frame or of a trailer
        _piece = 0  # bytes that were read last
        _in_headers = True
        _last = False  # whether the connection ends with the request that was read last
        _again: bytes | None = None  # the head of a request that offers an upgrade, without the offer
        handshake: Handshake | None = None  # the TLS handshake before this, if there was one

        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self._cycles: list[RequestResponseCycle] = []
            self._segments: list[bytes] = []  # what a head that is being read arrived in
            self._authenticate = partial(limits.authenticate, self)
            self.parser = httptools.HttpRequestParser(self)  # without the leniency that uvicorn sets

        @property
        def idle(self) -> bool:
            return all(cycle.response_complete for cycle in self._cycles)

        def evict(self) -> None:
            self.transport.abort()

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(Gathered(transport, self.loop))  # type: ignore[arg-type]
            if self.handshake is not None:
                limits.close(self.handshake)
            limits.open(self, self.client[0] if self.client else "")
            self._start()

        def connection_lost(self, exc: Exception | None) -> None:
            limits.close(self)
            self._stop()
            self._flows()
            self._disconnect()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self._last or self.transport.is_closing():
                return  # nothing behind the connection's last request is a request (RFC 9112, 9.6)
            self._unset_keepalive_if_required()
            self._piece = len(data)
            self._unread += self._piece
            self._segments.append(data)
            try:
                self._feed(data)
            except httptools.HttpParserError:
                if not self._last:
                    self._refuse(ApiError("invalid_http", "The server cannot read this as an HTTP request."))
                return
            if not self._in_headers:
                self._segments.clear()
            if self.idle:
                # The rest of a body that nobody reads, or empty lines; they have ended uvicorn's wait for a request.
                self._start()
            if self._unread > MAX_HEADERS + _READ:
                self._refuse(ApiError("headers_too_large", "The headers are too large."))

        def on_message_begin(self) -> None:
            if self._last:
                raise UnclearRequestError
            self._in_headers, self._unread = True, self._piece
            del self._segments[:-1]
            self._start()
            super().on_message_begin()
            self.scope["authenticate"] = self._authenticate  # type: ignore[typeddict-unknown-key]

        def on_header(self, name: bytes, value: bytes) -> None:
            # A trailer comes after everything has been decided by the headers; uvicorn would add it to them.
            if self._in_headers:
                super().on_header(name, value)

        def on_headers_complete(self) -> None:
            method, version = self.parser.get_method(), self.parser.get_http_version()
            segments = self._segments
            if (len(segments) > 1 or b" RTSP/" in segments[0]) and is_rtsp(self.url, b"".join(segments)):
                raise UnclearRequestError
            if self.parser.should_upgrade() and method != b"CONNECT":
                # llhttp ends the request here, without its body.
                self._again = head_without_upgrade(method, version, self.url, self.headers)
                return
            check_head(method, version, self.url, self.headers)
            self._in_headers, self._unread = False, 0
            self._stop()
            super().on_headers_complete()
            self._cycles = [*(cycle for cycle in self._cycles if not cycle.response_complete), self.cycle]
            if len(self.pipeline) > MAX_PIPELINE:
                self.transport.close()
                raise UnclearRequestError

        def on_chunk_header(self) -> None:
            self._unread = 0

        def on_body(self, body: bytes) -> None:
            self._unread = 0
            super().on_body(body)

        def on_message_complete(self) -> None:
            if self._again is not None:
                return
            self._unread = 0
            self._last = not self.cycle.keep_alive
            super().on_message_complete()

        def pause_writing(self) -> None:
            super().pause_writing()
            self._flows()
            self._watch()

        def resume_writing(self) -> None:
            self._flows()
            super().resume_writing()

        def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
            if cycle.scope["http_version"] == "1.0":
                cycle.waiting_for_100_continue = False  # RFC 9110, 10.1.1
                app = close_delimited(cycle, app)
            if cycle.waiting_for_100_continue:
                app = closing_unread(cycle, app)
            super()._start_asgi_task(cycle, app)

        def _feed(self, data: bytes) -> None:
            """Parse the bytes. Raises `HttpParserError`.

            A request that offers an upgrade is parsed a second time without the offer, since llhttp takes
            everything behind its head for the other protocol.
            """
            rest: bytes | memoryview = data
            while rest:
                try:
                    self.parser.feed_data(rest)
                except httptools.HttpParserUpgrade as stop:
                    if self._again is None:
                        raise httptools.HttpParserError("stopped without an upgrade") from None
                    again, self._again = self._again, None
                    self.parser = httptools.HttpRequestParser(self)
                    self.parser.feed_data(again)
                    rest = memoryview(rest)[stop.args[0] :]
                else:
                    return

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
            clear = all(cycle.response_complete or not cycle.response_started for cycle in self._cycles)
            if clear:
                self.transport.write(_spell(error))
            if not (clear and self.transport.can_write_eof()):
                self.transport.close()  # TLS reads on until its own end
                return
            # Bytes that arrive at a closed connection reset it, and the client loses the answer (RFC 9112, 9.6).
            self._last = True
            self._disconnect()
            self.flow.resume_reading()
            self.transport.write_eof()
            self._deadline = self.loop.call_later(_LINGER, self.transport.abort)

        def _disconnect(self) -> None:
            """End the requests. uvicorn ends the last alone, and the one that is being answered may be an earlier."""
            for cycle in self._cycles:
                cycle.disconnected = True
                cycle.message_event.set()

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
