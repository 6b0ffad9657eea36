"""Environments that cannot work, closed clients, forks, threads, tasks and event loops."""

import asyncio
import gc
import inspect
import multiprocessing
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forefront import (
    APIError,
    AsyncForefrontClient,
    ForefrontClient,
    ForefrontError,
)
from tests.client.fakes import USER
from tests.client.test_every_error import only_sdk_errors
from tests.client.transport.test_network import answer, send_one_text, talking


@pytest.mark.parametrize(
    "variables",
    [
        {"NO_PROXY": "::1/128"},
        {"no_proxy": "[::", "HTTP_PROXY": ""},
        {"ALL_PROXY": "socks5://127.0.0.1:9"},
        {"HTTPS_PROXY": "gopher://name:hunter2@127.0.0.1"},
        {"HTTP_PROXY": "http://name:hunter2@127.0.0.1:port"},
        {"HTTP_PROXY": "http://[::"},
        {"SSL_CERT_FILE": "/nonexistent"},
        {"SSL_CERT_FILE": __file__},
        {"SSL_CERT_FILE": "/"},
        {"SSLKEYLOGFILE": "/nonexistent/log"},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", [ForefrontClient, AsyncForefrontClient])
def test_invalid_environments(
    kind: type[ForefrontClient], variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ForefrontError, match=next(iter(variables)).upper()) as caught:
        kind("sk-canary")
    assert "hunter2" not in str(caught.value)


@settings(max_examples=60, deadline=None)
@given(
    variables=st.dictionaries(
        st.sampled_from(
            [
                "HTTP_PROXY",
                "HTTPS_PROXY",
                "ALL_PROXY",
                "NO_PROXY",
                "SSL_CERT_FILE",
                "SSL_CERT_DIR",
                "FOREFRONT_API_KEY",
                "FOREFRONT_BASE_URL",
            ]
        ),
        st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=12)
        | st.sampled_from(["*", "10.0.0.0/8", "::1", "socks4://h", "http://", "/", "/nonexistent", "a,b,[::1]:80,,"]),
        max_size=3,
    )
)
def test_environments(variables: dict[str, str]) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        only_sdk_errors(lambda: ForefrontClient().close())


class HTMLProxy(BaseHTTPRequestHandler):
    """A proxy that answers with a page."""

    def do_POST(self) -> None:
        self.send_response(self.server.status)  # type: ignore[attr-defined]
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(b"<html>Please log in</html>")

    do_GET = do_CONNECT = do_POST  # noqa: N815

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.mark.parametrize("status", [200, 302, 407, 502])
@pytest.mark.parametrize("base_url", ["http://api.invalid", "https://api.invalid"])
def test_proxies_that_answer_with_a_page(status: int, base_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), HTMLProxy) as proxy:
        proxy.status = status  # type: ignore[attr-defined]
        thread = threading.Thread(target=proxy.serve_forever, args=[0.01])
        thread.start()
        try:
            monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{proxy.server_port}")
            with ForefrontClient("sk-canary", "m", base_url, max_retries=0) as client:
                for stream in (False, True):
                    with pytest.raises(APIError):
                        client.chat.completions.create(messages=USER, stream=stream)
        finally:
            proxy.shutdown()
            thread.join()


@contextmanager
def loops_left_open() -> Iterator[None]:
    """For event loops that end before their connections are closed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield
        gc.collect()


def test_one_async_client_under_several_event_loops() -> None:
    def use(url: str) -> None:
        client = AsyncForefrontClient("k", "m", url)

        async def ask() -> int:
            stream = await client.chat.completions.create(messages=USER, stream=True)
            return len([chunk async for chunk in stream])

        assert [asyncio.run(ask()) for _ in range(3)] == [1, 1, 1]
        threads = [threading.Thread(target=asyncio.run, args=[ask()]) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        asyncio.run(client.close())
        with pytest.raises(ForefrontError, match="closed"):
            asyncio.run(ask())

    with talking(answer) as talker, loops_left_open():
        use(talker.url)


def test_an_async_client_without_a_loop() -> None:
    client = AsyncForefrontClient("k", "m")
    coroutine = client.models.list()
    with pytest.raises(ForefrontError, match="event loop"):
        coroutine.send(None)


def test_a_stream_read_under_another_loop() -> None:
    def use(url: str) -> None:
        client = AsyncForefrontClient("k", "m", url)
        stream = asyncio.run(client.chat.completions.create(messages=USER, stream=True))

        async def read() -> None:
            async for _ in stream:
                pass

        with pytest.raises(ForefrontError):
            asyncio.run(read())
        asyncio.run(stream.close())

    with talking(send_one_text) as talker, loops_left_open():
        use(talker.url)


@pytest.mark.parametrize("given", [False, True])
def test_a_closed_client(given: bool) -> None:
    http = httpx.Client() if given else None
    client = ForefrontClient("k", "m", http_client=http)
    copy = client.with_options(max_retries=1)
    (http or client).close()
    client.close()
    for closed in (client, copy):
        with pytest.raises(ForefrontError, match="closed"):
            closed.models.list()


async def test_a_closed_async_client() -> None:
    client = AsyncForefrontClient("k", "m")
    await client.close()
    await client.close()
    with pytest.raises(ForefrontError, match="closed"):
        await client.models.list()


def test_a_client_closed_within_a_stream() -> None:
    with talking(send_one_text) as talker:
        client = ForefrontClient("k", "m", talker.url)
        stream = client.chat.completions.create(messages=USER, stream=True)
        next(stream)
        client.close()
        with pytest.raises(ForefrontError):
            next(stream)
        stream.close()


async def test_an_async_client_closed_within_a_stream() -> None:
    with talking(send_one_text) as talker:
        client = AsyncForefrontClient("k", "m", talker.url)
        stream = await client.chat.completions.create(messages=USER, stream=True)
        await anext(stream)
        await client.close()
        with pytest.raises(ForefrontError):
            await anext(stream)
        await stream.close()


def test_a_stream_closed_by_another_thread() -> None:
    with talking(send_one_text) as talker, ForefrontClient("k", "m", talker.url) as client:
        stream = client.chat.completions.create(messages=USER, stream=True)
        first = threading.Event()
        ended: list[Any] = []

        def read() -> None:
            for chunk in stream:
                ended.append(chunk)
                first.set()
            ended.append("end")

        reader = threading.Thread(target=read)
        reader.start()
        assert first.wait(60)
        while inspect.getgeneratorstate(stream._items) != inspect.GEN_RUNNING:
            pass
        with pytest.raises(ForefrontError, match="Another thread"):
            next(stream)
        stream.close()
        reader.join(60)
        assert ended[1:] == ["end"]


async def test_a_stream_closed_by_another_task() -> None:
    with talking(send_one_text) as talker:
        async with AsyncForefrontClient("k", "m", talker.url) as client:
            stream = await client.chat.completions.create(messages=USER, stream=True)

            async def read() -> int:
                return len([chunk async for chunk in stream])

            reader = asyncio.create_task(read())
            while not stream._reading:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
            with pytest.raises(ForefrontError, match="Another task"):
                await anext(stream)
            await stream.close()
            assert await asyncio.wait_for(reader, 60) == 1


def _in_child(client: ForefrontClient, results: Any) -> None:
    results.put(len(list(client.chat.completions.create(messages=USER, stream=True))))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of a fork among threads, which is the point
def test_a_client_after_a_fork() -> None:
    context = multiprocessing.get_context("fork")
    with talking(answer) as talker, ForefrontClient("k", "m", talker.url) as client:
        assert len(list(client.chat.completions.create(messages=USER, stream=True))) == 1
        results = context.Queue()
        child = context.Process(target=_in_child, args=[client, results])
        child.start()
        assert results.get(timeout=120) == 1
        child.join(60)
        assert len(list(client.chat.completions.create(messages=USER, stream=True))) == 1
        assert talker.connections == 2
