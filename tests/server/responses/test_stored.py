"""Stored responses by the `openai` client: retrieved, continued, listed, deleted."""

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.support.server import RunningServer


@pytest.fixture(scope="module")
def client(server: RunningServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=server.key, max_retries=0) as opened:
        yield opened


@pytest.fixture(scope="module")
def neighbour(server: RunningServer) -> Iterator[openai.OpenAI]:
    """The client of another project."""
    with server.client() as http:
        http.put("/admin/projects/neighbour", json={})
        key = http.post("/admin/keys", json={"name": "n", "project": "neighbour", "scopes": ["chat"]}).json()["key"]
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=0) as opened:
        yield opened


def create(client: Any, **fields: Any) -> Any:
    return client.responses.create(
        **{"model": "tiny", "input": "Hello", "max_output_tokens": 4, "store": True} | fields
    )


def error(call: Any) -> dict[str, Any]:
    with pytest.raises(openai.APIStatusError) as raised:
        call()
    return {"status": raised.value.status_code, "code": raised.value.code, "param": raised.value.param}


def test_a_response_is_stored_on_request(client: Any) -> None:
    made = create(client, metadata={"a": "b"})
    assert made.store is True
    assert client.responses.retrieve(made.id) == made
    not_stored = create(client, store=None)
    assert not_stored.store is False
    assert error(lambda: client.responses.retrieve(not_stored.id))["status"] == 404


def test_a_streamed_response_is_stored_before_its_end_is_sent(client: Any) -> None:
    for event in create(client, stream=True):
        if event.type == "response.incomplete":
            assert client.responses.retrieve(event.response.id) == event.response
            return
    pytest.fail("no end")


def test_a_response_continues_others(client: Any) -> None:
    first = create(client, input="One two three", instructions="Be brief")
    second = create(client, input="Four", previous_response_id=first.id)
    third = create(client, input="Five", previous_response_id=second.id)
    assert third.previous_response_id == second.id
    by_hand = [
        {"role": "user", "content": "One two three"},
        {"role": "assistant", "content": first.output_text},
        {"role": "user", "content": "Four"},
        {"role": "assistant", "content": second.output_text},
        {"role": "user", "content": "Five"},
    ]
    assert third.usage.input_tokens == create(client, input=by_hand, store=False).usage.input_tokens


def test_input_items_are_listed_in_pages(client: Any) -> None:
    texts = [f"text {number}" for number in range(7)]
    made = create(client, input=[{"role": "user", "content": text} for text in texts])
    listed = list(client.responses.input_items.list(made.id, limit=3, order="asc"))
    assert [item.content[0].text for item in listed] == texts
    assert [item.id for item in client.responses.input_items.list(made.id, limit=2)] == [
        item.id for item in reversed(listed)
    ]
    page = client.responses.input_items.list(made.id, limit=2, order="asc", extra_query={"before": listed[5].id})
    assert [item.id for item in page.data] == [item.id for item in listed[3:5]]
    assert page.has_more
    unknown = error(lambda: client.responses.input_items.list(made.id, after="msg_x"))
    assert unknown == {"status": 404, "code": "not_found", "param": "after"}


def test_items_are_referred_to_by_id(client: Any) -> None:
    made = create(client, input="Hello there")
    item = client.responses.input_items.list(made.id).data[0]
    references: Any = [{"type": "item_reference", "id": name} for name in (item.id, made.output[0].id)]
    by_reference = create(client, input=[*references, {"role": "user", "content": "More"}])
    whole = create(client, input="More", previous_response_id=made.id)
    assert by_reference.usage.input_tokens == whole.usage.input_tokens
    missing: Any = [{"type": "item_reference", "id": item.id.replace(item.id[4:12], "0" * 8)}]
    assert error(lambda: create(client, input=missing)) == {"status": 404, "code": "not_found", "param": "input[0].id"}


def test_a_tool_round_over_stored_responses(client: Any) -> None:
    tools: Any = [{"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}]
    calling = create(client, model="forefront-mini", tools=tools, tool_choice="required", max_output_tokens=64)
    call = next(item for item in calling.output if item.type == "function_call")
    output: Any = [{"type": "function_call_output", "call_id": call.call_id, "output": "12"}]
    answered = create(client, model="forefront-mini", input=output, previous_response_id=calling.id, tools=tools)
    assert answered.status in ("completed", "incomplete")
    assert client.responses.input_items.list(answered.id).data[0].type == "function_call_output"
    unknown: Any = [{"type": "function_call_output", "call_id": "call_x", "output": "12"}]
    assert error(lambda: create(client, input=unknown, previous_response_id=calling.id))["param"] == "input[0].call_id"


def test_deleted_responses_are_gone(client: Any) -> None:
    first = create(client)
    second = create(client, previous_response_id=first.id)
    client.responses.delete(first.id)
    assert error(lambda: client.responses.retrieve(first.id))["code"] == "not_found"
    assert error(lambda: client.responses.delete(first.id))["status"] == 404
    broken = error(lambda: create(client, previous_response_id=second.id))
    assert broken == {"status": 404, "code": "not_found", "param": "previous_response_id"}


def test_responses_of_another_project_are_not_found(client: Any, neighbour: Any) -> None:
    made = create(client)
    for call in (
        lambda: neighbour.responses.retrieve(made.id),
        lambda: neighbour.responses.delete(made.id),
        lambda: neighbour.responses.cancel(made.id),
        lambda: neighbour.responses.input_items.list(made.id),
        lambda: create(neighbour, previous_response_id=made.id),
        lambda: create(neighbour, input=[{"type": "item_reference", "id": made.output[0].id}]),
    ):
        assert error(call)["status"] == 404
    assert client.responses.retrieve(made.id) == made


@pytest.mark.parametrize("name", ["resp_x", "a\0b", "é", "x" * 256, "resp_%00"])
def test_unknown_ids_are_not_found(client: Any, server: RunningServer, name: str) -> None:
    assert error(lambda: create(client, previous_response_id=name))["status"] == 404
    assert error(lambda: client.responses.retrieve(name))["status"] == 404


@pytest.mark.parametrize(
    ("path", "param"),
    [
        ("?stream=maybe", "stream"),
        ("?starting_after=1", "starting_after"),
        ("?stream=true&starting_after=-1", "starting_after"),
        ("?stream=true&starting_after=x", "starting_after"),
        ("?stream=true", "stream"),
        ("?include_obfuscation=true", "include_obfuscation"),
        ("?include=nothing", "include[0]"),
        ("?color=red", "color"),
        ("?stream=true&stream=true", "stream"),
        ("/input_items?limit=0", "limit"),
        ("/input_items?limit=101", "limit"),
        ("/input_items?limit=x", "limit"),
        ("/input_items?order=up", "order"),
        ("/input_items?after=", "after"),
    ],
)
def test_invalid_queries_name_the_parameter(client: Any, server: RunningServer, path: str, param: str) -> None:
    made = create(client)
    answer = server.get(f"/v1/responses/{made.id}{path}")
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"]["param"] == param


def test_background_needs_storage(client: Any) -> None:
    assert error(lambda: create(client, background=True, store=False))["param"] == "background"
    assert error(lambda: create(client, background=True, store=None))["param"] == "background"
    assert error(lambda: client.responses.cancel(create(client).id))["param"] == "background"
