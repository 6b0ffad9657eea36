"""Histories over real HTTP: the members of answers are accepted as input, at any depth and number, in every form."""

import json
from typing import Any

import pytest

from tests.support.server import RunningServer

PATH = "/v1/chat/completions"
MODEL = "forefront-mini"
QUESTION = {"role": "user", "content": "What is the weather in Rome?"}
CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
FUNCTION = {"name": "get_weather", "parameters": CITY}
TOOL = {"type": "function", "function": FUNCTION}


def ask(server: RunningServer, messages: list[Any], **fields: Any) -> tuple[dict[str, Any], str]:
    """The answer, and the header of ignored fields."""
    with server.client() as client:
        body = {"model": MODEL, "messages": messages, "temperature": 0, "max_tokens": 40} | fields
        answer = client.post(PATH, content=json.dumps(body), headers={"content-type": "application/json"})
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made, answer.headers.get("x-ignored-params", "")


def prompt(server: RunningServer, messages: list[Any], **fields: Any) -> tuple[str, str]:
    """The rendered prompt, and the header of ignored fields."""
    with server.client() as client:
        body = {"model": MODEL, "messages": messages} | fields
        seen = client.post(f"{PATH}/preflight", content=json.dumps(body), headers={"content-type": "application/json"})
    assert seen.status_code == 200, seen.text
    return seen.json()["prompt"], seen.headers.get("x-ignored-params", "")


def call(arguments: Any, **fields: Any) -> dict[str, Any]:
    made = {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": arguments}}
    return {"role": "assistant", "content": None, "tool_calls": [made]} | fields


def test_answers_of_the_api_are_accepted_as_input(server: RunningServer) -> None:
    messages: list[Any] = []
    for _ in range(3):
        answer, _ = ask(server, [*messages, QUESTION], tools=[TOOL], tool_choice="required")
        message = answer["choices"][0]["message"]
        [made] = message["tool_calls"]
        messages += [QUESTION, message, {"role": "tool", "tool_call_id": made["id"], "content": "18 degrees"}]
        messages.append(ask(server, messages, tools=[TOOL])[0]["choices"][0]["message"])
    assert ask(server, [*messages, QUESTION], tools=[TOOL])[1] == ""


def test_a_long_session_with_answers_as_input(server: RunningServer) -> None:
    """Fields of SDKs in 40 turns of calls: named once each, if they are no part of our own answers."""
    turns: list[Any] = []
    for number in range(40):
        made = {"index": 0, "id": f"c{number}", "type": "function", "cache_control": {"type": "ephemeral"}}
        made["function"] = {"name": "f", "arguments": "{}", "parsed_arguments": {}}
        turns.append(
            {
                "role": "assistant", "content": None, "refusal": None, "annotations": [], "audio": None, "parsed": None,
                "function_call": None, "tool_calls": [made], "reasoning": "r", "reasoning_content": "r",
                "provider_specific_fields": {"x": [number]}, "thinking_blocks": [{"type": "thinking"}],
            }
        )  # fmt: skip
        part = {"type": "text", "text": "1", "cache_control": {"type": "ephemeral"}}
        turns.append({"role": "tool", "tool_call_id": f"c{number}", "content": [part], "is_error": False})
    _, ignored = prompt(server, [QUESTION, *turns])
    assert ignored.split(", ") == [
        "messages[1].tool_calls[0].cache_control",
        "messages[1].provider_specific_fields",
        "messages[1].thinking_blocks",
        "messages[2].content[0].cache_control",
        "messages[2].is_error",
    ]


def test_the_header_of_ignored_fields_is_bounded(server: RunningServer) -> None:
    fields = {"é" * 60 + str(number): 1 for number in range(64)}
    _, ignored = ask(server, [QUESTION], **fields)
    assert len(ignored) < 2200
    assert ignored.endswith(f"and {64 - ignored.count('%C3%A9' * 60)} more")


@pytest.mark.parametrize("arguments", ['{"city": "Ro', "[1]", '"Rome"', "Rome", "{'city': 'Rome'}", "7", "\ud83d"])
def test_invalid_json_arguments_are_text(server: RunningServer, arguments: str) -> None:
    history = [QUESTION, call(arguments), {"role": "tool", "tool_call_id": "c1", "content": "error"}]
    shown, _ = prompt(server, history, tools=[TOOL])
    text = arguments.replace("\ud83d", "\ufffd")
    assert text in shown or json.dumps(text, ensure_ascii=False)[1:-1] in shown
    ask(server, history, tools=[TOOL])


def test_text_parts_are_lines(server: RunningServer) -> None:
    parts = [{"type": "text", "text": "First part."}, {"type": "text", "text": "Second part."}]
    expected = prompt(server, [{"role": "user", "content": "First part.\nSecond part."}])
    for role in ("user", "system", "assistant"):
        shown, _ = prompt(server, [{"role": role, "content": parts}, QUESTION])
        assert "First part.\nSecond part." in shown
    assert prompt(server, [{"role": "user", "content": parts}]) == expected


def test_refusals_are_text(server: RunningServer) -> None:
    forms: list[dict[str, Any]] = [
        {"content": "I cannot."},
        {"content": None, "refusal": "I cannot."},
        {"content": "", "refusal": "I cannot."},
        {"content": [{"type": "refusal", "refusal": "I cannot."}]},
    ]
    shown = [prompt(server, [QUESTION, {"role": "assistant"} | form, QUESTION]) for form in forms]
    assert all(one == shown[0] for one in shown)
    assert "I cannot." in shown[0][0]
    ask(server, [QUESTION, {"role": "assistant", "content": None, "reasoning": "r"}, QUESTION])


def test_a_turn_of_the_assistant_may_be_empty(server: RunningServer) -> None:
    """Histories hold turns that ended before any text, and clients send them back for the whole conversation."""
    forms: list[dict[str, Any]] = [
        {"content": ""}, {"content": None}, {}, {"content": []}, {"content": None, "tool_calls": []},
    ]  # fmt: skip
    shown = [prompt(server, [QUESTION, {"role": "assistant"} | form, QUESTION]) for form in forms]
    assert all(one[0] == shown[0][0] for one in shown)


def test_answers_have_a_null_refusal(server: RunningServer) -> None:
    answer, _ = ask(server, [QUESTION])
    assert answer["message"]["refusal"] is None
    assert answer["choices"][0]["message"]["refusal"] is None


def test_functions_are_answered_in_their_own_form(server: RunningServer) -> None:
    fields = {"functions": [FUNCTION], "function_call": {"name": "get_weather"}}
    choice = ask(server, [QUESTION], **fields)[0]["choices"][0]
    message = choice["message"]
    assert choice["finish_reason"] == "function_call"
    assert "tool_calls" not in message
    assert message["content"] is None
    assert json.loads(message["function_call"]["arguments"]) == {"city": "Rome"}
    with server.client() as client:
        body = {"model": MODEL, "messages": [QUESTION], "temperature": 0, "stream": True} | fields
        lines = client.post(PATH, json=body).text.splitlines()
    streamed = [json.loads(line[6:])["choices"][0] for line in lines if line.startswith("data: {")]
    parts = [part["delta"]["function_call"] for part in streamed if "function_call" in part["delta"]]
    assert parts[0]["name"] == "get_weather"
    assert json.loads("".join(part["arguments"] for part in parts)) == {"city": "Rome"}
    assert streamed[-1]["finish_reason"] == "function_call"
    assert not any("tool_calls" in part["delta"] for part in streamed)
    result = {"role": "function", "name": "get_weather", "content": "18 degrees"}
    as_tool = [
        call(message["function_call"]["arguments"]),
        {"role": "tool", "tool_call_id": "c1", "content": "18 degrees"},
    ]
    shown = prompt(server, [QUESTION, message, result], functions=[FUNCTION])
    assert shown == prompt(server, [QUESTION, *as_tool], tools=[TOOL])
    final = ask(server, [QUESTION, message, result], functions=[FUNCTION])[0]["choices"][0]
    assert final["message"]["content"]
    assert final["finish_reason"] == "stop"


def test_functions_may_be_unused(server: RunningServer) -> None:
    for choice in ("none", "auto", None):
        messages = [{"role": "user", "content": "What is 3 + 4?"}]
        answer = ask(server, messages, functions=[FUNCTION], function_call=choice)[0]["choices"][0]
        assert answer["finish_reason"] == "stop"
        assert answer["message"]["content"]


def test_a_lone_surrogate_is_accepted(server: RunningServer) -> None:
    """As histories have it that were cut by UTF-16 units."""
    shown, _ = prompt(server, [{"role": "user", "content": "cut \ud83d"}])
    assert "cut \ufffd" in shown


@pytest.mark.parametrize("key", ["tool_calls", "function_call"])
def test_arguments_as_an_object_are_those_as_text(server: RunningServer, key: str) -> None:
    """Clients that keep the arguments that they have read send them back as an object."""

    def history(arguments: Any) -> list[Any]:
        function = {"name": "get_weather", "arguments": arguments}
        if key == "tool_calls":
            result = {"role": "tool", "tool_call_id": "c1", "content": "18"}
            return [QUESTION, call(arguments), result]
        result = {"role": "function", "name": "get_weather", "content": "18"}
        return [QUESTION, {"role": "assistant", "function_call": function}, result]

    for value in ({}, {"city": "Rome é"}, {"n": 10**30, "x": [1.5, None, {"y": True}]}):
        assert prompt(server, history(value)) == prompt(server, history(json.dumps(value, ensure_ascii=False)))


def test_arguments_as_an_object_in_the_responses_api(server: RunningServer) -> None:
    def answer(arguments: Any) -> dict[str, Any]:
        items = [
            QUESTION,
            {"type": "function_call", "call_id": "c1", "name": "get_weather", "arguments": arguments},
            {"type": "function_call_output", "call_id": "c1", "output": "18 degrees"},
        ]
        with server.client() as client:
            counted = client.post("/v1/responses/input_tokens", json={"model": MODEL, "input": items})
        assert counted.status_code == 200, counted.text
        made: dict[str, Any] = counted.json()
        return made

    assert answer({"city": "Rome"}) == answer('{"city": "Rome"}')


def test_deeply_nested_arguments_are_an_error(server: RunningServer) -> None:
    """At every depth that the reader of JSON takes, and beyond."""
    codes = set()
    for depth in (900, *range(950, 1001, 5), 2000):
        text = '{"a":' * depth + "1" + "}" * depth
        body = json.dumps({"model": MODEL, "messages": [QUESTION, call("ARGUMENTS")]}).replace('"ARGUMENTS"', text)
        with server.client() as client:
            answer = client.post(PATH, content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 400, answer.text
        codes.add(answer.json()["error"]["code"])
    assert codes == {"context_length_exceeded", "invalid_json"}
