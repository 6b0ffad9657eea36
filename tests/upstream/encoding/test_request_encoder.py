"""Requests in each dialect: a field is passed on under the right name, or refused by its name."""

import re
from pathlib import Path
from typing import Any

import pytest

from forefront.upstream.dialects import DIALECTS, NEUTRAL
from forefront.wire.completions.request import ChatRequest, CompletionRequest
from forefront.wire.errors import RequestError
from tests.upstream.backends import QUESTION, chat, text
from tests.upstream.request_fields import (
    CHAT_SAMPLES,
    NEEDS,
    OTHERS,
    TEXT_SAMPLES,
    TOOLS,
    added,
    encode,
    table,
)

PAGE = Path("docs/upstreams.md").read_text()
NAMES = list(DIALECTS)
SCHEMA = {"schema": {"type": "object"}}
NEUTRAL_VALUES = [(name, value) for name in NEUTRAL if name != "response_format" for value in NEUTRAL[name]]


@pytest.mark.parametrize(("kind", "samples"), [(ChatRequest, CHAT_SAMPLES), (CompletionRequest, TEXT_SAMPLES)])
def test_no_field_is_forgotten(kind: type, samples: dict[str, Any]) -> None:
    assert set(kind.__struct_fields__) - OTHERS == set(samples)  # type: ignore[attr-defined]


def test_the_page_has_the_name_of_each_field_in_each_dialect() -> None:
    lines = re.findall(r"^\| `\w+`(?:, (?:chat|text))? \|(?: [^|]+\|){8}$", PAGE, re.MULTILINE)
    shown = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert shown == table()
    [head] = re.findall(r"^\| field \|(.*)\|$", PAGE, re.MULTILINE)
    assert [cell.strip(" `") for cell in head.split("|")] == NAMES
    rows = PAGE.split("| dialect | server |")[1].split("\n\n")[0]
    assert re.findall(r"^\| `(.*?)` \|", rows, re.MULTILINE) == NAMES


@pytest.mark.parametrize("dialect", NAMES)
@pytest.mark.parametrize(("is_chat", "samples"), [(True, CHAT_SAMPLES), (False, TEXT_SAMPLES)])
def test_values_arrive_or_are_refused_by_name(dialect: str, is_chat: bool, samples: dict[str, Any]) -> None:
    for name, value in samples.items():
        fields = added(dialect, name, value, is_chat=is_chat)
        if isinstance(fields, RequestError):
            assert fields.code == "unsupported_parameter"
            assert fields.param is not None
            assert name in fields.message
            assert "`big`" in fields.message
        elif name not in ("tools", "reasoning_effort", "response_format"):
            assert value in (*fields.values(), *_members(fields))


def _members(fields: dict[str, Any]) -> list[Any]:
    return [member for value in fields.values() if isinstance(value, dict) for member in value.values()]


@pytest.mark.parametrize("dialect", NAMES)
@pytest.mark.parametrize(("name", "value"), NEUTRAL_VALUES)
def test_values_that_change_nothing_are_never_refused(dialect: str, name: str, value: Any) -> None:
    for make, kind in ((chat, ChatRequest), (text, CompletionRequest)):
        if name in kind.__struct_fields__ and not (kind is CompletionRequest and name == "logprobs"):
            needed = NEEDS.get(name, {}) if kind is ChatRequest else {}
            assert encode(dialect, make(**needed | {name: value}))["model"] == "upstream-model"


@pytest.mark.parametrize("dialect", NAMES)
def test_a_stream_with_usage_is_requested(dialect: str) -> None:
    for request in (chat(), chat(stream=True), chat(n=1, logprobs=False), text()):
        body = encode(dialect, request)
        assert body["stream"] is True
        assert body["stream_options"]["include_usage"] is True
    assert encode("vllm", chat())["stream_options"]["continuous_usage_stats"] is True


@pytest.mark.parametrize("fields", [{"n": 2}, {"stop": "x"}, {"logprobs": True}])
def test_whole_answers_are_requested_where_streams_lack_fields(fields: dict[str, Any]) -> None:
    assert "stream" not in encode("ovms", chat(**fields))
    assert encode("vllm", chat(**fields))["stream"] is True


@pytest.mark.parametrize(
    ("dialect", "fields", "expected"),
    [
        ("vllm", {"top_k": 0}, {"top_k": -1}),
        ("vllm", {"top_p": 0}, {"top_p": 1e-6}),
        ("llama.cpp", {"top_k": -1}, {"top_k": 0}),
        ("ovms", {"top_k": 0}, {"top_k": -1}),
        ("llama.cpp", {"seed": 2**40}, {"seed": 2**40 % (2**31 - 1)}),
        ("ollama", {"seed": -1}, {"seed": 2**31 - 2}),
        ("vllm", {"seed": 2**40}, {"seed": 2**40}),
        ("llama.cpp", {"presence_penalty": 1.0}, {"presence_penalty": 1.0, "repeat_last_n": -1}),
        ("openai", {"max_completion_tokens": 9}, {"max_completion_tokens": 9}),
        ("vllm", {"grammar": "start: /a+/"}, {"structured_outputs": {"grammar": "start: /a+/"}}),
        ("vllm", {"reasoning_effort": "none"}, {"chat_template_kwargs": {"enable_thinking": False, "thinking": False}}),
        ("sglang", {"reasoning_effort": "none"}, {"reasoning_effort": "none"}),
        (
            "llama.cpp",
            {"reasoning_effort": "high"},
            {"chat_template_kwargs": {"enable_thinking": True, "thinking": True, "reasoning_effort": "high"}},
        ),
        (
            "openai",
            {"response_format": {"type": "json_schema", "json_schema": SCHEMA}},
            {"response_format": {"type": "json_schema", "json_schema": {"name": "answer"} | SCHEMA}},
        ),
        ("generic", {"response_format": {"type": "text"}}, {}),
        ("ollama", {"tools": TOOLS, "tool_choice": "auto"}, {"tools": TOOLS}),
        ("ollama", {"tools": TOOLS, "tool_choice": "none"}, {}),
        (
            "llama.cpp",
            {
                "tools": [*TOOLS, {"type": "function", "function": {"name": "other"}}],
                "tool_choice": {"type": "function", "function": {"name": "look"}},
            },
            {"tools": TOOLS, "tool_choice": "required"},
        ),
        (
            "vllm",
            {"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "look"}}},
            {"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "look"}}},
        ),
    ],
)  # fmt: skip
def test_values_are_translated_to_the_dialect(dialect: str, fields: dict[str, Any], expected: dict[str, Any]) -> None:
    without = encode(dialect, chat())
    assert {name: value for name, value in encode(dialect, chat(**fields)).items() if name not in without} == expected


@pytest.mark.parametrize(
    ("dialect", "fields", "expected"),
    [
        ("llama.cpp", {"response_format": {"type": "json_object"}}, {"json_schema": {"type": "object"}}),
        (
            "llama.cpp",
            {"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "array"}}}},
            {"json_schema": {"type": "array"}},
        ),
        ("ovms", {"logprobs": 0}, {"logprobs": 1}),
        ("vllm", {"logprobs": 0}, {"logprobs": 0}),
    ],
)
def test_values_of_text_completions_are_translated_to_the_dialect(
    dialect: str, fields: dict[str, Any], expected: dict[str, Any]
) -> None:
    without = encode(dialect, text())
    written = encode(dialect, text(**fields))
    assert {name: value for name, value in written.items() if name not in without} == expected


@pytest.mark.parametrize("dialect", NAMES)
def test_text_completions_have_their_default_length(dialect: str) -> None:
    assert encode(dialect, text())["max_tokens"] == 16
    assert encode(dialect, text(max_tokens=3))["max_tokens"] == 3


@pytest.mark.parametrize("grammar", ["start: /a+/", {"syntax": "lark", "definition": "start: /a+/"}])
@pytest.mark.parametrize("dialect", ["sglang", "llama.cpp"])
def test_a_lark_grammar_is_refused_by_gbnf_servers(dialect: str, grammar: Any) -> None:
    with pytest.raises(RequestError, match="This value of `grammar` is not supported by the model `big`"):
        encode(dialect, chat(grammar=grammar))


LARK = {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: /a+/"}}


@pytest.mark.parametrize("dialect", NAMES)
def test_custom_tools(dialect: str) -> None:
    free = {"type": "custom", "custom": {"name": "write", "description": "Writes"}}
    [tool] = encode(dialect, chat(tools=[free]))["tools"]
    bound = {"type": "custom", "custom": {"name": "write", "format": LARK}}
    if DIALECTS[dialect].custom_tools:
        assert tool == free
        assert encode(dialect, chat(tools=[bound]))["tools"] == [bound]
    else:
        assert tool["type"] == "function"
        assert list(tool["function"]["parameters"]["properties"]) == ["input"]
        with pytest.raises(RequestError) as refused:
            encode(dialect, chat(tools=[*TOOLS, bound]))
        assert refused.value.param == "tools[1].custom.format"


@pytest.mark.parametrize("dialect", [name for name in NAMES if name != "ollama"])
def test_a_choice_among_some_tools(dialect: str) -> None:
    other = {"type": "function", "function": {"name": "other"}}
    allowed = {"mode": "required", "tools": [{"type": "function", "function": {"name": "look"}}]}
    body = encode(dialect, chat(tools=[*TOOLS, other], tool_choice={"type": "allowed_tools", "allowed_tools": allowed}))
    if DIALECTS[dialect].allowed_tools:
        assert len(body["tools"]) == 2
        assert body["tool_choice"] == {"type": "allowed_tools", "allowed_tools": allowed}
    else:
        assert body["tools"] == TOOLS
        assert body["tool_choice"] == "required"


def test_the_older_form_of_tools_is_sent_as_the_newer_one() -> None:
    body = encode("vllm", chat(functions=[TOOLS[0]["function"]], function_call={"name": "look"}))
    assert body["tools"] == TOOLS
    assert body["tool_choice"] == {"type": "function", "function": {"name": "look"}}
    assert "functions" not in body


@pytest.mark.parametrize("dialect", NAMES)
def test_roles_and_reasoning(dialect: str) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    history = [
        {"role": "developer", "content": "Be brief."},
        QUESTION,
        {"role": "assistant", "reasoning_content": "Hmm.", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "42"},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "name": "Ann"},
    ]
    first, question, thought, result, refusal, last = encode(dialect, chat(messages=history))["messages"]
    assert first["role"] == ("developer" if dialect in ("forefront", "openai") else "system")
    assert question == QUESTION
    assert thought["tool_calls"] == [call]
    assert thought["content"] is None
    assert {name for name in thought if "reasoning" in name} == set(DIALECTS[dialect].reasoning)
    assert result == {"role": "tool", "tool_call_id": "c1", "content": "42"}
    assert refusal == {"role": "assistant", "content": "No."}
    assert last == {"role": "user", "content": "a\nb", "name": "Ann"}


@pytest.mark.parametrize("dialect", NAMES)
def test_a_last_message_of_the_assistant(dialect: str) -> None:
    request = chat(messages=[QUESTION, {"role": "assistant", "content": "So"}])
    if DIALECTS[dialect].prefill is None:
        with pytest.raises(RequestError) as refused:
            encode(dialect, request)
        assert refused.value.param == "messages[1].role"
    else:
        body = encode(dialect, request)
        assert body["messages"][-1] == {"role": "assistant", "content": "So"}
        assert bool(body.get("continue_final_message")) == (dialect in ("vllm", "sglang"))
