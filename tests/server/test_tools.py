"""Tools over real HTTP, on the built-in model: calls, streamed calls, results, choices."""

import json
import re
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
    choice_with_call = choice(server, tools=[WEATHER])
    assert choice_with_call["finish_reason"] == "tool_calls"
    assert choice_with_call["message"]["content"] is None
    [call] = choice_with_call["message"]["tool_calls"]
    valid(call, WEATHER)
    result = {"role": "tool", "tool_call_id": call["id"], "content": '{"temperature": 21, "sky": "sunny"}'}
    answered = choice(server, tools=[WEATHER], messages=[QUESTION, choice_with_call["message"], result])
    assert answered["finish_reason"] == "stop"
    assert "21" in answered["message"]["content"]
    assert "tool_calls" not in answered["message"]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("model", ["forefront-mini", "tiny"])
def test_a_named_tool_is_called_with_valid_arguments(server: RunningServer, model: str, seed: int) -> None:
    """The template of `tiny` has no place for tools: the server describes them."""
    named = {"type": "function", "function": {"name": "add"}}
    made = choice(server, model=model, tool_choice=named, temperature=1.5, seed=seed, max_tokens=100)
    [call] = made["message"]["tool_calls"]
    valid(call, ADD)
    assert made["finish_reason"] in ("tool_calls", "length")


@pytest.mark.parametrize("seed", range(4))
def test_a_required_call_uses_an_offered_tool(server: RunningServer, seed: int) -> None:
    made = choice(server, tool_choice="required", temperature=1.5, seed=seed, parallel_tool_calls=False, max_tokens=200)
    [call] = made["message"]["tool_calls"]
    valid(call, {"get_weather": WEATHER, "add": ADD}[call["function"]["name"]])


def test_no_tool_is_called_with_tool_choice_none(server: RunningServer) -> None:
    plain = choice(server, tool_choice="none")
    assert "tool_calls" not in plain["message"]
    assert plain == choice(server, tools=None)


@pytest.mark.parametrize("choice_", ["auto", "required"])
def test_a_stream_adds_up_to_the_whole_answer(server: RunningServer, choice_: str) -> None:
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
    # So many definitions do not fit into the built-in model's context; the error has the numbers.
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "context_length_exceeded"


def test_names_that_agents_make_of_servers_and_tools_in_every_api(server: RunningServer) -> None:
    """Claude Code puts the name of the MCP server first, which marketplaces make of a UUID."""
    name = "mcp__8b383b1d-b46a-4b70-994c-c7c26b866287__" + "check_domain_availability_and_price".ljust(85, "_")
    assert len(name) == 128
    function = {"name": name, "parameters": CITY}
    made = choice(server, tools=[{"type": "function", "function": function}], tool_choice="required", max_tokens=200)
    assert {call["function"]["name"] for call in made["message"]["tool_calls"]} == {name}
    fields = {"model": "forefront-mini", "max_output_tokens": 16, "input": "Hello"}
    message = {"model": "forefront-mini", "max_tokens": 4, "messages": [QUESTION]}
    with server.client() as client:
        tools = [{"type": "function", **function}]
        assert client.post("/v1/responses", json=fields | {"tools": tools}).status_code == 200
        tools = [{"name": name, "input_schema": CITY}]
        assert client.post("/v1/messages", json=message | {"tools": tools}).status_code == 200


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


def test_an_unenforceable_schema_does_not_disable_other_tools(server: RunningServer) -> None:
    def named(name: str, parameters: dict[str, Any]) -> dict[str, Any]:
        return {"type": "function", "function": {"name": name, "parameters": parameters}}

    tools = [
        WEATHER,
        named("twice", {"type": "object", "properties": {"a": {"type": "string", "pattern": r"^(a|b)\1$"}}}),
        named("never", {"type": "object", "properties": {"a": {"not": {}}}, "required": ["a"]}),
        named("wrong", {"type": "dict", "properties": {"a": {"type": "float"}}}),
    ]
    for choice_ in ("auto", "required"):
        with server.client() as client:
            answer = client.post(PATH, json=body(tools=tools, tool_choice=choice_))
        assert answer.status_code == 200, answer.text
        left_out = answer.headers["x-unenforced-keywords"].split(", ")
        assert "tools[twice].function.parameters.properties.a.pattern" in left_out
        assert "tools[never].function.parameters" in left_out
        assert "tools[wrong].function.parameters.properties.a.type" in left_out
        [call] = answer.json()["choices"][0]["message"]["tool_calls"]
        valid(call, WEATHER)


def test_only_allowed_tools_are_called(server: RunningServer) -> None:
    allowed = {"mode": "required", "tools": [{"type": "function", "function": {"name": "add"}}]}
    made = choice(server, tool_choice={"type": "allowed_tools", "allowed_tools": allowed})
    for call in made["message"]["tool_calls"]:
        valid(call, ADD)
    allowed = {"mode": "auto", "tools": [{"type": "function", "function": {"name": "get_weather"}}]}
    [call] = choice(server, tool_choice={"type": "allowed_tools", "allowed_tools": allowed})["message"]["tool_calls"]
    valid(call, WEATHER)


@pytest.mark.parametrize("name", ["get_weather", None])
def test_a_truncated_forced_call_is_omitted(server: RunningServer, name: str | None) -> None:
    forced: Any = "required" if name is None else {"type": "function", "function": {"name": name}}
    for max_tokens in (1, 2, 8):
        made = choice(server, tool_choice=forced, max_tokens=max_tokens)
        assert made["finish_reason"] == "length"
        assert not made["message"].get("tool_calls")
        assert not made["message"]["content"]


CODE: dict[str, Any] = {
    "type": "custom",
    "custom": {
        "name": "calculate",
        "description": "Calculates an expression",
        "format": {"type": "grammar", "grammar": {"syntax": "regex", "definition": r'[0-9]{1,3} [+*/] "[0-9]{1,3}"\n'}},
    },
}
LARK = 'start: term (" + " term){1,2}\nterm: NUMBER | "\\"" NUMBER "\\""\nNUMBER: /[1-9][0-9]{0,2}/'


@pytest.mark.parametrize(
    ("grammar", "pattern"),
    [
        (CODE["custom"]["format"]["grammar"], r'[0-9]{1,3} [+*/] "[0-9]{1,3}"\n'),
        ({"syntax": "lark", "definition": LARK}, r'("?)[1-9][0-9]{0,2}\1( \+ ("?)[1-9][0-9]{0,2}\3){1,2}'),
    ],
)
def test_a_custom_tool_takes_text_of_its_grammar(server: RunningServer, grammar: dict[str, str], pattern: str) -> None:
    format_ = {"type": "grammar", "grammar": grammar}
    tool = {"type": "custom", "custom": CODE["custom"] | {"format": format_}}
    forced = {"type": "custom", "custom": {"name": "calculate"}}
    fields = body(tools=[tool, WEATHER], tool_choice=forced, temperature=1.0, seed=3)
    with server.client() as client:
        whole = client.post(PATH, json=fields).json()
        chunks = client.post(PATH, json=fields | {"stream": True}).text
    [call] = whole["choices"][0]["message"]["tool_calls"]
    assert (call["type"], call["custom"]["name"], "function" in call) == ("custom", "calculate", False)
    assert re.fullmatch(pattern, call["custom"]["input"])
    deltas = [
        delta
        for line in chunks.splitlines()
        if line.startswith("data: {")
        for chosen in json.loads(line[6:])["choices"]
        for delta in chosen["delta"].get("tool_calls") or ()
    ]
    assert deltas[0]["type"] == "custom"
    assert deltas[0]["custom"]["name"] == "calculate"
    assert "".join(delta["custom"].get("input") or "" for delta in deltas) == call["custom"]["input"]
    result = {"role": "tool", "tool_call_id": call["id"], "content": "7"}
    again = [QUESTION, whole["choices"][0]["message"], result]
    assert choice(server, tools=[tool, WEATHER], messages=again)["message"]


def test_a_custom_tool_takes_any_text(server: RunningServer) -> None:
    tool = {"type": "custom", "custom": {"name": "write"}}
    made = choice(server, tools=[tool], tool_choice="required", temperature=1.5, seed=1, max_tokens=60)
    assert [call["custom"]["name"] for call in made["message"]["tool_calls"]] == ["write"]
    assert made["message"]["tool_calls"][0]["custom"]["input"]
