"""The heads of responses: as uvicorn writes them, and none that a header's value could split."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from forefront.server.connection.connection_limits import ConnectionLimits
from forefront.server.connection.protocol import ProtocolOptions, bounded_protocol

_LENGTH = (b"content-length", b"4")
_Headers = list[tuple[bytes, bytes]]


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _respond(kind: type[asyncio.Protocol], status: int, headers: _Headers, method: str) -> list[bytes]:
    """The lines of two responses, without the date. The client keeps the connection open after the first one."""

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if status == 204 else b"body"})

    http: Any = kind
    settings = uvicorn.Config(app, http=http, ws="none", lifespan="off", log_level="critical", access_log=False)
    server = _Server(settings)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        serving = asyncio.create_task(server.serve([listening]))
        while not server.started:
            await asyncio.sleep(0.001)
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        first = f"{method} / HTTP/1.1\r\nhost: a\r\n"
        writer.write(f"{first}\r\n{first}connection: close\r\n\r\n".encode())
        text = await reader.read()
        writer.close()
        server.should_exit = True
        await serving
    return [line for line in text.split(b"\r\n") if not line.startswith(b"date:")]


@pytest.mark.parametrize(
    ("status", "headers", "method"),
    [
        (200, [(b"content-type", b"text/plain"), _LENGTH], "GET"),
        (200, [(b"content-type", b"text/plain")], "GET"),
        (204, [(b"x-a", b"b")], "GET"),
        (200, [_LENGTH], "HEAD"),
        (404, [(b"connection", b"close"), _LENGTH], "GET"),
        (200, [(b"X-Upper", b"b"), (b"Content-Length", b"4")], "GET"),
        (200, [(b"x-split", b"a\r\nx-more: b"), _LENGTH], "GET"),
        (200, [(b"x-split: a\r\nx-more", b"b"), _LENGTH], "GET"),
        (200, [(b"x-line", b"a\nb"), _LENGTH], "GET"),
        (200, [(b"x-null", b"a\0b"), _LENGTH], "GET"),
        (200, [(b"x-latin", "é\t".encode("latin-1")), _LENGTH], "GET"),
        (200, [(b"transfer-encoding", b"chunked")], "GET"),
    ],
)
async def test_responses_are_those_of_uvicorn(status: int, headers: _Headers, method: str) -> None:
    bounded = bounded_protocol(ProtocolOptions(ConnectionLimits(10, 10), 5.0))
    expected = await _respond(HttpToolsProtocol, status, headers, method)
    assert await _respond(bounded, status, headers, method) == expected
