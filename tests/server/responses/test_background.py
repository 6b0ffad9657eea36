"""Responses in the background by the `openai` client: polled, streamed again, cancelled, cut off by a restart."""

import time
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from tests.server.sending.test_resumed_streams import wait_for_usage
from tests.support.backends.instant import KEY, MODEL, Instant, Nursery


def create(client: Any, tokens: int, **fields: Any) -> Any:
    return client.responses.create(
        model=MODEL, input="Hello", max_output_tokens=tokens, store=True, background=True, **fields
    )


def wait(client: Any, response: Any) -> Any:
    """The response once it has ended."""
    deadline = time.monotonic() + 60
    while response.status in ("queued", "in_progress"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
        response = client.responses.retrieve(response.id)
    return response


def test_a_response_in_the_background_is_polled(slow_client: Any) -> None:
    made = create(slow_client, 20)
    assert (made.status, made.background, made.output) == ("queued", True, [])
    ended = wait(slow_client, made)
    assert ended.status == "incomplete"
    assert ended.output_text == "word " * 20
    assert ended.usage.output_tokens == 20
    assert slow_client.responses.cancel(made.id).status == "incomplete"
    follower = slow_client.responses.create(
        model=MODEL, input="More", max_output_tokens=1, previous_response_id=made.id, store=False
    )
    assert follower.status == "incomplete"


def test_its_stream_is_resumed_at_every_event(slow_client: Any) -> None:
    with create(slow_client, 20, stream=True) as stream:
        begun = [next(stream) for _ in range(5)]
    name = begun[0].response.id
    for after in (0, 4):
        again = list(slow_client.responses.retrieve(name, stream=True, starting_after=after))
        assert [event.sequence_number for event in again] == list(range(after + 1, after + 1 + len(again)))
        assert again[-1].type == "response.incomplete"
    whole = list(slow_client.responses.retrieve(name, stream=True))
    assert whole[:5] == begun
    assert whole[-1].response == slow_client.responses.retrieve(name)
    with pytest.raises(openai.UnprocessableEntityError, match="has not been sent"):
        slow_client.responses.retrieve(name, stream=True, starting_after=1000)


def test_a_response_is_cancelled(slow_client: Any, slow_server: Instant) -> None:
    made = create(slow_client, 3000)
    with pytest.raises(openai.NotFoundError, match="created without `stream`"):
        slow_client.responses.retrieve(made.id, stream=True)
    time.sleep(1)  # about a hundred tokens of half a minute
    cancelled = slow_client.responses.cancel(made.id)
    assert cancelled.status == "cancelled"
    assert cancelled.output_text.startswith("word ")
    assert slow_client.responses.retrieve(made.id) == cancelled
    with httpx.Client(base_url=slow_server.url, headers={"authorization": f"Bearer {KEY}"}) as http:
        usage = wait_for_usage(http, made.id)
    assert usage["status"] == "aborted"
    assert 0 < usage["output_tokens"] < 3000


def test_the_stream_of_a_cancelled_response_ends(slow_client: Any) -> None:
    with create(slow_client, 3000, stream=True) as stream:
        name = next(stream).response.id
        slow_client.responses.cancel(name)
        last = list(stream)[-1]
    assert (last.type, last.response.status) == ("response.failed", "cancelled")


def test_a_deleted_response_is_cancelled(slow_client: Any, slow_server: Instant) -> None:
    made = create(slow_client, 3000)
    slow_client.responses.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        slow_client.responses.retrieve(made.id)
    with httpx.Client(base_url=slow_server.url, headers={"authorization": f"Bearer {KEY}"}) as http:
        usage = wait_for_usage(http, made.id)
    assert usage["status"] == "aborted"


def test_a_response_that_is_not_finished_is_not_continued(slow_client: Any) -> None:
    made = create(slow_client, 3000)
    with pytest.raises(openai.UnprocessableEntityError, match="not finished"):
        slow_client.responses.create(model=MODEL, input="More", previous_response_id=made.id)
    slow_client.responses.delete(made.id)


def test_unknown_models_are_refused_at_once(slow_client: Any) -> None:
    with pytest.raises(openai.NotFoundError):
        slow_client.responses.create(model="none", input="Hello", store=True, background=True)


def test_a_restart_leaves_a_failed_response(tmp_path: Path) -> None:
    nursery, store = Nursery(), f"sqlite:///{tmp_path / 'f.db'}"
    with nursery.serve(store, tmp_path / "log", pause=0.01) as server:
        with openai.OpenAI(base_url=f"{server.url}/v1", api_key=KEY) as client:
            made = create(client, 5000)
        server.process.kill()
        server.process.join()
    with (
        nursery.serve(store, tmp_path / "log") as server,
        openai.OpenAI(base_url=f"{server.url}/v1", api_key=KEY) as client,
    ):
        failed: Any = client.responses.retrieve(made.id)
        assert (failed.status, failed.error.code) == ("failed", "server_error")
        assert "ended before" in failed.error.message
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(made.id, stream=True)
        assert client.responses.cancel(made.id).status == "failed"
