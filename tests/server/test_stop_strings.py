"""Stop strings over real HTTP: they end the content only."""

import json
from typing import Any

import pytest

from tests.support.server import RunningServer

PATH = "/v1/chat/completions"
QUESTION = {"role": "user", "content": "What is the weather in Rome?"}
CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": CITY}}
STOPS = [["}"], ["\n"], ['"'], ["<", "{"], ["Rome"], ["tool_call"], ["get_weather"], ["arguments", ":", " "]]


def ask(server: RunningServer, **fields: Any) -> dict[str, Any]:
    with server.client() as client:
        body = {"model": "forefront-mini", "messages": [QUESTION], "temperature": 0, "max_tokens": 80} | fields
        answer = client.post(PATH, json=body)
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made | {"ignored": answer.headers.get("x-ignored-params", "")}


def deltas(server: RunningServer, **fields: Any) -> list[dict[str, Any]]:
    with server.client() as client:
        body = {"model": "forefront-mini", "messages": [QUESTION], "temperature": 0, "stream": True} | fields
        lines = client.post(PATH, json=body).text.splitlines()
    chunks = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    return [choice["delta"] | {"end": choice["finish_reason"]} for chunk in chunks for choice in chunk["choices"]]


@pytest.mark.parametrize("stop", STOPS)
@pytest.mark.parametrize("choice", ["auto", "required"])
def test_stop_strings_do_not_truncate_calls(server: RunningServer, stop: list[str], choice: str) -> None:
    fields = {"tools": [TOOL], "tool_choice": choice, "stop": stop}
    answer = ask(server, **fields)["choices"][0]
    assert answer["finish_reason"] == "tool_calls"
    assert answer["message"]["content"] is None
    [call] = answer["message"]["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"city": "Rome"}
    streamed = deltas(server, **fields)
    parts = [part["function"].get("arguments", "") for delta in streamed for part in delta.get("tool_calls", ())]
    assert json.loads("".join(parts)) == {"city": "Rome"}
    assert "".join(delta.get("content") or "" for delta in streamed) == ""
    assert streamed[-1]["end"] == "tool_calls"


@pytest.mark.parametrize("stop", [["}"], ["{"], ['"'], [":", ","], ["a"]])
@pytest.mark.parametrize("form", [{"type": "json_object"}, {"type": "json_schema", "json_schema": {"schema": CITY}}])
def test_json_of_a_form_is_not_cut(server: RunningServer, form: dict[str, Any], stop: list[str]) -> None:
    answer = ask(server, response_format=form, stop=stop)
    assert isinstance(json.loads(answer["choices"][0]["message"]["content"]), dict)
    assert answer["ignored"] == "stop"
    text = "".join(delta.get("content") or "" for delta in deltas(server, response_format=form, stop=stop))
    assert isinstance(json.loads(text), dict)


def test_stop_strings_truncate_content_beside_tools(server: RunningServer) -> None:
    messages = [{"role": "user", "content": "What is 3 + 4?"}]
    plain = ask(server, messages=messages, tools=[TOOL])["choices"][0]["message"]["content"]
    middle = plain.split()[1]
    cut = ask(server, messages=messages, tools=[TOOL], stop=middle)
    assert cut["choices"][0]["message"]["content"] == plain[: plain.index(middle)]
    assert cut["choices"][0]["finish_reason"] == "stop"
    assert (
        "".join(delta.get("content") or "" for delta in deltas(server, messages=messages, tools=[TOOL], stop=middle))
        == (plain[: plain.index(middle)])
    )


def test_a_regular_expression_may_be_cut(server: RunningServer) -> None:
    """It is the client's own text: `regex` with a stop is how vLLM's clients end at a line."""
    answer = ask(server, regex=r"[ab]{2}\n[ab]{2}", stop=["\n"])["choices"][0]
    assert len(answer["message"]["content"]) == 2
    assert answer["finish_reason"] == "stop"
