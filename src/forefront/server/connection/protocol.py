"""uvicorn's HTTP/1.1 protocol within bounds: unambiguous framing, size and time of headers, time to send."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, ClassVar, Final

import httptools
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from forefront.server.connection.connection_limits import ConnectionLimits
from forefront.server.connection.lingering_close import LingeringTransport
from forefront.server.connection.piecewise_protocol import PIECE, PiecewiseProtocol
from forefront.server.connection.request_framing import (
    AmbiguousRequestError,
    check_head,
    close_delimited,
    closing_unread,
    head_without_upgrade,
    is_rtsp,
    path_and_query,
)
from forefront.server.connection.response_head import with_response_head
from forefront.server.connection.send_timeout import SendTimeout
from forefront.server.connection.tls_listener import Handshake
from forefront.server.http.api_conventions import OPENAI
from forefront.server.http.body import BODY_ARRIVED
from forefront.server.http.disconnect import CONNECTION
from forefront.server.http.error_response import error_headers, error_status
from forefront.wire.errors import RequestError

MAX_HEADERS: Final = 64 * 2**10
# Headers of a request. Each takes a microsecond of the event loop, and 64 KiB hold 16,000.
MAX_FIELDS: Final = 256
# Bytes of a request's path and query. To decode 60,000 percent-encoded ones takes 7 ms.
MAX_TARGET: Final = 2**13
# Pipelined requests that may wait on one connection.
MAX_PIPELINE: Final = 8


@dataclass(frozen=True, slots=True)
class ProtocolOptions:
    """The limits of connections, and two times in seconds: for the headers of a request, from the beginning of the
    connection or their first byte, and for a client that reads nothing of its response. `errors` counts
    responses to requests that cannot be read, by code."""

    limits: ConnectionLimits
    header_seconds: float
    send_seconds: float = 60.0
    errors: Counter[str] = field(default_factory=Counter)


def bounded_protocol(options: ProtocolOptions) -> type["BoundedProtocol"]:
    """The protocol class of a server, for uvicorn."""
    return type("ConfiguredProtocol", (BoundedProtocol,), {"_options": options})


class BoundedProtocol(PiecewiseProtocol):
    """One connection, which is also `scope["connection"]` of its requests.

    The headers of a request must arrive in time, within `MAX_HEADERS` bytes and `MAX_FIELDS` in number. A client that
    does not read its response is disconnected. A request that is not HTTP, or that could be framed in two ways, gets an
    error of the API, and the connection ends.
    """

    _options: ClassVar[ProtocolOptions]
    _header_timer: asyncio.TimerHandle | None = None
    _send_timeout: SendTimeout
    transport: LingeringTransport  # type: ignore[assignment]
    _unparsed = 0  # bytes of headers, of a chunk's frame or of a trailer
    _read_size = 0  # bytes that were read last
    _in_headers = True
    _closing = False  # whether the connection ends with the request that was read last
    _plain_head: bytes | None = None  # the head of a request that offers an upgrade, without the offer
    _disconnected = False
    handshake: Handshake | None = None  # the TLS handshake before this, if there was one

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._watchers: set[Callable[[], None]] = set()  # called when the client disconnects
        self._cycles: list[RequestResponseCycle] = []
        self._head_segments: list[bytes] = []  # the received data that holds the head being read
        self.parser = httptools.HttpRequestParser(self)  # without the leniency that uvicorn sets

    @property
    def idle(self) -> bool:
        # Pipelined requests are answered in order.
        return not self._cycles or self._cycles[-1].response_complete

    def evict(self) -> None:
        self.transport.abort()

    def authenticate(self, project: str) -> None:
        """Count the connection towards `project`. Raises `RequestError` 503 as `ConnectionLimits.authenticate` does."""
        self._options.limits.authenticate(self, project)

    def watch(self, callback: Callable[[], None]) -> None:
        """See `disconnect.ClientConnection.watch`."""
        self._watchers.add(callback)
        self.flow.resume_reading()  # without reading, a disconnection is not noticed
        if self._disconnected:
            self.loop.call_soon(self._call_watchers)

    def unwatch(self, callback: Callable[[], None]) -> None:
        """See `disconnect.ClientConnection.unwatch`."""
        self._watchers.discard(callback)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        options = self._options
        lingering: Any = LingeringTransport(transport, self.loop, options.header_seconds, options.send_seconds)
        super().connection_made(lingering)
        self._send_timeout = SendTimeout(transport, self.loop, options.send_seconds)
        if self.handshake is not None:
            options.limits.close(self.handshake)
        options.limits.open(self, self.client[0] if self.client else "")
        self._start_header_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._options.limits.close(self)
        self._stop_header_timer()
        self._send_timeout.stop()
        self.transport.lost()
        self._disconnect()
        super().connection_lost(exc)
        # The last request refers to this by its scope. Without these references a lost connection is freed at once;
        # hundreds at a time would wait for the garbage collector.
        self._cycles, self.cycle, self.scope = [], None, {}  # type: ignore[assignment, typeddict-item]
        self.pipeline.clear()

    def receive(self, data: bytes) -> None:
        if self.transport.is_closing():
            self.transport.discard(len(data))
            return
        if self._closing:
            return  # nothing after the connection's last request is a request (RFC 9112, 9.6)
        self._unset_keepalive_if_required()
        self._read_size = len(data)
        self._unparsed += self._read_size
        self._head_segments.append(data)
        try:
            self._feed(data)
        except httptools.HttpParserError:
            if not self._closing:
                self._refuse(RequestError("invalid_http", "The server cannot read this as an HTTP request."))
            return
        if not self._in_headers:
            self._head_segments.clear()
        if self._in_headers or self.idle:
            # Headers have begun, or the rest of an unread body or empty lines ended uvicorn's wait for a request.
            self._start_header_timer()
        # The first bytes of a body may come with the last of the headers.
        if self._unparsed > MAX_HEADERS + PIECE:
            self._refuse(RequestError("headers_too_large", "The headers are too large."))

    def on_message_begin(self) -> None:
        if self._closing:
            raise AmbiguousRequestError
        self._in_headers, self._unparsed = True, self._read_size
        del self._head_segments[:-1]
        super().on_message_begin()
        self.scope[CONNECTION] = self  # type: ignore[typeddict-unknown-key]

    def on_header(self, name: bytes, value: bytes) -> None:
        # uvicorn would add trailers to the headers, which have been acted on by then.
        if not self._in_headers:
            return
        if len(self.headers) >= MAX_FIELDS:
            text = f"A request can have at most {MAX_FIELDS} headers."
            self._refuse(RequestError("headers_too_large", text))
            raise AmbiguousRequestError
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        method, version = self.parser.get_method(), self.parser.get_http_version()
        segments = self._head_segments
        if (len(segments) > 1 or b" RTSP/" in segments[0]) and is_rtsp(self.url, b"".join(segments)):
            raise AmbiguousRequestError
        if self.parser.should_upgrade() and method != b"CONNECT":
            # llhttp ends the request here, without its body.
            self._plain_head = head_without_upgrade(method, version, self.url, self.headers)
            return
        if len(self.url) > MAX_TARGET and len(path_and_query(self.url)) > MAX_TARGET:
            text = f"The path and query must have at most {MAX_TARGET:,} bytes."
            self._refuse(RequestError("target_too_long", text))
            raise AmbiguousRequestError
        check_head(method, version, self.url, self.headers)
        self._in_headers, self._unparsed = False, 0
        self._stop_header_timer()
        super().on_headers_complete()
        self._cycles = [self.cycle] if self.idle else [*self._cycles, self.cycle]
        if len(self.pipeline) > MAX_PIPELINE:
            self.transport.close_at_once()
            raise AmbiguousRequestError

    def on_chunk_header(self) -> None:
        super().on_chunk_header()
        self._unparsed = 0

    def on_body(self, body: bytes) -> None:
        self._unparsed = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self._plain_head is not None:
            return
        self._unparsed = 0
        self.cycle.scope[BODY_ARRIVED] = True  # type: ignore[typeddict-unknown-key]
        self._closing = not self.cycle.keep_alive
        super().on_message_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._send_timeout.start()

    def resume_writing(self) -> None:
        self._send_timeout.stop()
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
        elif not cycle.waiting_for_100_continue:
            app = with_response_head(cycle, app)
        if cycle.waiting_for_100_continue:
            app = closing_unread(cycle, app)
        super()._start_asgi_task(cycle, app)

    def _feed(self, data: bytes) -> None:
        """Parse the bytes. Raises `HttpParserError`.

        A request that offers an upgrade is parsed again without the offer, since llhttp takes everything after its
        head for the other protocol.
        """
        rest: bytes | memoryview = data
        while rest:
            try:
                self.parser.feed_data(rest)
            except httptools.HttpParserUpgrade as stop:
                if self._plain_head is None:
                    raise httptools.HttpParserError("stopped without an upgrade") from None
                head, self._plain_head = self._plain_head, None
                self.parser = httptools.HttpRequestParser(self)
                self.parser.feed_data(head)
                rest = memoryview(rest)[stop.args[0] :]
            else:
                return

    def _start_header_timer(self) -> None:
        if self._header_timer is None:
            self._header_timer = self.loop.call_later(self._options.header_seconds, self._on_header_timeout)

    def _stop_header_timer(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _on_header_timeout(self) -> None:
        if self._in_headers:
            seconds = self._options.header_seconds
            text = f"The request's headers did not arrive within {seconds:g} s."
            self._refuse(RequestError("request_timeout", text))
        else:
            self.transport.close_at_once()

    def _refuse(self, error: RequestError) -> None:
        """Send an error without calling the application, and close."""
        self._stop_header_timer()
        if self.transport.is_closing():
            return
        # In the middle of another response, the error would be taken for a part of it.
        clear = all(cycle.response_complete or not cycle.response_started for cycle in self._cycles)
        if not clear:
            self.transport.close_at_once()
            return
        self._options.errors[error.code] += 1
        self.transport.write(_encode_response(error))
        self._disconnect()
        self.transport.close()

    def _disconnect(self) -> None:
        """End all requests. uvicorn ends the last one only, and an earlier one may be running."""
        for cycle in self._cycles:
            cycle.disconnected = True
            cycle.message_event.set()
        self._disconnected = True
        self._call_watchers()

    def _call_watchers(self) -> None:
        for callback in list(self._watchers):
            callback()


def _encode_response(error: RequestError) -> bytes:
    """The error as a whole HTTP response, the connection's last."""
    body, status = OPENAI.encode_error(error, ""), error_status(error)
    headers = error_headers(error) | {"content-length": str(len(body)), "connection": "close"}
    lines = [f"{name}: {value}" for name, value in headers.items()]
    first = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"
    return "\r\n".join([first, *lines, "", ""]).encode() + body
