"""A cheap client that sends one request again and again: the end of each response is found, nothing is parsed.

On a machine with few cores, a client that parses each chunk takes as much processor time as the server.
"""

import asyncio
import re
import time
from typing import Final, Self, cast
from urllib.parse import urlsplit

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_HEAD_END: Final = b"\r\n\r\n"
_LAST_CHUNK: Final = b"\r\n0\r\n\r\n"


class RepeatedRequest(asyncio.Protocol):
    """One connection with one POST request, for one response at a time."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._received = bytearray()
        self._size: int | None = None  # of the whole response; 0 for one in chunks, None until its head has come
        self._finished = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def connect(cls, url: str, key: str, body: bytes, path: str) -> Self:
        """A connection to the server of that URL."""
        parts = urlsplit(url)
        head = (
            f"POST {path} HTTP/1.1\r\nhost: {parts.netloc}\r\nauthorization: Bearer {key}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        loop = asyncio.get_running_loop()
        assert parts.hostname is not None
        assert parts.port is not None
        _, client = await loop.create_connection(lambda: cls(head.encode() + body), parts.hostname, parts.port)
        return client

    async def send(self) -> float:
        """Send the request. The seconds until the response is complete. Raises `RuntimeError` for another status
        than 200, and for a lost connection."""
        assert self._transport is not None
        self._received.clear()
        self._size, self._finished = None, asyncio.get_running_loop().create_future()
        begin = time.perf_counter()
        self._transport.write(self._request)
        await self._finished
        seconds = time.perf_counter() - begin
        if not self._received.startswith(b"HTTP/1.1 200 "):
            raise RuntimeError(f"a request failed: {bytes(self._received[:2000])!r}")
        return seconds

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._size is None and (end := self._received.find(_HEAD_END)) >= 0:
            length = _LENGTH.search(self._received, 0, end + len(_HEAD_END))
            self._size = 0 if length is None else end + len(_HEAD_END) + int(length[1])
        complete = self._received.endswith(_LAST_CHUNK) if self._size == 0 else len(self._received) == self._size
        if complete and not self._finished.done():
            self._finished.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        if not self._finished.done():
            self._finished.set_exception(RuntimeError(f"the connection was lost: {error}"))
