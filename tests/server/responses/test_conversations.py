"""Conversations by the `openai` client: made, continued by responses, listed, changed, deleted."""

import json
import time
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.server.responses.test_stored import create, error, neighbour
from tests.support.backends.instant import MODEL
from tests.support.server import RunningServer

__all__ = ["neighbour"]
USER: Any = {"role": "user", "content": "Hello"}
IMAGE: Any = {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}


@pytest.fixture(scope="module")
def client(server: RunningServer) -> Iterator[Any]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=server.key, max_retries=0) as opened:
        yield opened


def contents(client: Any, name: str) -> list[str]:
    """The type and text of each item, the first first."""
    items = client.conversations.items.list(name, order="asc", limit=3)
    return [f"{item.role}: {''.join(part.text for part in item.content)}" for item in items]


def test_a_conversation_is_created_updated_and_deleted(client: Any) -> None:
    made = client.conversations.create(metadata={"a": "b"}, items=[USER, USER | {"content": "Again"}])
    assert made.id.startswith("conv_")
    assert (made.object, made.metadata) == ("conversation", {"a": "b"})
    assert client.conversations.retrieve(made.id) == made
    changed = client.conversations.update(made.id, metadata={"c": "d"})
    assert (changed.id, changed.metadata) == (made.id, {"c": "d"})
    assert client.conversations.retrieve(made.id) == changed
    assert contents(client, made.id) == ["user: Hello", "user: Again"]
    assert client.conversations.delete(made.id).deleted is True
    for call in (client.conversations.retrieve, client.conversations.delete, client.conversations.items.list):
        assert error(lambda call=call: call(made.id))["status"] == 404
    assert client.conversations.create().metadata == {}


def test_items_are_added_read_and_deleted(client: Any) -> None:
    name = client.conversations.create().id
    added = client.conversations.items.create(name, items=[USER, USER | {"content": [IMAGE], "id": "msg_mine"}])
    assert [item.content[0].type for item in added.data] == ["input_text", "input_image"]
    assert "msg_mine" not in [item.id for item in added.data]
    [first, second] = added.data
    assert client.conversations.items.retrieve(second.id, conversation_id=name) == second
    assert [item.id for item in client.conversations.items.list(name)] == [second.id, first.id]
    assert client.conversations.items.delete(first.id, conversation_id=name).id == name
    assert [item.id for item in client.conversations.items.list(name)] == [second.id]
    missing = error(lambda: client.conversations.items.retrieve(first.id, conversation_id=name))
    assert missing == {"status": 404, "code": "not_found", "param": None}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("store", [False, True])
def test_responses_continue_a_conversation(client: Any, stream: bool, store: bool) -> None:
    name = client.conversations.create(items=[USER | {"content": "One two three"}]).id
    texts = []
    for reference, text in ((name, "Four"), ({"id": name}, "Five")):
        made = create(client, input=text, conversation=reference, stream=stream, store=store)
        response = list(made)[-1].response if stream else made
        assert response.conversation.id == name
        texts.append(response.output_text)
    items = [("user", "One two three"), ("user", "Four"), ("assistant", texts[0]), ("user", "Five")]
    assert contents(client, name) == [f"{role}: {text}" for role, text in [*items, ("assistant", texts[1])]]
    by_hand = [{"role": role, "content": text} for role, text in items]
    whole = create(client, input=by_hand, store=False)
    assert response.usage.input_tokens == whole.usage.input_tokens
    if store:
        [item] = client.responses.input_items.list(response.id).data
        assert client.conversations.items.retrieve(item.id, conversation_id=name).content[0].text == "Five"
        refused = error(lambda: create(client, previous_response_id=response.id))
        assert refused == {"status": 422, "code": "invalid_value", "param": "previous_response_id"}


def test_a_response_refers_to_items_of_its_conversation(client: Any) -> None:
    [item] = client.conversations.items.create(client.conversations.create().id, items=[USER]).data
    name = client.conversations.create(items=[USER]).id
    [own] = client.conversations.items.list(name).data
    reference = {"type": "item_reference", "id": own.id}
    twice = create(client, input=[reference], conversation=name)
    assert twice.usage.input_tokens == create(client, input=[USER, USER]).usage.input_tokens
    other = {"type": "item_reference", "id": item.id}
    assert error(lambda: create(client, input=[other], conversation=name))["param"] == "input[0].id"


def test_a_tool_round_trip(client: Any) -> None:
    name = client.conversations.create().id
    tools: Any = [{"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}]
    fields = {"model": "forefront-mini", "tools": tools, "conversation": name}
    calling = create(client, **fields, tool_choice="required", max_output_tokens=64)
    call = next(item for item in calling.output if item.type == "function_call")
    output: Any = [{"type": "function_call_output", "call_id": call.call_id, "output": "12"}]
    create(client, **fields, input=output, tool_choice="none")
    types = [item.type for item in client.conversations.items.list(name, order="asc")]
    assert types[-2:] == ["function_call_output", "message"]
    assert json.loads(call.arguments) == {}


def test_a_failed_response_appends_nothing(client: Any) -> None:
    name = client.conversations.create(items=[USER]).id
    assert error(lambda: create(client, conversation=name, model="none"))["status"] == 404
    assert error(lambda: create(client, conversation=name, input="word " * 100_000))["status"] in (400, 413)
    assert contents(client, name) == ["user: Hello"]


def test_in_the_background(slow_client: Any) -> None:
    name = slow_client.conversations.create().id
    fields = {"model": MODEL, "store": True, "background": True, "conversation": name}
    made = slow_client.responses.create(input="Hello", max_output_tokens=3, **fields)
    deadline = time.monotonic() + 60
    while slow_client.responses.retrieve(made.id).status in ("queued", "in_progress"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert contents(slow_client, name) == ["user: Hello", "assistant: word word word "]
    long = slow_client.responses.create(input="Hello", max_output_tokens=3000, **fields)
    slow_client.responses.cancel(long.id)
    assert len(contents(slow_client, name)) == 2


def test_a_conversation_deleted_during_a_request(slow_client: Any) -> None:
    name = slow_client.conversations.create().id
    events: Any = slow_client.responses.create(
        model=MODEL, input="Hello", max_output_tokens=30, conversation=name, stream=True
    )
    kinds: list[str] = []
    for event in events:
        if not kinds:
            slow_client.conversations.delete(name)
        kinds.append(event.type)
    assert kinds[-1] == "response.failed"
    assert event.response.error.message.startswith("No conversation of the id")


def test_conversations_of_another_project_are_not_found(client: Any, neighbour: Any) -> None:
    made = client.conversations.create(items=[USER])
    [item] = client.conversations.items.list(made.id).data
    for call in (
        lambda: neighbour.conversations.retrieve(made.id),
        lambda: neighbour.conversations.update(made.id, metadata={}),
        lambda: neighbour.conversations.delete(made.id),
        lambda: neighbour.conversations.items.list(made.id),
        lambda: neighbour.conversations.items.create(made.id, items=[USER]),
        lambda: neighbour.conversations.items.retrieve(item.id, conversation_id=made.id),
        lambda: neighbour.conversations.items.delete(item.id, conversation_id=made.id),
        lambda: create(neighbour, conversation=made.id),
    ):
        assert error(call)["status"] == 404
    assert contents(client, made.id) == ["user: Hello"]
    assert error(lambda: create(neighbour, conversation=made.id))["param"] == "conversation"


@pytest.mark.parametrize("name", ["conv_x", "a\0b", "é", "x" * 256, "conv_%00"])
def test_unknown_ids_are_not_found(client: Any, name: str) -> None:
    assert error(lambda: create(client, conversation=name))["status"] == 404
    assert error(lambda: client.conversations.retrieve(name))["status"] == 404
    assert error(lambda: client.conversations.items.list(client.conversations.create().id, after=name))["status"] == 404


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"items": [USER] * 21}, "invalid_value", "items"),
        ({"items": [{"type": "web_search_call"}]}, "unsupported_parameter", "items[0].type"),
        ({"items": [{"type": "item_reference", "id": "x"}]}, "unsupported_parameter", "items[0].type"),
        ({"items": [{"role": "user"}]}, "missing_parameter", "items[0].content"),
        ({"items": "x"}, "invalid_type", "items"),
        ({"metadata": {"a": 1}}, "invalid_type", "metadata"),
        ({"metadata": {"a": "x" * 513}}, "invalid_value", "metadata"),
        ({"metadata": {str(n): "" for n in range(17)}}, "invalid_value", "metadata"),
        ({"metadate": {}}, "unknown_parameter", "metadate"),
        ([], "invalid_type", None),
    ],
)
def test_invalid_bodies_name_the_field(server: RunningServer, fields: Any, code: str, param: str) -> None:
    with server.client() as http:
        answer = http.post("/v1/conversations", json=fields)
    found = answer.json()["error"]
    assert (answer.status_code in (400, 422), found["code"]) == (True, code), answer.text
    assert (found["param"] or "").split("[...]")[0].startswith(param or "")


def test_one_of_conversation_and_previous_response(client: Any) -> None:
    fields = {"conversation": "conv_1", "previous_response_id": "resp_1"}
    assert error(lambda: create(client, **fields)) == {"status": 422, "code": "invalid_value", "param": "conversation"}


def test_a_retry_with_the_same_idempotency_key_appends_nothing(client: Any) -> None:
    named = {"Idempotency-Key": f"conversation-{time.time_ns()}"}
    made = [client.conversations.create(metadata={"a": "b"}, extra_headers=named).id for _ in range(2)]
    assert made[0] == made[1]
    named = {"Idempotency-Key": f"items-{time.time_ns()}"}
    added = [client.conversations.items.create(made[0], items=[USER], extra_headers=named) for _ in range(2)]
    assert added[0].last_id == added[1].last_id
    assert contents(client, made[0]) == ["user: Hello"]
