"""Tools over real HTTP, on the built-in model: calls, streamed calls, results, choices."""

import json
from typing import Any

import jsonschema
import pytest

from tests.support.server import RunningServer

PATH = "/v1/chat/completions"
CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
WEATHER = {
    "type": "function",
    "function": {"name": "get_weather", "description": "Get the weather of a city", "parameters": CITY},
}
ADD = {
    "type": "function",
    "function": {
        "name": "add",
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "integer", "minimum": 0, "maximum": 99}, "how": {"enum": ["up", "down"]}},
            "required": ["a", "how"],
            "additionalProperties": False,
        },
    },
}
QUESTION = {"role": "user", "content": "What is the weather in Rome?"}


def body(**fields: Any) -> dict[str, Any]:
    return {"model": "forefront-mini", "messages": [QUESTION], "tools": [WEATHER, ADD], "temperature": 0} | fields


def choice(server: RunningServer, **fields: Any) -> dict[str, Any]:
    with server.client() as client:
        answer = client.post(PATH, json=body(**fields))
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()["choices"][0]
    return made


def valid(call: dict[str, Any], tool: dict[str, Any]) -> None:
    assert call["type"] == "function"
    assert call["id"]
    assert call["function"]["name"] == tool["function"]["name"]
    jsonschema.validate(json.loads(call["function"]["arguments"]), tool["function"]["parameters"])


def test_the_model_calls_and_uses_the_result(server: RunningServer) -> None:
    asked = choice(server, tools=[WEATHER])
    assert asked["finish_reason"] == "tool_calls"
    assert asked["message"]["content"] is None
    [call] = asked["message"]["tool_calls"]
    valid(call, WEATHER)
    result = {"role": "tool", "tool_call_id": call["id"], "content": '{"temperature": 21, "sky": "sunny"}'}
    answered = choice(server, tools=[WEATHER], messages=[QUESTION, asked["message"], result])
    assert answered["finish_reason"] == "stop"
    assert "21" in answered["message"]["content"]
    assert "tool_calls" not in answered["message"]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("model", ["forefront-mini", "tiny"])
def test_a_named_tool_is_called_with_valid_arguments(server: RunningServer, model: str, seed: int) -> None:
    if model == "tiny":
        with server.client() as client:
            refused = client.post(PATH, json=body(model=model))
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, "tools")
        return
    named = {"type": "function", "function": {"name": "add"}}
    made = choice(server, tool_choice=named, temperature=1.5, seed=seed, max_tokens=100)
    [call] = made["message"]["tool_calls"]
    valid(call, ADD)
    assert made["finish_reason"] in ("tool_calls", "length")


@pytest.mark.parametrize("seed", range(4))
def test_a_required_call_is_one_of_the_tools(server: RunningServer, seed: int) -> None:
    made = choice(server, tool_choice="required", temperature=1.5, seed=seed, parallel_tool_calls=False, max_tokens=200)
    [call] = made["message"]["tool_calls"]
    valid(call, {"get_weather": WEATHER, "add": ADD}[call["function"]["name"]])


def test_none_is_called_where_none_may_be(server: RunningServer) -> None:
    plain = choice(server, tool_choice="none")
    assert "tool_calls" not in plain["message"]
    assert plain == choice(server, tools=None)


@pytest.mark.parametrize("choice_", ["auto", "required"])
def test_a_stream_puts_together_to_the_whole(server: RunningServer, choice_: str) -> None:
    whole = choice(server, tool_choice=choice_)
    with server.client() as client:
        text = client.post(PATH, json=body(tool_choice=choice_, stream=True)).text
    chunks = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    calls: list[dict[str, Any]] = []
    for part in [part for delta in deltas for part in delta.get("tool_calls", [])]:
        if part["index"] == len(calls):
            assert part["id"]
            assert part["type"] == "function"
            calls.append({"name": part["function"]["name"], "arguments": part["function"]["arguments"]})
        else:
            assert "id" not in part
            calls[part["index"]]["arguments"] += part["function"]["arguments"]
    assert calls == [call["function"] for call in whole["message"]["tool_calls"]]
    assert chunks[-1]["choices"][0]["finish_reason"] == whole["finish_reason"]
    assert "".join(delta.get("content") or "" for delta in deltas) == (whole["message"]["content"] or "")


def test_an_object_or_a_call(server: RunningServer) -> None:
    """With tools and a form, the answer is one or the other."""
    schema = {"type": "object", "properties": {"answer": {"type": "string", "maxLength": 20}}, "required": ["answer"]}
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    seen = set()
    for seed in range(6):
        message = choice(server, response_format=form, temperature=1.8, seed=seed, max_tokens=120)["message"]
        if calls := message.get("tool_calls"):
            for call in calls:
                valid(call, {"get_weather": WEATHER, "add": ADD}[call["function"]["name"]])
        else:
            jsonschema.validate(json.loads(message["content"]), schema)
        seen.add(bool(calls))
    assert seen


def test_a_hundred_and_twenty_eight_tools(server: RunningServer) -> None:
    tools = [ADD | {"function": ADD["function"] | {"name": f"tool-{number}.x"}} for number in range(128)]  # type: ignore[operator]
    with server.client() as client:
        answer = client.post(PATH, json=body(tools=tools, tool_choice="required", max_tokens=60))
    # So many definitions do not fit into the built-in model's context; that is told by its numbers.
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "context_length_exceeded"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        (
            {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"not": {}}, "strict": True}}]},
            "tools[f].function.parameters",
        ),
        ({"tools": [{"type": "function", "function": {"name": "f\n"}}]}, "tools[0].function.name"),
        ({"regex": "a+"}, "regex"),
    ],
)
def test_refusals(server: RunningServer, fields: dict[str, Any], param: str) -> None:
    with server.client() as client:
        answer = client.post(PATH, json=body(**fields))
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"]["param"] == param
