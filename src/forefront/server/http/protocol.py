"""HTTP/1.1 on a connection, as uvicorn has it, within bounds: certain framing, headers in time and of a size."""

import asyncio
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any, ClassVar, Final

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from forefront.server.http.connection_limits import ConnectionLimits
from forefront.server.http.lingering_close import Lingering
from forefront.server.http.request_framing import (
    UnclearRequestError,
    check_head,
    close_delimited,
    closing_unread,
    head_without_upgrade,
    is_rtsp,
)
from forefront.server.http.send_timeout import SendWatch
from forefront.server.http.tls_listener import Handshake
from forefront.wire.errors import ApiError

MAX_HEADERS: Final = 64 * 2**10
# Requests on one connection that may wait for the answer to the one before them.
MAX_PIPELINE: Final = 8
# What the transport hands over at a time: the first bytes of a body may come with the last of the headers.
_READ: Final = 2**18


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a connection may take: the time for the headers of a request, counted from the connection's beginning or
    their first byte, and the time in which a client must read some of its answer, both in seconds. `limits` counts
    the connections."""

    limits: ConnectionLimits
    header_seconds: float
    send_seconds: float = 60.0


def bounded_protocol(bounds: Bounds) -> type["BoundedProtocol"]:
    """The protocol class for a server with these bounds."""

    class Configured(BoundedProtocol):
        _bounds = bounds

    return Configured


class BoundedProtocol(HttpToolsProtocol):
    """One connection. The headers of a request must arrive in time and within `MAX_HEADERS` bytes, and a client that
    does not read its answer is disconnected. A request that is not HTTP, or that could be framed in two ways, gets one
    error of the API's own shape, and the connection ends.

    `scope["authenticate"]` counts the connection towards a project, whose name it takes.
    """

    _bounds: ClassVar[Bounds]
    _deadline: asyncio.TimerHandle | None = None
    _sending: SendWatch
    transport: Lingering  # type: ignore[assignment]
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
        self._authenticate = partial(self._bounds.limits.authenticate, self)
        self.parser = httptools.HttpRequestParser(self)  # without the leniency that uvicorn sets

    @property
    def idle(self) -> bool:
        return all(cycle.response_complete for cycle in self._cycles)

    def evict(self) -> None:
        self.transport.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        bounds = self._bounds
        lingering: Any = Lingering(transport, self.loop, bounds.header_seconds, bounds.send_seconds)
        super().connection_made(lingering)
        self._sending = SendWatch(transport, self.loop, bounds.send_seconds)
        if self.handshake is not None:
            bounds.limits.close(self.handshake)
        bounds.limits.open(self, self.client[0] if self.client else "")
        self._start()

    def connection_lost(self, exc: Exception | None) -> None:
        self._bounds.limits.close(self)
        self._stop()
        self._sending.stop()
        self.transport.lost()
        self._disconnect()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            self.transport.discard(len(data))
            return
        if self._last:
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
            # The rest of an unread body, or empty lines, have ended uvicorn's wait for a request.
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
            self.transport.close_at_once()
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
        self._sending.start()

    def resume_writing(self) -> None:
        self._sending.stop()
        super().resume_writing()

    def shutdown(self) -> None:
        if self.idle:
            self.transport.close_at_once()
        else:
            super().shutdown()

    def timeout_keep_alive_handler(self) -> None:
        self.transport.close_at_once()

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
            self._deadline = self.loop.call_later(self._bounds.header_seconds, self._late)

    def _stop(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _late(self) -> None:
        if self._in_headers:
            seconds = self._bounds.header_seconds
            text = f"The request's headers did not arrive within {seconds:g} s."
            self._refuse(ApiError("request_timeout", text))
        else:
            self.transport.close_at_once()

    def _refuse(self, error: ApiError) -> None:
        """Answer without the application, and close."""
        self._stop()
        if self.transport.is_closing():
            return
        # Another answer may be on its way, and must not be mistaken for whole, nor this one for a part of it.
        clear = all(cycle.response_complete or not cycle.response_started for cycle in self._cycles)
        if not clear:
            self.transport.close_at_once()
            return
        self.transport.write(_spell(error))
        self._disconnect()
        self.transport.close()

    def _disconnect(self) -> None:
        """End the requests. uvicorn ends the last alone, and the one that is being answered may be an earlier."""
        for cycle in self._cycles:
            cycle.disconnected = True
            cycle.message_event.set()


def _spell(error: ApiError) -> bytes:
    """The error as a whole HTTP response, the connection's last."""
    body = error.encode()
    headers = {"content-type": "application/json", "content-length": str(len(body)), "connection": "close"}
    lines = [f"{name}: {value}" for name, value in (headers | error.headers).items()]
    status = f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}"
    return "\r\n".join([status, *lines, "", ""]).encode() + body
