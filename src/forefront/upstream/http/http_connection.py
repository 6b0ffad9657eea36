"""One HTTP/1.1 connection to an upstream, for one request at a time, parsed by httptools."""

import asyncio
import zlib
from typing import Final, Literal, cast

import httptools

# Bytes of the heads of a response, which hold informational ones (1xx) too.
_MAX_HEAD: Final = 2**18
# Bytes that are received ahead of the reader.
_MAX_AHEAD: Final = 2**18
_COMPRESSED: Final = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


_Phase = Literal["idle", "head", "body", "complete"]


class ConnectionLostError(Exception):
    """The connection ended before the response did. `received`: part of the response had come."""

    def __init__(self, reason: str, *, received: bool) -> None:
        super().__init__(reason)
        self.received = received


class MalformedResponseError(Exception):
    """The response does not follow HTTP/1.1, or exceeds a limit."""


class UpstreamResponse:
    """A response whose head has arrived. Names of headers are in lower case; the last of equal ones counts."""

    def __init__(self, connection: "HttpConnection", status: int, headers: dict[str, str]) -> None:
        self.status = status
        self.headers = headers
        self.complete = False  # read to its end
        self._connection = connection
        encoding = headers.get("content-encoding", "identity").strip().lower()
        self._compression = None if encoding in ("", "identity") else _decompressor(encoding)
        self._compressed = b""

    @property
    def content_type(self) -> str:
        """The media type without parameters, in lower case; empty if the head has none."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    async def read(self) -> bytes:
        """More of the body, empty at its end. Raises `ConnectionLostError` and `MalformedResponseError`."""
        if self._compression is None:
            data = await self._connection.receive()
            self.complete = self._connection.drained
            return data
        while True:
            source = self._compressed or await self._connection.receive()
            if not source:
                if not self._compression.eof:
                    raise MalformedResponseError("the compressed body is incomplete")
                self.complete = True
                return b""
            try:
                data = self._compression.decompress(source, _MAX_AHEAD)
            except zlib.error as error:
                raise MalformedResponseError(str(error)) from None
            self._compressed = self._compression.unconsumed_tail
            if data:
                return data

    def close(self) -> None:
        """Close the connection, unless the response is complete."""
        if not self.complete:
            self._connection.close()


def _decompressor(encoding: str) -> "zlib._Decompress":
    if encoding not in _COMPRESSED:
        raise MalformedResponseError(f"the content-encoding {encoding[:40]!r} was not accepted")
    return zlib.decompressobj(_COMPRESSED[encoding])


class HttpConnection(asyncio.Protocol):
    """The connection. `send` begins a request, `receive` reads the body of its response.

    `opened_at` and `idle_since` are times of the event loop's clock. `reusable`: another request can be sent.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.opened_at = self.idle_since = self._loop.time()
        self._transport: asyncio.Transport | None = None
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._reading = True
        self._phase: _Phase = "idle"
        self._keep_alive = True
        self._body: list[bytes] = []
        self._headers: dict[str, str] = {}
        self._begin()

    @property
    def reusable(self) -> bool:
        """Whether the response is complete and the connection stays open."""
        return self._error is None and self._keep_alive and self._phase in ("idle", "complete")

    @property
    def drained(self) -> bool:
        """Whether the response is complete and nothing of it is left to be read."""
        return self._phase == "complete" and not self._body

    async def send(self, request: bytes) -> UpstreamResponse:
        """Send a request. The response, once its head has come.

        Raises `ConnectionLostError` and `MalformedResponseError`.
        """
        self._begin()
        self._phase = "head"
        assert self._transport is not None
        if self._error is None:
            self._transport.write(request)
        while self._in("head"):
            await self._wait()
        return UpstreamResponse(self, self._status, self._headers)

    async def receive(self) -> bytes:
        """The bytes of the body received so far, at least one; none at its end."""
        while not self._body and self._phase == "body":
            await self._wait()
        body, self._body, self._ahead = self._body, [], 0
        if not self._reading and self._transport is not None and self._error is None:
            self._reading = True
            self._transport.resume_reading()
        return body[0] if len(body) == 1 else b"".join(body)

    def close(self) -> None:
        """Close the connection at once."""
        self._fail(ConnectionLostError("it was closed", received=self._received))
        if self._transport is not None:
            self._transport.abort()

    def _in(self, phase: _Phase) -> bool:
        return self._phase == phase

    def _begin(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._headers = {}
        self._status = self._head_size = self._ahead = 0
        self._body = []
        self._received = self._delimited = False

    async def _wait(self) -> None:
        """Return after the next change. Raises what ended the connection."""
        if self._error is not None:
            raise self._error
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, error: Exception) -> None:
        """Mark the connection as unusable. A complete response stays complete."""
        if self._error is None:
            self._error = error
            self._wake()

    # The transport's calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._phase == "head":
            self._received = True
            self._head_size += len(data)
        elif self._phase != "body":
            self.close()  # nothing was requested
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._keep_alive = False
            if not self._in("complete"):
                self._fail(MalformedResponseError(str(error)))
                self.close()
                return
        self._wake()
        if self._phase == "head" and self._head_size > _MAX_HEAD:
            self._fail(MalformedResponseError(f"the head has more than {_MAX_HEAD} bytes"))
            self.close()
        elif self._ahead > _MAX_AHEAD and self._reading and self._transport is not None:
            self._reading = False
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        if self._phase == "body" and not self._delimited:
            self._phase = "complete"
            self._wake()
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self._keep_alive = False
        reason = "the connection was closed" if error is None else str(error) or type(error).__name__
        self._fail(ConnectionLostError(reason, received=self._received))

    # The parser's calls, all of them within `data_received`.

    def on_message_begin(self) -> None:
        if self._phase == "complete":
            self._keep_alive = False  # more than one response

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._phase == "head":
            self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if self._phase != "head":
            return
        status = self._parser.get_status_code()
        if status < 200:
            self._headers = {}
            return
        self._status, self._phase = status, "body"
        self._keep_alive = self._parser.should_keep_alive()
        transfer = self._headers.get("transfer-encoding", "").lower()
        self._delimited = "content-length" in self._headers or "chunked" in transfer

    def on_body(self, body: bytes) -> None:
        if self._phase == "body":
            self._body.append(body)
            self._ahead += len(body)

    def on_message_complete(self) -> None:
        if self._phase == "body":
            self._phase = "complete"
