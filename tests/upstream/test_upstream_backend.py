"""The backend: parts of messages, keys, TLS, time, usage. Faults of answers are in `test_faults.py`."""

import asyncio
import logging
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from forefront.chat.events import ContentDelta
from forefront.upstream.upstream_backend import UpstreamBackend
from forefront.wire.errors import RequestError
from tests.support.upstreams.faulty_upstream import FaultyUpstream, run_faulty_upstream
from tests.support.upstreams.upstream_answers import (
    DONE,
    Answer,
    Close,
    Hang,
    Pause,
    chunk,
    chunks,
    completion,
    event,
    stream,
    whole,
)
from tests.upstream.backends import QUESTION, TENANT, Collected, answer, chat, collect, open_backend, text

KEY = "sk-secret-upstream-key"
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0K", "detail": "low"}}
SOUND = {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}
FILE = {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0=", "filename": "a.pdf"}}
PARTS = {"images": IMAGE, "audio": SOUND, "files": FILE}
ALL = tuple(event(item) for item in chunks())


def asking(*parts: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, *parts]}]


@pytest.mark.parametrize("capability", PARTS)
async def test_parts_reach_an_upstream_that_takes_them(capability: Any, upstream: FaultyUpstream) -> None:
    request = chat(messages=asking(PARTS[capability]))
    async with open_backend(upstream.url, capabilities=frozenset({capability})) as backend:
        await answer(backend, request)
    [received] = upstream.completions
    assert received.json["messages"] == asking(PARTS[capability])
    others = frozenset(PARTS) - {capability}
    async with open_backend(upstream.url, capabilities=others) as backend:
        with pytest.raises(RequestError) as refused:
            await backend.prepare(request, TENANT)
    assert refused.value.code == "unsupported_parameter"
    assert refused.value.param == "messages[0].content[1].type"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/a.png",
        "http://10.1.2.3/a.png",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]/a.png",
        "http://[::ffff:10.0.0.1]/a.png",
        "http://localhost/a.png",
        "http://intranet/a.png",
        "http://db.internal/a.png",
        "http://2130706433/a.png",
        "http://0x7f.1/a.png",
        "http://127.1/a.png",
        "http://user:password@example.com/a.png",
        "file:///etc/passwd",
        "ftp://example.com/a.png",
        "javascript:alert(1)",
        "data:text/html;base64,AAAA",
        "data:image/png,raw",
        "https://exa mple.com/a.png",
        "https://example.com\\@10.0.0.1/",
        "https:///a.png",
    ],
)
def test_image_addresses_refused_for_upstreams(url: str) -> None:
    with pytest.raises(RequestError) as refused:
        chat(messages=asking({"type": "image_url", "image_url": {"url": url}}))
    assert refused.value.code == "invalid_value"
    assert refused.value.param == "messages[0].content[1].image_url.url"


async def test_a_public_address_is_passed_on_unchanged(upstream: FaultyUpstream) -> None:
    part = {"type": "image_url", "image_url": {"url": "https://example.com/a.png?x=1"}}
    async with open_backend(upstream.url, capabilities=frozenset({"images"})) as backend:
        await answer(backend, chat(messages=asking(part)))
    assert upstream.completions[0].json["messages"][0]["content"][1] == part


async def test_the_key_is_sent_and_never_shown(
    upstream: FaultyUpstream, backend: UpstreamBackend, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    words = f"Invalid key {KEY} (Bearer {KEY}) at http://10.1.2.3:8000/v1 in /srv/models/x.py"
    for status in (200, 400, 401, 422, 429, 500):
        upstream.behaviour = whole(
            {"error": {"message": words, "code": "x", "type": "invalid_request_error"}}, status=status
        )
        with pytest.raises(RequestError) as failed:
            await answer(backend, chat())
        for secret in (KEY, "10.1.2.3", "/srv/models"):
            assert secret not in failed.value.message
    assert {request.headers["authorization"] for request in upstream.completions} == {f"Bearer {KEY}"}
    assert KEY not in caplog.text
    assert KEY not in repr(backend.__dict__)


async def test_headers_of_a_request(upstream: FaultyUpstream) -> None:
    async with open_backend(upstream.url) as backend:
        await answer(backend, chat())
    headers = upstream.completions[0].headers
    assert "authorization" not in headers
    assert "cookie" not in headers
    assert headers["content-type"] == "application/json"


async def test_a_redirect_is_not_followed_with_the_key(upstream: FaultyUpstream, backend: UpstreamBackend) -> None:
    with run_faulty_upstream() as elsewhere:
        upstream.behaviour = whole(b"", status=307, headers={"location": f"{elsewhere.url}/chat/completions"})
        with pytest.raises(RequestError, match="operator"):
            await answer(backend, chat())
        assert not elsewhere.requests


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate that signs itself, for 127.0.0.1, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    paths = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
         "-out", str(paths[0]), "-keyout", str(paths[1])],
        check=True, capture_output=True, timeout=30,
    )  # fmt: skip
    return paths


@pytest.fixture
def secure(certificate: tuple[Path, Path]) -> Iterator[FaultyUpstream]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with run_faulty_upstream(tls=context) as running:
        yield running


async def test_a_certificate_of_an_unknown_authority(secure: FaultyUpstream, caplog: pytest.LogCaptureFixture) -> None:
    url = secure.url.replace("http://", "https://")
    async with open_backend(url) as backend:
        with pytest.raises(RequestError) as failed:
            await answer(backend, chat())
    assert failed.value.code == "upstream_unavailable"
    assert "certificate" in failed.value.message
    assert url not in failed.value.message
    assert "self-signed" in caplog.text
    assert not secure.requests


ASK = """
import asyncio, sys
from tests.upstream.backends import answer, chat, open_backend
async def ask():
    async with open_backend(sys.argv[1]) as backend:
        print((await answer(backend, chat())).text)
asyncio.run(ask())
"""


def test_the_authority_of_the_environment(secure: FaultyUpstream, certificate: tuple[Path, Path]) -> None:
    url = secure.url.replace("http://", "https://")
    environment = os.environ | {"SSL_CERT_FILE": str(certificate[0])}
    run = subprocess.run(
        [sys.executable, "-c", ASK, url], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert run.stdout == "Hello there.\n", run.stderr


async def test_http_in_place_of_tls(upstream: FaultyUpstream) -> None:
    async with open_backend(upstream.url.replace("http://", "https://")) as backend:
        with pytest.raises(RequestError) as failed:
            await answer(backend, chat())
    assert failed.value.code == "upstream_unavailable"


@pytest.mark.parametrize("streamed", [True, False])
async def test_leaving_the_context_closes_the_connection(streamed: bool, upstream: FaultyUpstream) -> None:
    """Before the first token and within the answer."""
    upstream.behaviour = stream(*ALL[:2], Hang()) if streamed else stream(Hang())
    expected = 5 if streamed else 0  # the bytes of "Hello"
    async with open_backend(upstream.url) as backend:
        for pause in (0.05, 1, 10):  # in which the text arrives, on a busy machine too
            upstream.requests.clear()
            run = backend.run(await backend.prepare(chat(), TENANT))
            reading = asyncio.create_task(_read(run.events))
            async with asyncio.timeout(60):
                while not upstream.completions:
                    await asyncio.sleep(0.005)
            await asyncio.sleep(pause)
            left = time.monotonic()
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading
            await run.events.aclose()
            async with asyncio.timeout(60):
                while upstream.completions[0].left is None:
                    await asyncio.sleep(0.002)
            # A tenth of a second is the promise; the machine of the tests may be busy.
            assert upstream.completions[0].left - left < 5
            assert run.computed.done()
            assert backend.stats().running == 0
            if run.usage.output_tokens == expected:
                return
    raise AssertionError(run.usage)


async def _read(events: Any) -> None:
    async for _ in events:
        pass


async def test_a_deadline_truncates_the_answer(upstream: FaultyUpstream, backend: UpstreamBackend) -> None:
    upstream.behaviour = stream(*ALL[:3], Hang())
    for seconds in (0.2, 2, 20):
        found = await answer(backend, chat(), asyncio.get_running_loop().time() + seconds)
        if found.text == "Hello there":  # on a busy machine the deadline may come before the text
            break
    assert (found.text, found.reasons) == ("Hello there", ["deadline"])
    assert found.usage.estimated


async def test_a_deadline_before_the_answer(upstream: FaultyUpstream, backend: UpstreamBackend) -> None:
    upstream.behaviour = stream(Hang())
    found = await answer(backend, chat(), asyncio.get_running_loop().time() + 0.1)
    assert (found.text, found.reasons) == ("", ["deadline"])
    assert found.completed.completion_tokens == 0


async def test_a_slow_client_is_not_an_idle_upstream(upstream: FaultyUpstream) -> None:
    """Time counts only while the upstream is waited for."""
    upstream.behaviour = stream(*ALL[:2], Pause(0.1), *ALL[2:], DONE)
    texts: list[str] = []
    async with open_backend(upstream.url, read_seconds=1) as backend:
        run = backend.run(await backend.prepare(chat(), TENANT))
        async for item in run.events:
            if isinstance(item, ContentDelta):
                texts.append(item.text)
                await asyncio.sleep(1.2 if len(texts) == 1 else 0)
    assert "".join(texts) == "Hello there."


async def test_connections_are_kept(upstream: FaultyUpstream, backend: UpstreamBackend) -> None:
    for _ in range(3):
        await answer(backend, chat())
    assert upstream.connections == 1


async def test_a_closed_idle_connection_is_replaced(upstream: FaultyUpstream, backend: UpstreamBackend) -> None:
    upstream.behaviour = stream(*ALL, DONE)
    await answer(backend, chat())
    upstream.script.append(Answer(before=(Close(),)))
    found = await answer(backend, chat())
    assert found.text == "Hello there."
    assert upstream.connections == 2


async def test_usage_of_the_upstream_and_estimates(upstream: FaultyUpstream, backend: UpstreamBackend) -> None:
    found = await answer(backend, chat())
    assert not found.usage.estimated
    assert (found.usage.prompt_tokens, found.usage.output_tokens) == (7, 3)
    # The ratio of tokens to bytes is known from the first answer: 12 bytes were 3 tokens.
    upstream.behaviour = stream(*ALL[:-1], DONE)
    found = await answer(backend, chat())
    assert found.usage.estimated
    assert found.usage.output_tokens == 3
    assert found.usage.prompt_tokens == 7


async def test_a_stream_with_running_usage_that_breaks_off(upstream: FaultyUpstream, backend: UpstreamBackend) -> None:
    usage = [{"prompt_tokens": 7, "completion_tokens": number} for number in range(3)]
    begin = [event(item | {"usage": part}) for item, part in zip(chunks()[:3], usage, strict=True)]
    upstream.behaviour = stream(*begin, Close())
    collected = Collected()
    with pytest.raises(RequestError, match="broke off"):
        await collect(collected, backend, chat())
    assert not collected.usage.estimated
    assert (collected.usage.prompt_tokens, collected.usage.output_tokens) == (7, 2)


async def test_an_answer_as_a_whole(upstream: FaultyUpstream) -> None:
    """From a server whose streams lack something."""
    async with open_backend(upstream.url, dialect="ovms") as backend:
        upstream.behaviour = whole(completion("Hello"))
        found = await answer(backend, chat(stop="x"))
    assert "stream" not in upstream.completions[0].json
    assert (found.text, found.reasons, found.usage.output_tokens) == ("Hello", ["stop"], 3)


async def test_choices_of_a_text_completion(upstream: FaultyUpstream, backend: UpstreamBackend) -> None:
    parts = [{"index": index, "text": str(index), "finish_reason": "length"} for index in (3, 1, 0, 2)]
    upstream.behaviour = stream(event(chunk(choices=parts)), DONE)
    found = await answer(backend, text(prompt=["a", "b"], n=2))
    assert found.reasons == ["length"] * 4
    assert upstream.completions[0].path.endswith("/v1/completions")


async def test_a_prompt_that_cannot_fit_is_refused_at_once(upstream: FaultyUpstream) -> None:
    async with open_backend(upstream.url, context_length=100) as backend:
        with pytest.raises(RequestError) as refused:
            await backend.prepare(chat(messages=[QUESTION | {"content": "x" * 10_000}]), TENANT)
    assert refused.value.code == "context_length_exceeded"
    assert not upstream.requests


async def test_the_size_that_is_reserved(upstream: FaultyUpstream) -> None:
    async with open_backend(upstream.url, context_length=1000) as backend:
        prepared = await backend.prepare(chat(max_tokens=20, n=3), TENANT)
        assert prepared.max_output_tokens == 60
        assert len("Hello?") < prepared.prompt_tokens < 200
        assert (await backend.prepare(chat(), TENANT)).max_output_tokens == 1000


async def test_rejected_tokens_of_a_prediction_are_reserved_as_output(upstream: FaultyUpstream) -> None:
    async with open_backend(upstream.url, context_length=1000, dialect="openai") as backend:
        predicted = chat(max_tokens=20, prediction={"type": "content", "content": "x" * 30})
        assert (await backend.prepare(predicted, TENANT)).max_output_tokens == 50


@pytest.mark.parametrize(
    ("entry", "dialect", "context"),
    [
        ({"owned_by": "vllm", "max_model_len": 32_768}, "vllm", 32_768),
        ({"owned_by": "sglang", "max_model_len": 4096}, "sglang", 4096),
        ({"owned_by": "llamacpp", "meta": {"n_ctx_train": 8192}}, "llama.cpp", 8192),
        ({"owned_by": "library"}, "ollama", 131_072),
        ({"owned_by": "OVMS"}, "ovms", 131_072),
        ({"owned_by": "forefront", "context_length": 2048}, "forefront", 2048),
        ({"owned_by": "someone", "max_model_len": -1}, "generic", 131_072),
        ({"owned_by": 5, "max_model_len": "many"}, "generic", 131_072),
    ],
)
async def test_the_kind_of_server_is_detected(
    entry: dict[str, Any], dialect: str, context: int, upstream: FaultyUpstream, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    upstream.paths["/v1/models"] = whole({"object": "list", "data": [{"id": "upstream-model"} | entry]})
    for path in ("/api/version", "/props", "/get_server_info", "/version"):
        upstream.paths[path] = whole({}, status=404)
    async with open_backend(upstream.url, dialect=None, context_length=None) as backend:
        await backend.prepare(chat(), TENANT)
        assert backend.context_length == context
    assert f"the upstream of big is {dialect}" in caplog.text


@pytest.mark.parametrize(
    ("path", "body", "dialect"),
    [
        ("/api/version", {"version": "0.12.0"}, "ollama"),
        ("/props", {"default_generation_settings": {}}, "llama.cpp"),
        ("/get_server_info", {"model_path": "x"}, "sglang"),
        ("/version", {"version": "0.11.0"}, "vllm"),
    ],
)
async def test_the_kind_of_server_is_detected_by_a_path(
    path: str, body: dict[str, Any], dialect: str, upstream: FaultyUpstream, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for other in ("/v1/models", "/api/version", "/props", "/get_server_info", "/version"):
        upstream.paths[other] = whole({}, status=404)
    upstream.paths[path] = whole(body)
    async with open_backend(upstream.url, dialect=None) as backend:
        await backend.prepare(chat(), TENANT)
    assert f"the upstream of big is {dialect}" in caplog.text
