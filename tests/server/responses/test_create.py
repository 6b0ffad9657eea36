"""`POST /v1/responses` against the types of the `openai` client, whole and streamed."""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from tests.support.pauses import without_pauses
from tests.support.server import RunningServer

EVENT: TypeAdapter[ResponseStreamEvent] = TypeAdapter(ResponseStreamEvent)
WEATHER: dict[str, Any] = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
NOTE: dict[str, Any] = {"type": "custom", "name": "note", "description": "Write a note"}
SPACE: dict[str, Any] = {"type": "namespace", "name": "sky", "description": "The sky", "tools": [WEATHER]}
IMAGE: dict[str, Any] = {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}
REASONING: dict[str, Any] = {"type": "reasoning", "summary": []}
PADDED: dict[str, Any] = {"stream_options": {"include_obfuscation": True}}


def user(part: dict[str, Any]) -> dict[str, Any]:
    """A message of the user that has one part."""
    return {"role": "user", "content": [part]}


@pytest.fixture(scope="module")
def client(server: RunningServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=server.key, max_retries=0) as opened:
        yield opened


def create(server: RunningServer, **fields: Any) -> dict[str, Any]:
    """The response's JSON, which fits the client's types strictly."""
    with server.client() as http:
        answer = http.post("/v1/responses", json={"model": "tiny", "max_output_tokens": 4} | fields)
    assert answer.status_code == 200, answer.text
    Response.model_validate(answer.json())
    body: dict[str, Any] = answer.json()
    return body


def stream(server: RunningServer, **fields: Any) -> list[dict[str, Any]]:
    """The events of a stream, each of which fits the client's types strictly."""
    with server.client() as http:
        body = {"model": "tiny", "max_output_tokens": 4, "stream": True} | fields
        text = http.post("/v1/responses", json=body).text
    blocks = [block.split("\n") for block in without_pauses(text).split("\n\n") if block]
    events = [json.loads(data.removeprefix("data: ")) for _, data in blocks]
    assert [name.removeprefix("event: ") for name, _ in blocks] == [event["type"] for event in events]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    for event in events:
        EVENT.validate_python(event)
    return events


def test_a_whole_response(server: RunningServer) -> None:
    body = create(
        server,
        input="Hello",
        instructions="Be brief",
        metadata={"a": "b"},
        user="me",
        temperature=0.5,
        tools=[WEATHER],
        tool_choice="none",
    )
    assert body["id"].startswith("resp_")
    assert body["status"] == "incomplete"
    assert body["incomplete_details"] == {"reason": "max_output_tokens"}
    assert body["usage"]["output_tokens"] == 4
    assert body["usage"]["total_tokens"] == body["usage"]["input_tokens"] + 4
    returned = {
        name: body[name] for name in ("instructions", "metadata", "user", "temperature", "tool_choice", "store")
    }
    assert returned == {
        "instructions": "Be brief",
        "metadata": {"a": "b"},
        "user": "me",
        "temperature": 0.5,
        "tool_choice": "none",
        "store": False,
    }
    assert body["tools"][0]["name"] == "get_weather"
    assert body["receipt"]["sampling"]["max_tokens"] == 4


def test_a_response_has_the_members_of_the_open_responses_specification(server: RunningServer) -> None:
    response = create(server, input="Hi", presence_penalty=0.5, max_output_tokens=4)
    required = (
        "id object created_at completed_at status incomplete_details model previous_response_id instructions output "
        "error tools tool_choice truncation parallel_tool_calls text top_p presence_penalty frequency_penalty "
        "top_logprobs temperature reasoning usage max_output_tokens max_tool_calls store background service_tier "
        "metadata safety_identifier prompt_cache_key"
    )
    assert set(required.split()) <= response.keys()
    assert (response["presence_penalty"], response["frequency_penalty"]) == (0.5, 0.0)


def test_a_stream_is_the_whole_response_in_pieces(server: RunningServer) -> None:
    request: dict[str, Any] = {"input": "Hello", "seed": 7, "include": ["message.output_text.logprobs"]}
    whole, events = create(server, **request), stream(server, **request)
    kinds = [event["type"].removeprefix("response.") for event in events]
    deltas = [event["delta"] for event in events if event["type"] == "response.output_text.delta"]
    assert kinds == [
        "created", "in_progress", "output_item.added", "content_part.added", *["output_text.delta"] * len(deltas),
        "output_text.done", "content_part.done", "output_item.done", "incomplete",
    ]  # fmt: skip
    [part] = whole["output"][0]["content"]
    assert "".join(deltas) == part["text"] == events[-4]["text"]
    assert events[-1]["response"]["output"] == [events[-2]["item"]]
    assert events[-1]["response"]["output"][0]["content"] == [part]
    assert [token for event in events if "delta" in event for token in event["logprobs"]] == part["logprobs"]
    assert events[-1]["response"]["usage"]["output_tokens"] == 4


@pytest.mark.parametrize(
    ("tool", "kind", "done", "field"),
    [
        (WEATHER, "function_call", "function_call_arguments", "arguments"),
        (NOTE, "custom_tool_call", "custom_tool_call_input", "input"),
    ],
)
def test_a_tool_round(server: RunningServer, tool: dict[str, Any], kind: str, done: str, field: str) -> None:
    ask: dict[str, Any] = {"model": "forefront-mini", "tools": [tool], "tool_choice": "required", "temperature": 0}
    ask |= {"input": "What is the weather in Rome?", "max_output_tokens": 60}
    events = stream(server, **ask)
    pieces = [event["delta"] for event in events if event["type"] == f"response.{done}.delta"]
    [whole] = [event[field] for event in events if event["type"] == f"response.{done}.done"]
    call = events[-1]["response"]["output"][-1]
    assert "".join(pieces) == whole == call[field]
    assert (call["type"], call["name"]) == (kind, tool["name"])
    result = {"type": f"{kind}_output", "call_id": call["call_id"], "output": [{"type": "input_text", "text": "sunny"}]}
    history = [{"role": "user", "content": ask["input"]}, *events[-1]["response"]["output"], result]
    answer = create(server, model="forefront-mini", tools=[tool], input=history, max_output_tokens=20, temperature=0)
    assert answer["output"][0]["type"] in ("message", kind)


def test_the_form_of_the_text(client: openai.OpenAI) -> None:
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string", "maxLength": 8}, "age": {"type": "integer"}},
        "required": ["name", "age"],
        "additionalProperties": False,
    }
    form: Any = {"format": {"type": "json_schema", "name": "person", "schema": schema, "strict": True}}
    response = client.responses.create(model="tiny", input="Anna is 31", text=form, max_output_tokens=60)
    assert json.loads(response.output_text).keys() == {"name", "age"}


@pytest.mark.parametrize("streamed", [False, True])
def test_calls_of_tools_in_a_namespace(server: RunningServer, streamed: bool) -> None:
    fields: dict[str, Any] = {"model": "forefront-mini", "input": "Weather in Rome?", "max_output_tokens": 60}
    fields |= {"tools": [SPACE], "tool_choice": {"type": "function", "name": "get_weather"}}
    if streamed:
        events = stream(server, **fields)
        assert all(event["name"] == "get_weather" for event in events if event["type"].endswith("arguments.done"))
        response = events[-1]["response"]
    else:
        response = create(server, **fields)
    [call] = [item for item in response["output"] if item["type"] == "function_call"]
    assert (call["namespace"], call["name"]) == ("sky", "get_weather")
    assert response["tools"] == [SPACE | {"tools": [WEATHER | {"description": None, "strict": None}]}]
    result = {"type": "function_call_output", "call_id": call["call_id"], "output": "clear"}
    question = {"role": "user", "content": "Weather in Rome?"}
    again = create(server, **fields | {"input": [question, call, result], "tool_choice": "auto"})
    assert again["usage"]["input_tokens"] > response["usage"]["input_tokens"]


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({"input": [user({"type": "input_text", "text": 1})]}, 422, "input[0].content[0].text"),
        ({"input": [user({"type": "input_image"})]}, 400, "input[0].content[0].image_url"),
        ({"input": [user({"type": "input_image", "file_id": "x"})]}, 400, "input[0].content[0].file_id"),
        ({"input": [user(IMAGE | {"image_url": "http://10.0.0.1/"})]}, 422, "input[0].content[0].image_url"),
        ({"input": [user(IMAGE | {"detail": "x"})]}, 422, "input[0].content[0].detail"),
        ({"input": [user({"type": "input_file"})]}, 422, "input[0].content[0]"),
        ({"input": [user({"type": "input_file", "file_url": "x"})]}, 400, "input[0].content[0].file_url"),
        ({"input": [user({"type": "input_file", "file_data": "é"})]}, 422, "input[0].content[0].file_data"),
        ({"input": [user({"type": "computer_screenshot"})]}, 400, "input[0].content[0].type"),
        ({"input": [user(IMAGE)]}, 400, "input[0].content[0].type"),
        ({"input": [{"role": "assistant", "content": [IMAGE]}]}, 422, "input[0].content"),
        ({"input": "x", "tools": [SPACE, SPACE]}, 422, "tools[1].tools[0].name"),
        ({"input": "x", "tools": [SPACE | {"tools": []}]}, 422, "tools[0].tools"),
        ({"input": "x", "tools": [SPACE | {"tools": [{"type": "mcp"}]}]}, 400, "tools[0].tools[0].type"),
        ({"input": "x", "tools": [SPACE | {"tools": [WEATHER | {"name": n * "a"} for n in range(1, 65)]},
            SPACE | {"name": "b", "tools": [WEATHER | {"name": n * "a"} for n in range(1, 65)]}, NOTE]}, 422, "tools"),
        ({"input": [{"role": "nurse", "content": "x"}]}, 422, "input[0].role"),
        ({"input": [{"type": "web_search_call", "id": "x"}]}, 400, "input[0].type"),
        ({"input": [{"type": "function_call_output", "call_id": "x", "output": ""}]}, 422, "input[0].call_id"),
        ({"input": [REASONING | {"encrypted_content": "gAAA"}]}, 422, "input[0].encrypted_content"),
        ({"input": [{"id": "msg_1"}]}, 404, "input[0].id"),
        ({"input": []}, 400, "input"),
        ({"input": "x", "tools": [{"type": "web_search"}]}, 400, "tools[0].type"),
        ({"input": "x", "tools": [WEATHER, WEATHER]}, 422, "tools[1].name"),
        ({"input": "x", "tools": [WEATHER | {"name": "a b"}]}, 422, "tools[0].name"),
        ({"input": "x", "tool_choice": {"type": "file_search"}}, 400, "tool_choice.type"),
        ({"input": "x", "tool_choice": {"type": "function", "name": "a"}}, 422, "tool_choice"),
        ({"input": "x", "text": {"format": {"type": "json_schema", "name": "a"}}}, 400, "text.format.schema"),
        ({"input": "x", "text": {"format": {"type": "json_object"}}, "regex": "a"}, 422, "regex"),
        ({"input": "x", "reasoning": {"effort": "huge"}}, 422, "reasoning.effort"),
        ({"input": "x", "truncation": "auto"}, 422, "truncation"),
        ({"input": "x", "top_logprobs": 2}, 422, "top_logprobs"),
        ({"input": "x", "stream_options": {}}, 422, "stream_options"),
        ({"input": "x", "stream": True} | PADDED, 400, "stream_options.include_obfuscation"),
        ({"input": "x", "max_tokens": 2}, 400, "max_tokens"),
        ({"input": "x", "max_output_tokens": 10**6}, 400, "max_output_tokens"),
        ({"input": "word " * 9000}, 400, "input"),
        ({"input": "x", "temprature": 1}, 422, "temprature"),
        ({"input": "x", "prompt": {"id": "p"}}, 400, "prompt"),
        ({"input": "x", "metadata": {"a": 1}}, 422, "metadata"),
    ],
)  # fmt: skip
def test_errors_name_the_field_of_this_api(
    server: RunningServer, fields: dict[str, Any], status: int, param: str
) -> None:
    with server.client() as http:
        answer = http.post("/v1/responses", json={"model": "tiny"} | fields)
    assert (answer.status_code, answer.json()["error"]["param"]) == (status, param), answer.text
    assert "messages" not in answer.json()["error"]["message"].split("`")[1::2]


def test_a_retry_gets_the_same_response(server: RunningServer) -> None:
    with server.client(headers={"idempotency-key": "responses-1"}) as http:
        for streamed in (False, True):
            http.headers["idempotency-key"] = f"responses-{streamed}"
            body = {"model": "tiny", "input": "Hello", "max_output_tokens": 3, "stream": streamed}
            first, second = (http.post("/v1/responses", json=body) for _ in range(2))
            assert first.content == second.content
            assert "idempotent-replayed" in second.headers


def test_usage_is_in_the_ledger(server: RunningServer) -> None:
    body = create(server, input="Hello")
    row = server.get(f"/v1/usage/{body['id']}").json()
    assert (row["output_tokens"], row["status"]) == (4, "completed")
    assert row["input_tokens"] == body["usage"]["input_tokens"]
