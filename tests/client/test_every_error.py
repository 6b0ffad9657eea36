"""Whatever the arguments, the environment and the responses are: an exception of the SDK is a `ForefrontError`."""

import asyncio
import gc
import multiprocessing
import pickle
import threading
import warnings
from collections import UserDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forefront import (
    APIError,
    APIStatusError,
    AsyncForefrontClient,
    ForefrontClient,
    ForefrontError,
    InvalidArgumentError,
    Timeout,
)
from tests.client.fakes import DONE, USER, Body, Server, events, frame, stream_of
from tests.client.transport.test_network import answer, say_one_thing, talking

CONTAINS_ITSELF: list[Any] = []
CONTAINS_ITSELF.append(CONTAINS_ITSELF)
CONTAINS_ITSELF_MAPPING: UserDict[str, Any] = UserDict()
CONTAINS_ITSELF_MAPPING["a"] = CONTAINS_ITSELF_MAPPING


def deep(depth: int) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


ODD: list[Any] = [
    *(None, True, 0, -1, 1.5, 10**400, -(10**5000), float("nan"), float("inf"), 1e300, 5e-324),
    *("", "a", "\ud800", "a\r\nb: c", "é", "\0", "x" * 70_000, "..", "🎉"),
    *(b"bytes", bytearray(b"a"), datetime(2026, 1, 1, tzinfo=UTC), Decimal("0.5"), 1j, object(), object, print),
    *([], {}, (), {"a"}, {1: 2}, {"\ud800": 1}, {(1, 2): 3}, {b"a": 1}, {"a": float("nan")}, [[float("inf")]]),
    *(CONTAINS_ITSELF, CONTAINS_ITSELF_MAPPING, deep(100_000), UserDict(a=1), [b"a"], {"a": {"b": "\udfff"}}),
    *({"x-a": "1\n2"}, {"x a": "1"}, {"": ""}, {"x-a": 1}, {"x-é": "a"}, {"x-a": "é"}, {"x-a": "\ud83d"}),
]
odd = st.sampled_from(range(len(ODD))).map(ODD.__getitem__)
PARAMS = ("model", "temperature", "stop", "tools", "logit_bias", "metadata", "response_format", "stream_options")
CALL_OPTIONS = ("extra_body", "extra_headers", "timeout", "idempotency_key")


def only_sdk_errors(call: Callable[[], Any]) -> None:
    try:
        call()
    except ForefrontError as error:
        str(error).encode()  # can be printed
        assert "sk-canary" not in repr(error)


@settings(max_examples=300, deadline=None)
@given(messages=odd, stream=odd, params=st.dictionaries(st.sampled_from([*PARAMS, *CALL_OPTIONS]), odd, max_size=3))
def test_arguments_of_a_call(messages: Any, stream: Any, params: dict[str, Any]) -> None:
    chat = Server().client().chat.completions
    only_sdk_errors(lambda: chat.create(messages=messages, stream=stream, **params))
    only_sdk_errors(lambda: chat.create(messages=USER, **params))
    only_sdk_errors(lambda: chat.create(messages=[{"role": "user", "content": messages}], **params))


@settings(max_examples=150, deadline=None)
@given(value=odd)
def test_arguments_of_other_calls(value: Any) -> None:
    client = Server().client()
    only_sdk_errors(lambda: client.completions.create(prompt=value))
    only_sdk_errors(lambda: client.completions.create(prompt=[value]))
    only_sdk_errors(lambda: client.models.retrieve(value))
    only_sdk_errors(lambda: client.chat.completions.parse(messages=USER, response_format=value))
    only_sdk_errors(lambda: client.chat.completions.parse(messages=USER, response_format={"type": value}))
    only_sdk_errors(lambda: client.chat.completions.preflight(messages=value))
    only_sdk_errors(lambda: client.chat.completions.stream(messages=USER, stream_options=value).close())
    for make in (lambda: Timeout(read=value), lambda: Timeout(total=value), lambda: Timeout(connect=value)):
        only_sdk_errors(make)


@settings(max_examples=300, deadline=None)
@given(
    arguments=st.dictionaries(
        st.sampled_from(
            ["api_key", "default_model", "base_url", "timeout", "max_retries", "headers", "http_client", "nonsense"]
        ),
        odd,
        max_size=2,
    )
)
def test_arguments_of_the_clients(arguments: dict[str, Any]) -> None:
    options = {"api_key": "sk-canary", **arguments}
    if "nonsense" not in options:
        only_sdk_errors(lambda: ForefrontClient(**options).close())
        only_sdk_errors(lambda: asyncio.run(AsyncForefrontClient(**options).close()))
    only_sdk_errors(lambda: Server().client().with_options(**arguments).models.list())


URL_PARTS = st.sampled_from(
    [
        *("http://", "https://", "//", "ftp://", "a..b", "x" * 70, "%zz", "99999", "[::1]", "/v1", "..", "1.2.3.4"),
        *("xn--", "::", "user:hunter2@", "localhost:1", *"h%:0[]@?# \n\t\0\\/*é．\ud800"),
    ]
)


@settings(max_examples=200, deadline=None)
@given(parts=st.lists(URL_PARTS, max_size=5))
def test_base_urls(parts: list[str]) -> None:
    server = Server()
    only_sdk_errors(lambda: server.client(base_url="".join(parts)).models.list())
    only_sdk_errors(lambda: server.client(base_url="http://" + "".join(parts)).models.list())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.sampled_from(
    [
        "choices",
        "delta",
        "message",
        "index",
        "content",
        "usage",
        "error",
        "finish_reason",
        "tool_calls",
        "prompt_tokens",
        "code",
        "param",
        "data",
        "id",
        "type",
        "logprobs",
        "created",
        "completion_tokens",
        "object",
        "receipt",
        "total_tokens",
    ]
)
BODIES = st.recursive(
    JSON, lambda inner: st.dictionaries(FIELDS, inner, max_size=4) | st.lists(inner, max_size=2), max_leaves=12
)


@settings(max_examples=300, deadline=None)
@given(body=BODIES, status=st.sampled_from([200, 204, 302, 400, 429, 503, 599]))
def test_bodies(body: Any, status: int) -> None:
    client = Server(lambda _: httpx.Response(status, json=body)).client()
    for call in (
        lambda: client.chat.completions.create(messages=USER),
        lambda: client.chat.completions.parse(messages=USER, response_format={"type": "object"}),
        lambda: client.chat.completions.preflight(messages=USER),
        lambda: client.completions.create(prompt="a"),
        client.models.list,
        lambda: client.models.retrieve("m"),
    ):
        only_sdk_errors(call)


@settings(max_examples=300, deadline=None)
@given(chunks=st.lists(BODIES, max_size=4), choices=st.lists(BODIES, max_size=3))
def test_chunks(chunks: list[Any], choices: list[Any]) -> None:
    chunks = [*chunks, {"choices": choices}, *({"choices": [{"delta": choice}]} for choice in choices)]
    pieces = [frame(chunk) for chunk in chunks]

    def read_all() -> None:
        with Server(stream_of(Body([*pieces, DONE]))).client().chat.completions.stream(messages=USER) as stream:
            list(stream.text)
            stream.final_completion()

    only_sdk_errors(read_all)
    only_sdk_errors(
        lambda: list(Server(stream_of(Body(pieces))).client().chat.completions.create(messages=USER, stream=True))
    )


@pytest.mark.parametrize("depth", [100, 300, 600, 900, 5000])
def test_deep_chunks(depth: int) -> None:
    chunk = f'data: {{"choices": [{{"delta": {{"a": {"[" * depth + "]" * depth}}}}}]}}\n\n'.encode()

    def read_all() -> None:
        with Server(stream_of(Body([chunk, DONE]))).client().chat.completions.stream(messages=USER) as stream:
            stream.final_completion()

    only_sdk_errors(read_all)


@pytest.mark.parametrize("headers", [{"retry-after": value} for value in ("-1", "nan", "Mon", "é", "", "9" * 400)])
def test_headers_of_a_response(headers: dict[str, str]) -> None:
    response = httpx.Response(429, headers={name.encode(): value.encode() for name, value in headers.items()})
    with pytest.raises(APIStatusError):
        Server(response).client().models.list()


def test_arguments_that_json_lacks_are_named_by_path() -> None:
    client = Server().client()
    cases: list[tuple[Any, str]] = [
        ({"a": [1, float("nan")]}, r"`metadata\.a\[1\]` must be a finite number"),
        ({"a": "half \ud83d"}, r"`metadata\.a` has a lone surrogate"),
        ({"a": b"x"}, r"`metadata\.a`: an object of type bytes"),
        ({"a": CONTAINS_ITSELF}, "contains itself"),
    ]
    for value, text in cases:
        with pytest.raises(InvalidArgumentError, match=text):
            client.chat.completions.create(messages=USER, metadata=value)


# Environments


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
def test_environments_that_cannot_work(
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


# Lives of clients


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

    with talking(say_one_thing) as talker, loops_left_open():
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
    with talking(say_one_thing) as talker:
        client = ForefrontClient("k", "m", talker.url)
        stream = client.chat.completions.create(messages=USER, stream=True)
        next(stream)
        client.close()
        with pytest.raises(ForefrontError):
            next(stream)
        stream.close()


async def test_an_async_client_closed_within_a_stream() -> None:
    with talking(say_one_thing) as talker:
        client = AsyncForefrontClient("k", "m", talker.url)
        stream = await client.chat.completions.create(messages=USER, stream=True)
        await anext(stream)
        await client.close()
        with pytest.raises(ForefrontError):
            await anext(stream)
        await stream.close()


def test_a_stream_closed_by_another_thread() -> None:
    with talking(say_one_thing) as talker, ForefrontClient("k", "m", talker.url) as client:
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
        assert first.wait(10)
        while not stream._reading.locked():
            pass
        with pytest.raises(ForefrontError, match="Another thread"):
            next(stream)
        stream.close()
        reader.join(10)
        assert ended[1:] == ["end"]


async def test_a_stream_closed_by_another_task() -> None:
    with talking(say_one_thing) as talker:
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
            assert await asyncio.wait_for(reader, 10) == 1


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
        assert results.get(timeout=30) == 1
        child.join(10)
        assert len(list(client.chat.completions.create(messages=USER, stream=True))) == 1
        assert talker.connections == 2


def test_a_transport_s_own_errors() -> None:
    for error in (RuntimeError("a"), KeyError("b"), OSError("c"), UnicodeError("d"), RecursionError(), ValueError("e")):
        with pytest.raises(APIError) as caught:
            Server(error).client().models.list()
        assert caught.value.__cause__ is error
        body = Body(events("a"), fail=error)
        with pytest.raises(APIError):
            list(Server(stream_of(body)).client().chat.completions.create(messages=USER, stream=True))


def test_an_invalid_argument_is_of_both_built_in_kinds() -> None:
    assert issubclass(InvalidArgumentError, TypeError)
    assert issubclass(InvalidArgumentError, ValueError)
    assert str(pickle.loads(pickle.dumps(InvalidArgumentError("a")))) == "a"
