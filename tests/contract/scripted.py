"""A server of bytes: answers the exchanges of a case in turn, over real connections."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from tests.contract.cases import body_of, holds

_NO_HTTP = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


@dataclass
class Request:
    """What came. Header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class ScriptedServer:
    """Records the requests. `wrong` has their differences from the case."""

    exchanges: list[dict[str, Any]]
    requests: list[Request] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    url: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def check(self) -> None:
        """Fail unless exactly the exchanges of the case took place."""
        assert not self.wrong, self.wrong
        assert len(self.requests) == len(self.exchanges)
        keys = {request.headers.get("idempotency-key") for request in self.requests}
        assert len(keys) <= 1, keys

    def answer_connection(self, connection: socket.socket) -> None:
        """Answer its requests until it ends."""
        with connection, suppress(OSError), connection.makefile("rb") as reader:
            while (request := read_request(reader)) is not None:
                with self._lock:
                    self.requests.append(request)
                    number = len(self.requests) - 1
                if number >= len(self.exchanges):
                    connection.sendall(_NO_HTTP)
                    return
                exchange = self.exchanges[number]
                self.wrong += _differences(exchange["request"], request)
                if not _send(connection, exchange["answer"]):
                    return


@contextmanager
def run_scripted(exchanges: list[dict[str, Any]]) -> Iterator[ScriptedServer]:
    """Run one on a free port."""
    server = ScriptedServer(exchanges)
    connections: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        threads: list[threading.Thread] = []

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection = listener.accept()[0]
                    connections.append(connection)
                    threads.append(threading.Thread(target=server.answer_connection, args=[connection]))
                    threads[-1].start()

        acceptor = threading.Thread(target=accept)
        acceptor.start()
        try:
            yield server
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            acceptor.join()
            for connection in connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join()


def read_request(reader: Any) -> Request | None:
    """The next one of a connection; None when there is none."""
    first = reader.readline().decode("latin-1").split()
    if len(first) != 3 or not first[2].startswith("HTTP/"):
        return None
    headers: dict[str, str] = {}
    while line := reader.readline().strip():
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    return Request(first[0], first[1], headers, reader.read(int(headers.get("content-length", 0))))


def _differences(expected: dict[str, Any], request: Request) -> list[str]:
    found = []
    if (request.method, request.path) != (expected["method"], expected["path"]):
        found.append(f"{request.method} {request.path}, not {expected['method']} {expected['path']}")
    for name, value in expected.get("headers", {}).items():
        given = request.headers.get(name)
        if given != value and not (value is True and given):
            found.append(f"{name}: {given!r}, not {value!r}")
    if "body" in expected:
        body = json.loads(request.body)
        wrong = holds(expected["body"], body) or holds(body, expected["body"])
        found += [wrong] if wrong else []
    elif request.body:
        found.append(f"a body of {len(request.body)} bytes")
    return found


def _send(connection: socket.socket, answer: dict[str, Any]) -> bool:
    """Send it; whether the connection can take another request."""
    end = answer.get("end", "whole")
    if end not in ("none", "silent"):
        connection.sendall(_head(answer, end) + _framed(answer, end))
    if end in ("hang", "silent"):
        with suppress(OSError):
            connection.recv(1)  # until the client leaves
    return bool(end == "whole")


def _head(answer: dict[str, Any], end: str) -> bytes:
    headers = dict(answer["headers"])
    if _chunked(answer):
        headers["transfer-encoding"] = "chunked"
    else:
        headers["content-length"] = str(len(body_of(answer)) + (0 if end == "whole" else 10))
    lines = [f"HTTP/1.1 {answer['status']} Some Reason", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _framed(answer: dict[str, Any], end: str) -> bytes:
    body = body_of(answer)
    if not _chunked(answer):
        return body
    data = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
    return data + (b"0\r\n\r\n" if end == "whole" else b"")


def _chunked(answer: dict[str, Any]) -> bool:
    return str(answer["headers"].get("content-type", "")).startswith("text/event-stream")
