"""Time limits and connections, over real sockets; the rest of it is in the contract."""

import asyncio
import gc
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from forefront import APIConnectionError, APITimeoutError, AsyncForefrontClient, ForefrontClient, Timeout
from forefront.client.transport import response_stream
from tests.client.fakes import DONE, USER, events
from tests.contract.scripted import read_request

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


def in_chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class ScriptedSocketServer:
    """Answers every request by `talk`; counts connections, and notices when they are closed by the other side."""

    def __init__(self, talk: Callable[[socket.socket], None]) -> None:
        self._talk = talk
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.connections = 0
        self.left = threading.Event()

    def run(self) -> None:
        threads = []
        with suppress(OSError):
            while True:
                connection = self._listener.accept()[0]
                self.connections += 1
                threads.append(threading.Thread(target=self._serve, args=[connection]))
                threads[-1].start()
        for thread in threads:
            thread.join()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(100)
        with connection, suppress(OSError), connection.makefile("rb") as reader:
            while read_request(reader) is not None:
                self._talk(connection)
        self.left.set()

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@contextmanager
def talking(talk: Callable[[socket.socket], None]) -> Iterator[ScriptedSocketServer]:
    talker = ScriptedSocketServer(talk)
    thread = threading.Thread(target=talker.run)
    thread.start()
    try:
        yield talker
    finally:
        talker.stop()
        thread.join()


def send_one_text(connection: socket.socket) -> None:
    connection.sendall(HEAD + in_chunk(events("a")[0]))


def trickle(connection: socket.socket) -> None:
    """A comment now and then, so that no read is ever long."""
    send_one_text(connection)
    for _ in range(200):
        connection.sendall(in_chunk(b": waiting\n\n"))
        time.sleep(0.02)


def trickle_then_hang(connection: socket.socket) -> None:
    send_one_text(connection)
    time.sleep(0.2)
    connection.sendall(in_chunk(b": waiting\n\n"))


def answer(connection: socket.socket) -> None:
    connection.sendall(HEAD + in_chunk(events("a")[0] + DONE))
    time.sleep(0.05)
    connection.sendall(END)


@pytest.mark.parametrize("talk", [trickle, trickle_then_hang])
def test_the_total_time_ends_a_stream(talk: Callable[[socket.socket], None]) -> None:
    with talking(talk) as talker, ForefrontClient("k", "m", talker.url, timeout=Timeout(total=0.3)) as client:
        begin = time.monotonic()
        with pytest.raises(APITimeoutError, match="total timeout") as caught:
            for _ in client.chat.completions.create(messages=USER, stream=True):
                pass
        assert caught.value.total
        assert 0.29 < time.monotonic() - begin < 60
        assert talker.left.wait(60)


@pytest.mark.parametrize("talk", [trickle, trickle_then_hang])
async def test_the_total_time_ends_a_stream_with_asyncio(talk: Callable[[socket.socket], None]) -> None:
    with talking(talk) as talker:
        async with AsyncForefrontClient("k", "m", talker.url, timeout=Timeout(total=0.3)) as client:
            begin = time.monotonic()
            with pytest.raises(APITimeoutError, match="total timeout"):
                async for _ in await client.chat.completions.create(messages=USER, stream=True):
                    pass
            assert 0.29 < time.monotonic() - begin < 60
        assert await asyncio.to_thread(talker.left.wait, 60)


def test_the_connection_of_a_stream_is_reused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(response_stream, "_END_TIMEOUT", 60)
    with talking(answer) as talker, ForefrontClient("k", "m", talker.url) as client:
        for _ in range(3):
            assert len(list(client.chat.completions.create(messages=USER, stream=True))) == 1
        assert talker.connections == 1


async def test_the_connection_of_a_stream_is_reused_with_asyncio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(response_stream, "_END_TIMEOUT", 60)
    with talking(answer) as talker:
        async with AsyncForefrontClient("k", "m", talker.url) as client:
            for _ in range(3):
                stream = await client.chat.completions.create(messages=USER, stream=True)
                assert len([chunk async for chunk in stream]) == 1
        assert talker.connections == 1


@pytest.mark.parametrize("read", [0, 1])
def test_an_abandoned_stream_releases_its_connection(read: int) -> None:
    with talking(send_one_text) as talker, ForefrontClient("k", "m", talker.url) as client:
        stream = client.chat.completions.create(messages=USER, stream=True)
        for _ in range(read):
            next(stream)
        del stream
        gc.collect()
        assert talker.left.wait(60)


@pytest.mark.parametrize("read", [0, 1])
async def test_an_abandoned_async_stream_releases_its_connection(read: int) -> None:
    with talking(send_one_text) as talker:
        async with AsyncForefrontClient("k", "m", talker.url) as client:
            stream = await client.chat.completions.create(messages=USER, stream=True)
            for _ in range(read):
                await anext(stream)
            del stream
            gc.collect()
            assert await asyncio.to_thread(talker.left.wait, 60)


@pytest.mark.parametrize("read", [0, 1])
def test_closing_releases_the_connection(read: int) -> None:
    with talking(send_one_text) as talker, ForefrontClient("k", "m", talker.url) as client:
        with client.chat.completions.stream(messages=USER) as stream:
            for _ in range(read):
                next(stream)
        assert talker.left.wait(60)


async def test_cancelling_releases_the_connection() -> None:
    with talking(send_one_text) as talker:
        async with AsyncForefrontClient("k", "m", talker.url) as client:

            async def read() -> None:
                async for _ in await client.chat.completions.create(messages=USER, stream=True):
                    begun.set()

            begun = asyncio.Event()
            reading = asyncio.create_task(read())
            await asyncio.wait_for(begun.wait(), 60)
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
            assert await asyncio.to_thread(talker.left.wait, 60)


@pytest.mark.parametrize(("variable", "hint"), [("HTTP_PROXY", "NO_PROXY=127.0.0.1"), ("X", "forefront serve")])
def test_an_unreachable_proxy_is_named(variable: str, hint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    monkeypatch.setenv(variable, url)
    with ForefrontClient("key", base_url=url, max_retries=0) as client, pytest.raises(APIConnectionError, match=hint):
        client.models.list()
