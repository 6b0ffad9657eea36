"""HTTP byte by byte: what no client library would send."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class RawResponse:
    """All that came back: the first response's status, the bytes, and whether the server closed the connection."""

    status: int
    content: bytes
    closed: bool

    @property
    def count(self) -> int:
        """How many responses there were."""
        return self.content.count(b"HTTP/1.1 ")

    @property
    def body(self) -> bytes:
        """What follows the first response's headers."""
        return self.content.partition(b"\r\n\r\n")[2]


@contextmanager
def connection(url: str, timeout: float = 10) -> Iterator[socket.socket]:
    """A plain connection to the server."""
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    with socket.create_connection((parts.hostname, parts.port), timeout=timeout) as opened:
        yield opened


def exchange(url: str, content: bytes, timeout: float = 10) -> RawResponse:
    """Send the bytes and read until the server closes, or is silent for `timeout` seconds."""
    with connection(url, timeout) as opened:
        opened.sendall(content)
        return read_all(opened)


def read_all(opened: socket.socket) -> RawResponse:
    """What comes until the connection is closed, or its timeout."""
    content, closed = b"", False
    try:
        while piece := opened.recv(2**16):
            content += piece
        closed = True
    except TimeoutError:
        pass
    except ConnectionResetError:
        closed = True
    status = int(content[9:12]) if content.startswith(b"HTTP/1.1 ") else 0
    return RawResponse(status, content, closed)


def request(method: str, target: str, *headers: str, body: bytes = b"") -> bytes:
    """A request as bytes. `headers` are whole lines; nothing is added but the end of the headers."""
    return "\r\n".join([f"{method} {target} HTTP/1.1", *headers, "", ""]).encode("latin-1") + body
