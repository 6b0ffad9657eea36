"""The `openai` package for Python: its exceptions, its retries, and streams that are not read to the end."""

import asyncio
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, DefaultHttpx2Client, OpenAI

from tests.interop.requests import ASK, ENDLESS
from tests.support.server import RunningServer

FAILURES: list[tuple[type[openai.APIStatusError], str, str | None, Callable[[OpenAI], Any]]] = [
    (openai.AuthenticationError, "invalid_api_key", None, lambda peer: peer.with_options(api_key="no").models.list()),
    (openai.NotFoundError, "model_not_found", "model", lambda peer: _create(peer, model="none")),
    (openai.NotFoundError, "model_not_found", "model", lambda peer: peer.models.retrieve("none")),
    (openai.BadRequestError, "missing_parameter", "messages", lambda peer: _create(peer, messages=None)),
    (openai.BadRequestError, "context_length_exceeded", "max_tokens", lambda peer: _create(peer, max_tokens=10**6)),
    (openai.BadRequestError, "unsupported_parameter", "store", lambda peer: _create(peer, store=True)),
    (openai.UnprocessableEntityError, "invalid_value", "temperature", lambda peer: _create(peer, temperature=9)),
    (openai.UnprocessableEntityError, "invalid_type", "n", lambda peer: _create(peer, n="two")),
    (openai.UnprocessableEntityError, "invalid_value", "seed", lambda peer: _create(peer, seed=2**64, stream=True)),
]


def _create(peer: OpenAI, **fields: Any) -> Any:
    return peer.chat.completions.create(**ASK | fields)


@contextmanager
def limited(server: RunningServer, max_retries: int, **limits: int) -> Iterator[tuple[OpenAI, list[int], str]]:
    """A client with a key of those limits, the statuses of what it was answered, and the key's project."""
    statuses: list[int] = []
    project = f"peers-{secrets.token_hex(4)}"
    with server.client() as admin:
        wanted = {"name": "limited", "project": project, "limits": limits}
        key = admin.post("/admin/keys", json=wanted).json()["key"]
    hooks = {"response": [lambda response: statuses.append(response.status_code)]}
    with (
        DefaultHttpx2Client(event_hooks=hooks) as http,
        OpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=max_retries, http_client=http) as client,
    ):
        yield client, statuses, project


@pytest.mark.parametrize(("kind", "code", "param", "run"), FAILURES)
def test_a_failure_is_an_exception_of_its_class(
    peer: OpenAI, kind: type[openai.APIStatusError], code: str, param: str | None, run: Callable[[OpenAI], Any]
) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        run(peer)
    error = caught.value
    assert type(error) is kind
    assert (error.code, error.param) == (code, param)
    assert error.type
    assert error.request_id == error.response.headers["x-request-id"]
    assert isinstance(error.body, dict)
    assert error.body["message"] in str(error)


async def test_the_asynchronous_client_raises_the_same(async_peer: AsyncOpenAI) -> None:
    with pytest.raises(openai.UnprocessableEntityError, match="temperature"):
        await async_peer.chat.completions.create(**ASK | {"temperature": 9})


def test_permanent_errors_are_not_retried(server: RunningServer) -> None:
    with limited(server, 3, tokens_per_minute=20) as (client, statuses, _):
        with pytest.raises(openai.RateLimitError) as caught:
            _create(client, max_tokens=100)
        assert caught.value.code == "rate_limit_exceeded"
        assert statuses == [429]
        with pytest.raises(openai.UnprocessableEntityError):
            _create(client, temperature=9)
        assert statuses == [429, 422]


def test_transient_errors_are_retried(server: RunningServer) -> None:
    with limited(server, 4, concurrency=1) as (client, statuses, _):
        with client.chat.completions.create(**ENDLESS, stream=True) as stream:
            next(stream)
            with pytest.raises(openai.RateLimitError):
                _create(client.with_options(max_retries=0))
            refused = list(statuses)
        assert refused == [200, 429]
        assert _create(client).choices[0].message.content
        assert statuses[-1] == 200


def settled(server: RunningServer, completion: str) -> dict[str, Any]:
    """The row of a completion in the ledger, once it is there."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        answer = server.get(f"/v1/usage/{completion}")
        if answer.status_code == 200:
            row: dict[str, Any] = answer.json()
            return row
        time.sleep(0.02)
    raise AssertionError("the completion has never ended")


def test_closing_a_stream_frees_the_engine(peer: OpenAI, server: RunningServer) -> None:
    with peer.chat.completions.create(**ENDLESS, stream=True) as stream:
        completion = next(stream).id
    row = settled(server, completion)
    assert row["status"] == "aborted"
    assert row["output_tokens"] < ENDLESS["max_tokens"]


async def test_cancelling_a_task_frees_the_engine(async_peer: AsyncOpenAI, server: RunningServer) -> None:
    begun: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def read() -> None:
        async with await async_peer.chat.completions.create(**ENDLESS, stream=True) as stream:
            async for chunk in stream:
                if not begun.done():
                    begun.set_result(chunk.id)

    task = asyncio.create_task(read())
    completion = await begun
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    row = await asyncio.to_thread(settled, server, completion)
    assert row["status"] == "aborted"
    assert row["output_tokens"] < ENDLESS["max_tokens"]


def test_a_client_timeout_frees_the_engine(server: RunningServer) -> None:
    """The key may run one request at a time: the second one is let in because the first is gone."""
    with limited(server, 4, concurrency=1) as (client, statuses, project):
        with pytest.raises(openai.APITimeoutError):
            client.with_options(timeout=0.15, max_retries=0).chat.completions.create(**ENDLESS)
        assert statuses == []
        assert _create(client).choices[0].message.content
    report = server.get(f"/admin/usage?by=project&project={project}").json()["data"][0]
    assert report["output_tokens"] < ENDLESS["max_tokens"]
