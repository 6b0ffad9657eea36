"""Models that think, and models of the common open families, over real HTTP. Their weights are random, so that what
they say is nonsense; what they say it in is not."""

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

from tests.support.models.dialects import FAMILIES, write_family
from tests.support.server import RunningServer, run_server

PATH = "/v1/chat/completions"
QUESTION = {"role": "user", "content": "What is the weather in Rome?"}
THINKERS = ["qwen", "qwen-control"]
# Templates that take one call in a message.
SINGLE = ["llama", "gpt-oss"]
WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "maxLength": 8}, "unit": {"enum": ["celsius", "kelvin"]}},
            "required": ["city", "unit"],
            "additionalProperties": False,
        },
    },
}
CLOCK: dict[str, Any] = {"type": "function", "function": {"name": "get_time"}}
TOOLS = {"get_weather": WEATHER, "get_time": CLOCK}
NAMED = {"type": "function", "function": {"name": "get_weather"}}
SCHEMA = {
    "type": "object",
    "properties": {"sky": {"enum": ["clear", "dull"]}, "degrees": {"type": "integer", "minimum": 0, "maximum": 40}},
    "required": ["sky", "degrees"],
    "additionalProperties": False,
}
FORM = {"type": "json_schema", "json_schema": {"name": "weather", "schema": SCHEMA}}


class DialectServers:
    """Servers of a few families each, started at the first use."""

    _SIZE = 4

    def __init__(self, stack: ExitStack, directory: Path) -> None:
        self._stack = stack
        self._directory = directory
        self._servers: dict[int, RunningServer] = {}

    def client(self, model: str) -> httpx.Client:
        """A client of the server that has the model."""
        names = list(FAMILIES)
        group = names.index(model) // self._SIZE
        if group not in self._servers:
            own = names[group * self._SIZE : (group + 1) * self._SIZE]
            arguments = [write_family(self._directory, name) for name in own]
            server = run_server(arguments, self._directory / f"home-{group}")
            self._servers[group] = self._stack.enter_context(server)
        return self._servers[group].client()


@pytest.fixture(scope="module")
def speakers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DialectServers]:
    """A model of each family."""
    with ExitStack() as stack:
        yield DialectServers(stack, tmp_path_factory.mktemp("dialects"))


def body(model: str, **fields: Any) -> dict[str, Any]:
    return {"model": model, "messages": [QUESTION], "max_tokens": 100, "temperature": 1, "seed": 1} | fields


def thinking(model: str, **fields: Any) -> dict[str, Any]:
    """A request for four answers, most of which leave their thoughts after a few tokens."""
    bias = {FAMILIES[model].token("</think>"): 8, "2": -100}
    return body(model, n=4, logit_bias=bias, **fields)


def whole(server: DialectServers, request_fields: dict[str, Any]) -> dict[str, Any]:
    with server.client(request_fields["model"]) as client:
        answer = client.post(PATH, json=request_fields)
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


def streamed(server: DialectServers, request_fields: dict[str, Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The choices that the chunks of a stream make, put together by their own rules, and its usage."""
    options = {"stream": True, "stream_options": {"include_usage": True}}
    with server.client(request_fields["model"]) as client:
        text = client.post(PATH, json=request_fields | options).text
    chunks = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
    choices: list[dict[str, Any]] = [{"content": "", "calls": []} for _ in range(request_fields.get("n", 1))]
    for piece in [piece for chunk in chunks for piece in chunk["choices"]]:
        choice, delta = choices[piece["index"]], piece["delta"]
        for name in ("content", "reasoning_content", "reasoning"):
            if name in delta:
                choice[name] = choice.get(name, "") + (delta[name] or "")
        for part in delta.get("tool_calls", ()):
            if part["index"] == len(choice["calls"]):
                choice["calls"].append((part["function"]["name"], part["function"]["arguments"]))
            else:
                name, arguments = choice["calls"][part["index"]]
                choice["calls"][part["index"]] = (name, arguments + part["function"]["arguments"])
        choice["finish_reason"] = piece["finish_reason"]
    return choices, chunks[-1]["usage"]


def reported(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """The choices of a whole answer, in the manner of `streamed`."""
    return [
        {name: text for name, text in choice["message"].items() if name in ("reasoning_content", "reasoning")}
        | {"content": choice["message"]["content"] or "", "finish_reason": choice["finish_reason"]}
        | {"calls": [(call["function"]["name"], call["function"]["arguments"]) for call in _calls(choice)]}
        for choice in answer["choices"]
    ]


def _calls(choice: dict[str, Any]) -> list[dict[str, Any]]:
    calls: list[dict[str, Any]] = choice["message"].get("tool_calls", [])
    return calls


def agree(server: DialectServers, request_fields: dict[str, Any]) -> list[dict[str, Any]]:
    """The choices of the answer, which must be the same streamed."""
    answer = whole(server, request_fields)
    choices, usage = streamed(server, request_fields)
    assert choices == reported(answer)
    for name in ("completion_tokens", "completion_tokens_details"):
        assert usage[name] == answer["usage"][name]
    return choices


def valid(call: tuple[str, str]) -> None:
    name, arguments = call
    jsonschema.validate(json.loads(arguments), TOOLS[name]["function"].get("parameters", {"maxProperties": 0}))


@pytest.mark.parametrize("model", THINKERS)
def test_reasoning_is_separated(speakers: DialectServers, model: str) -> None:
    request_fields = thinking(model, max_tokens=60)
    choices = agree(speakers, request_fields)
    assert any(choice["content"] and choice.get("reasoning_content") for choice in choices)
    for choice in choices:
        assert choice.get("reasoning") == choice.get("reasoning_content")
        assert "</think>" not in choice.get("reasoning_content", "")
    usage = whole(speakers, request_fields)["usage"]
    assert 0 < usage["completion_tokens_details"]["reasoning_tokens"] < usage["completion_tokens"] == 240


@pytest.mark.parametrize("model", THINKERS)
def test_an_answer_with_endless_reasoning(speakers: DialectServers, model: str) -> None:
    bias = {FAMILIES[model].token("</think>"): -100, "2": -100}
    answer = whole(speakers, body(model, max_tokens=12, logit_bias=bias, response_format=FORM))
    assert answer["usage"]["completion_tokens_details"] == {"reasoning_tokens": 12}
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["choices"][0]["message"]["content"] == ""
    assert answer["choices"][0]["message"]["reasoning_content"]


@pytest.mark.parametrize("model", THINKERS)
def test_reasoning_effort_switches_reasoning(speakers: DialectServers, model: str) -> None:
    with speakers.client(model) as client:
        prompts = {
            effort: client.post(f"{PATH}/preflight", json=body(model, reasoning_effort=effort)).json()["prompt"]
            for effort in (None, "none", "low")
        }
    assert prompts[None] == prompts["low"]
    assert prompts["low"].endswith("assistant\n<think>\n")
    assert prompts["none"].endswith("assistant\n<think>\n\n</think>\n\n")
    answer = whole(speakers, body(model, reasoning_effort="none", max_tokens=10))
    assert answer["usage"]["completion_tokens_details"] == {"reasoning_tokens": 0}
    assert "reasoning_content" not in answer["choices"][0]["message"]
    assert answer["choices"][0]["message"]["content"]


def test_reasoning_effort_is_refused_by_models_without_a_switch(speakers: DialectServers) -> None:
    for model, effort, status in [("llama", "high", 200), ("llama", "none", 200), ("magistral", "none", 400)]:
        with speakers.client(model) as client:
            answer = client.post(PATH, json=body(model, reasoning_effort=effort, max_tokens=2))
        assert answer.status_code == status, (model, effort)
        assert status == 200 or answer.json()["error"]["param"] == "reasoning_effort"


@pytest.mark.parametrize("model", THINKERS)
@pytest.mark.parametrize("form", [{"response_format": FORM}, {"regex": "[a-c]{3}-[0-9]{2}"}])
def test_a_response_format_applies_after_reasoning(speakers: DialectServers, model: str, form: dict[str, Any]) -> None:
    choices = agree(speakers, thinking(model, **form))
    assert any(choice.get("reasoning_content") for choice in choices)
    answered = [choice for choice in choices if choice["content"]]
    assert answered
    for choice in answered:
        if "regex" in form:
            assert re.fullmatch(form["regex"], choice["content"])
        else:
            jsonschema.validate(json.loads(choice["content"]), SCHEMA)


@pytest.mark.parametrize("model", THINKERS)
def test_a_response_format_applies_from_the_start_without_reasoning(speakers: DialectServers, model: str) -> None:
    [choice] = agree(speakers, body(model, reasoning_effort="none", response_format=FORM))
    jsonschema.validate(json.loads(choice["content"]), SCHEMA)


@pytest.mark.parametrize("tool_choice", ["required", NAMED])
@pytest.mark.parametrize("model", THINKERS)
def test_a_forced_call_after_reasoning(speakers: DialectServers, model: str, tool_choice: Any) -> None:
    choices = agree(speakers, thinking(model, tools=list(TOOLS.values()), tool_choice=tool_choice, max_tokens=160))
    assert any(choice["calls"] and choice.get("reasoning_content") for choice in choices)
    for choice in choices:
        assert choice["content"] == ""
        assert not choice["calls"] or choice["finish_reason"] in ("tool_calls", "length")
        for call in choice["calls"]:
            valid(call)
            assert tool_choice == "required" or call[0] == "get_weather"


@pytest.mark.parametrize("model", THINKERS)
def test_a_call_started_by_the_model(speakers: DialectServers, model: str) -> None:
    """Text is free until the marker; what follows it is bound, and only that."""
    bias = {FAMILIES[model].token("<tool_call>"): 8}
    request_fields = body(
        model, n=4, logit_bias=bias, reasoning_effort="none", tools=list(TOOLS.values()), max_tokens=160
    )
    choices = agree(speakers, request_fields)
    assert any(choice["calls"] for choice in choices)
    for choice in choices:
        for call in choice["calls"]:
            valid(call)


@pytest.mark.parametrize("model", THINKERS)
def test_an_object_or_a_call_after_reasoning(speakers: DialectServers, model: str) -> None:
    request_fields = thinking(
        model, tools=list(TOOLS.values()), tool_choice="auto", response_format=FORM, max_tokens=160
    )
    choices = [choice for choice in agree(speakers, request_fields) if choice["calls"] or choice["content"]]
    assert choices
    for choice in choices:
        for call in choice["calls"]:
            valid(call)
        if not choice["calls"]:
            jsonschema.validate(json.loads(choice["content"]), SCHEMA)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tool_choice", "parallel"),
    [
        ("required", True),
        ("required", False),
        (NAMED, False),
        pytest.param(NAMED, True, marks=pytest.mark.exhaustive),  # one call, as without parallel calls
    ],
)
@pytest.mark.parametrize("model", [name for name in FAMILIES if name not in THINKERS])
def test_forced_calls_of_every_family(speakers: DialectServers, model: str, tool_choice: Any, parallel: bool) -> None:
    request_fields = body(
        model, n=4, tools=list(TOOLS.values()), tool_choice=tool_choice, parallel_tool_calls=parallel, max_tokens=160
    )
    for choice in agree(speakers, request_fields):
        assert choice["content"] == ""
        assert choice["finish_reason"] in ("tool_calls", "length")
        assert len(choice["calls"]) == 1 or (parallel and tool_choice == "required" and choice["calls"])
        for call in choice["calls"]:
            valid(call)
            assert tool_choice == "required" or call[0] == "get_weather"


@pytest.mark.parametrize("model", FAMILIES)
@pytest.mark.parametrize("max_tokens", [90, 110])
def test_calls_close_when_tokens_run_out(speakers: DialectServers, model: str, max_tokens: int) -> None:
    effort = {"reasoning_effort": "none"} if model in THINKERS else {}
    request_fields = body(
        model, n=6, tools=list(TOOLS.values()), tool_choice="required", max_tokens=max_tokens, **effort
    )
    for choice in whole(speakers, request_fields)["choices"]:
        assert _calls(choice)
        for call in _calls(choice):
            valid((call["function"]["name"], call["function"]["arguments"]))


@pytest.mark.parametrize(
    ("model", "token", "ends"),
    [
        ("llama", "<|eot_id|>", True),
        ("phi", "<|end|>", True),
        ("gemma", "<end_of_turn>", True),
        ("granite", "<|end_of_text|>", True),
        ("gpt-oss", "<|return|>", True),
        ("gpt-oss", "<|call|>", True),
        ("gpt-oss", "<|end|>", False),
        ("llama", "<|start_header_id|>", False),
    ],
)
def test_an_answer_ends_at_the_end_tokens_of_its_family(
    speakers: DialectServers, model: str, token: str, ends: bool
) -> None:
    """The file names another end token."""
    bias = {FAMILIES[model].token(token): 100}
    answer = whole(speakers, body(model, logit_bias=bias, max_tokens=3))
    assert answer["choices"][0]["finish_reason"] == ("stop" if ends else "length")
    assert answer["usage"]["completion_tokens"] == (1 if ends else 3)
    assert answer["choices"][0]["message"]["content"] == ""


def test_an_assistant_prefix_is_continued_in_the_final_channel(speakers: DialectServers) -> None:
    beginning = {"role": "assistant", "content": "It is <|end|>"}
    request_fields = body("gpt-oss", messages=[QUESTION, beginning], max_tokens=4)
    with speakers.client("gpt-oss") as client:
        prompt = client.post(f"{PATH}/preflight", json=request_fields).json()["prompt"]
    assert prompt.endswith("<|start|>assistant<|channel|>final<|message|>It is <|end|>")
    assert whole(speakers, request_fields)["usage"]["completion_tokens_details"] == {"reasoning_tokens": 0}


@pytest.mark.parametrize("model", ["qwen-coder", "lfm", "gpt-oss", "gemma"])
def test_a_response_format_applies_in_every_dialect(speakers: DialectServers, model: str) -> None:
    for fields in ({}, {"tools": list(TOOLS.values()), "tool_choice": "auto"}):
        for choice in agree(speakers, body(model, n=2, response_format=FORM, max_tokens=160, **fields)):
            assert choice["calls"] or choice["content"]
            for call in choice["calls"]:
                valid(call)
            if not choice["calls"]:
                jsonschema.validate(json.loads(choice["content"]), SCHEMA)


@pytest.mark.parametrize("model", FAMILIES)
def test_calls_and_their_results_come_back(speakers: DialectServers, model: str) -> None:
    """Also calls that another model has made, two in a message and under its own ids."""
    calls = [
        {"id": f"call_{number:024}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for number, (name, arguments) in enumerate(
            [("get_weather", '{"city": "Rome", "unit": "kelvin"}'), ("get_time", "")]
        )
    ]
    results = [{"role": "tool", "tool_call_id": call["id"], "content": f"result {n}"} for n, call in enumerate(calls)]
    content = {"role": "assistant", "content": None, "tool_calls": calls, "reasoning_content": "I look it up."}
    request_fields = body(
        model, messages=[QUESTION, content, *results], tools=list(TOOLS.values()), tool_choice="auto", max_tokens=8
    )
    with speakers.client(model) as client:
        prompt = client.post(f"{PATH}/preflight", json=request_fields).json()["prompt"]
    places = [prompt.rindex("kelvin"), prompt.index("get_time", prompt.rindex("kelvin"))]
    places += [prompt.rindex(f"result {number}") for number in range(2)]
    order = [places[0], places[2], places[1], places[3]] if model in SINGLE else places
    assert order == sorted(order)
    assert ("I look it up." in prompt) == (model in [*THINKERS, "lfm", "gpt-oss"])
    assert whole(speakers, request_fields)["usage"]["completion_tokens"] <= 8
