"""Streams that go on after a lost connection, and requests that are cancelled: by hand and by both SDKs."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from forefront import APIConnectionError, AsyncForefrontClient, ConflictError, ForefrontClient, NotFoundError
from forefront.cli.settings.config import Config
from tests.support.backends.instant import KEY, MODEL, Instant, Nursery
from tests.support.pauses import without_pauses
from tests.support.programs.node import run
from tests.support.services.cutting_proxy import cutting_proxy

TOKENS = 40
BODY: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "x"}], "stream": True}
CHAT = "/v1/chat/completions"
NODE = """
import Forefront from "SDK/dist/esm/index.js";
const client = new Forefront({ baseURL: process.env.URL, apiKey: process.env.KEY });
const stream = await client.chat.completions.create({
  model: process.env.MODEL, messages: [{ role: "user", content: "x" }], stream: true,
  max_tokens: Number(process.env.TOKENS),
});
let text = "", id = "", error = "";
try {
  for await (const chunk of stream) {
    id = chunk.id;
    text += chunk.choices[0]?.delta.content ?? "";
    if (process.env.CANCEL && text.length > 20) await client.chat.completions.cancel(id).catch(() => {});
  }
} catch (caught) {
  error = caught.constructor.name;
}
console.log(JSON.stringify({ text, error }));
"""


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instant]:
    """A server that takes 5 ms for each token."""
    folder = tmp_path_factory.mktemp("slow")
    with Nursery().serve(f"sqlite:///{folder / 'f.db'}", folder / "log", settings=Config(), pause=0.005) as server:
        yield server


@pytest.fixture
def http(slow: Instant) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=slow.url, headers={"authorization": f"Bearer {KEY}"}, timeout=30) as client:
        yield client


def post(http: httpx.Client, key: str | None, last: str | None = None, **fields: Any) -> httpx.Response:
    headers = {"idempotency-key": key, "last-event-id": last}
    return http.post(
        CHAT,
        json=BODY | {"max_tokens": TOKENS} | fields,
        headers={name: value for name, value in headers.items() if value is not None},
    )


def wait_for_usage(http: httpx.Client, name: str) -> dict[str, Any]:
    """The ledger's row, which is written after the end of an aborted request."""
    for _ in range(5000):
        answer = http.get(f"/v1/usage/{name}")
        if answer.status_code == 200:
            body: dict[str, Any] = answer.json()
            return body
        time.sleep(0.01)
    raise AssertionError("no row in the ledger")


def events(text: str) -> list[str]:
    return [block for block in without_pauses(text).split("\n\n") if block.startswith(": message")]


def test_each_event_has_an_id_and_the_stream_resumes_after_any(http: httpx.Client) -> None:
    whole = events(post(http, "whole").text)
    assert len(whole) > TOKENS
    assert [block.rpartition("\nid: ")[2] for block in whole[:-1]] == [str(n) for n in range(len(whole) - 1)]
    for last in range(0, len(whole) - 1, 7):
        assert events(post(http, "whole", str(last)).text) == whole[last + 1 :]


def test_a_stream_without_a_key_has_no_ids(http: httpx.Client) -> None:
    assert "\nid: " not in post(http, None).text


@pytest.mark.parametrize("last", ["x", "-1", "1.5", "9" * 10, "1000"])
def test_an_unsent_event_id_is_refused(http: httpx.Client, last: str) -> None:
    post(http, "known")
    answer = post(http, "known", last)
    assert answer.status_code == 422
    assert answer.json()["error"]["param"] == "Last-Event-ID"


def test_resuming_an_unknown_stream_is_refused(http: httpx.Client) -> None:
    answer = post(http, "unknown", "3")
    assert (answer.status_code, answer.json()["error"]["param"]) == (404, "Last-Event-ID")
    assert post(http, "unknown").status_code == 200


@pytest.mark.parametrize("cuts", [[900], [3000, 500], [1]])
def test_the_sdk_resumes(slow: Instant, cuts: list[int]) -> None:
    with cutting_proxy(slow.url, cuts) as proxy, ForefrontClient(base_url=proxy.url, api_key=KEY) as client:
        stream = client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "x"}], stream=True, max_tokens=TOKENS
        )
        assert "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices) == "word " * TOKENS
        assert proxy.connections == len(cuts) + 1


async def test_the_async_sdk_resumes(slow: Instant) -> None:
    with cutting_proxy(slow.url, [3000, 700]) as proxy:
        messages: Any = [{"role": "user", "content": "x"}]
        async with (
            AsyncForefrontClient(base_url=proxy.url, api_key=KEY) as client,
            client.chat.completions.stream(model=MODEL, messages=messages, max_tokens=TOKENS) as stream,
        ):
            completion = await stream.final_completion()
        assert completion.message.content == "word " * TOKENS
        assert proxy.connections == 3


def test_the_sdk_resumes_as_often_as_it_retries(slow: Instant) -> None:
    with cutting_proxy(slow.url, [2000] * 5) as proxy, ForefrontClient(base_url=proxy.url, api_key=KEY) as client:
        stream = client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "x"}], stream=True, max_tokens=TOKENS
        )
        with pytest.raises(APIConnectionError):
            list(stream)
        assert proxy.connections == 3


def test_a_stream_is_cancelled(slow: Instant, http: httpx.Client) -> None:
    with ForefrontClient(base_url=slow.url, api_key=KEY) as client:
        stream = client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "x"}], stream=True, max_tokens=5000
        )
        name = next(stream).id
        assert client.chat.completions.cancel(name).cancelled
        with pytest.raises(ConflictError, match="cancelled"):
            list(stream)
        with pytest.raises(NotFoundError):
            client.chat.completions.cancel(name)
        with pytest.raises(NotFoundError):
            client.chat.completions.cancel("chatcmpl-0")
    assert wait_for_usage(http, name)["status"] == "aborted"


def test_the_requests_of_another_project_are_not_found(slow: Instant, http: httpx.Client) -> None:
    http.put("/admin/projects/neighbour", json={}).raise_for_status()
    key = http.post("/admin/keys", json={"name": "n", "project": "neighbour", "scopes": ["chat"]}).json()["key"]
    with (
        ForefrontClient(base_url=slow.url, api_key=KEY) as client,
        ForefrontClient(base_url=slow.url, api_key=key) as other,
    ):
        stream = client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "x"}], stream=True, max_tokens=50
        )
        name = next(stream).id
        with pytest.raises(NotFoundError):
            other.chat.completions.cancel(name)
        assert len(list(stream)) > 40


@pytest.mark.parametrize(("cuts", "cancel", "expected"), [([3000, 700], "", ("word " * TOKENS, "")), ([], "1", None)])
def test_the_node_sdk_resumes_and_cancels(
    slow: Instant, node_sdk: Path, tmp_path: Path, cuts: list[int], cancel: str, expected: tuple[str, str] | None
) -> None:
    script = tmp_path / "resume.mjs"
    script.write_text(NODE.replace("SDK", str(node_sdk)))
    tokens = str(5000 if cancel else TOKENS)
    with cutting_proxy(slow.url, cuts) as proxy:
        variables = {"URL": proxy.url, "KEY": KEY, "MODEL": MODEL, "TOKENS": tokens, "CANCEL": cancel}
        found = json.loads(run("node", str(script), cwd=tmp_path, **variables))
    if expected is None:
        assert found["error"] == "ConflictError"
        assert len(found["text"]) < 5 * 5000
    else:
        assert (found["text"], found["error"]) == expected
