"""A scripted upstream: an HTTP server whose answers are lists of steps, with faults at any byte.

It runs in a thread with its own event loop. `upstream_answers.py` has the steps, `upstream_faults.py` a table of
misbehaviours.
"""

import asyncio
import socket
import ssl
import struct
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from tests.support.upstreams.upstream_answers import (
    Answer,
    Behaviour,
    Close,
    Forever,
    Hang,
    Pause,
    ReceivedRequest,
    Reset,
    Step,
    well,
)


class FaultyUpstream:
    """A running upstream.

    `script` has the behaviours of the next completions, in turn; after them `behaviour` applies. `paths` overrides
    both for a path. Every request that came is in `requests`.
    """

    def __init__(self, behaviour: Behaviour = well, tls: ssl.SSLContext | None = None) -> None:
        self.behaviour = behaviour
        self.script: deque[Behaviour] = deque()
        self.paths: dict[str, Behaviour] = {}
        self.requests: list[ReceivedRequest] = []
        self.connections = 0
        self.port = 0
        self._tls = tls
        self._open: dict[asyncio.Task[None], socket.socket] = {}
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def url(self) -> str:
        """The base URL, as in `upstream` of a model's settings."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}/v1"

    @property
    def completions(self) -> list[ReceivedRequest]:
        """The requests for completions."""
        return [request for request in self.requests if request.method == "POST"]

    @property
    def open_connections(self) -> int:
        """The connections that are open."""
        return len(self._open)

    def start(self) -> None:
        """Listen on a free port, or again on the one it had."""
        if not self._thread.is_alive():
            self._thread.start()
        self._call(self._listen())

    def kill(self) -> None:
        """End like a killed process: nothing listens, and every connection is reset."""
        self._call(self._end())

    def close(self) -> None:
        """End for good."""
        self.kill()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self.port, ssl=self._tls, reuse_address=True, limit=2**24
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def _end(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        tasks = list(self._open)
        for connection in self._open.values():
            _linger_reset(connection)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.connections += 1
        number = self.connections
        self._open[task] = writer.get_extra_info("socket")
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                while (request := await _read_request(reader, number)) is not None:
                    self.requests.append(request)
                    if not await self._answer(request, reader, writer):
                        break
        except asyncio.CancelledError:
            pass  # `kill`; a cancelled handler would be logged
        finally:
            del self._open[task]
            writer.transport.abort()

    async def _answer(
        self, request: ReceivedRequest, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Send the answer; whether the connection can take another request."""
        answer = self._behaviour(request)
        if callable(answer):
            answer = answer(request)
        leaving = asyncio.ensure_future(_until_left(reader))
        sending = asyncio.ensure_future(_send(answer, writer))
        try:
            await asyncio.wait((leaving, sending), return_when=asyncio.FIRST_COMPLETED)
            if not sending.done():
                request.left = time.monotonic()
                return False
            return sending.result()
        finally:
            for job in (leaving, sending):
                job.cancel()
            await asyncio.gather(leaving, sending, return_exceptions=True)

    def _behaviour(self, request: ReceivedRequest) -> Behaviour:
        if (behaviour := self.paths.get(request.path)) is not None:
            return behaviour
        if request.method == "GET":
            return well
        return self.script.popleft() if self.script else self.behaviour


@contextmanager
def run_faulty_upstream(behaviour: Behaviour = well, tls: ssl.SSLContext | None = None) -> Iterator[FaultyUpstream]:
    """Run one on a free port."""
    upstream = FaultyUpstream(behaviour, tls)
    upstream.start()
    try:
        yield upstream
    finally:
        upstream.close()


async def _read_request(reader: asyncio.StreamReader, connection: int) -> ReceivedRequest | None:
    """The next request of a connection; None at its end."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    except asyncio.IncompleteReadError:
        return None
    method, path, _ = head[0].split(" ", 2)
    fields = (line.partition(":") for line in head[1:] if line)
    headers = {name.lower(): value.strip() for name, _, value in fields}
    body = bytearray()
    if headers.get("transfer-encoding") == "chunked":
        while size := int(await reader.readline(), 16):
            body += await reader.readexactly(size)
            await reader.readline()
        await reader.readline()
    else:
        body += await reader.readexactly(int(headers.get("content-length", 0)))
    return ReceivedRequest(method, path, headers, bytes(body), connection)


async def _until_left(reader: asyncio.StreamReader) -> None:
    """Return when the client has closed the connection. Nothing is read, as that could be the next request."""
    while not (reader.at_eof() or reader.exception()):
        await asyncio.sleep(0.005)


async def _send(answer: Answer, writer: asyncio.StreamWriter) -> bool:
    """Take the steps; whether the connection can take another request."""
    if not await _take(answer.before, writer, framed=False):
        return False
    if not answer.raw:
        writer.write(_head(answer))
    if not await _take(answer.steps, writer, framed=not (answer.raw or answer.sized)):
        return False
    if not (answer.raw or answer.sized):
        writer.write(b"0\r\n\r\n")
    await writer.drain()
    return not answer.raw


async def _take(steps: tuple[Step, ...], writer: asyncio.StreamWriter, *, framed: bool) -> bool:
    def write(data: bytes) -> None:
        writer.write(b"%x\r\n%b\r\n" % (len(data), data) if framed else data)

    for step in steps:
        match step:
            case bytes():
                write(step)
                await writer.drain()
            case Pause(seconds):
                await asyncio.sleep(seconds)
            case Forever(data, seconds):
                while True:
                    write(data)
                    await writer.drain()
                    await asyncio.sleep(seconds)
            case Hang():
                await asyncio.Event().wait()
            case Reset():
                await asyncio.sleep(0.01)  # a reset overtakes what has not been sent
                _linger_reset(writer.get_extra_info("socket"))
                writer.transport.abort()
                return False
            case Close():
                return False
    return True


def _head(answer: Answer) -> bytes:
    headers = {"content-type": answer.content_type} | dict(answer.headers)
    if answer.sized:
        length = sum(len(step) for step in answer.steps if isinstance(step, bytes))
        headers["content-length"] = str(length if answer.length is None else answer.length)
    else:
        headers["transfer-encoding"] = "chunked"
    lines = [f"HTTP/1.1 {answer.status} Some Reason", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _linger_reset(connection: socket.socket) -> None:
    """Let the next close of the connection send a reset."""
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
