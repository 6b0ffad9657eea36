"""From a Messages request to a chat request, and back in the names of fields."""

import json
from typing import Any

import msgspec
import pytest

from forefront.wire.errors import RequestError
from forefront.wire.messages.chat_request import ParsedMessage, parse_count_tokens_request, parse_messages_request
from forefront.wire.messages.thinking import encode_thinking

HELLO = [{"role": "user", "content": "Hello"}]
TOOL = {"name": "get_weather", "input_schema": {"type": "object"}}
CALL = {"type": "tool_use", "id": "t1", "name": "get_weather", "input": {"city": "Rome"}}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": "sunny"}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}
BUDGET = {"type": "enabled", "budget_tokens": 1024}


def parse(**fields: Any) -> ParsedMessage:
    body = {"model": "m", "max_tokens": 9000, "messages": HELLO} | fields
    return parse_messages_request(json.dumps(body).encode())


def text(content: str) -> dict[str, Any]:
    return {"type": "text", "text": content}


def user(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def conversation(*messages: dict[str, Any], **fields: Any) -> list[dict[str, Any]]:
    """The messages of the chat request, without what is null."""
    plain = msgspec.to_builtins(parse(messages=list(messages), **fields).request.messages)
    return [{name: value for name, value in message.items() if value is not None} for message in plain]


def test_turns_become_messages() -> None:
    thinking = {"type": "thinking", "thinking": "The weather.", "signature": "theirs"}
    omitted = {"type": "thinking", "thinking": "", "signature": encode_thinking("Hidden ✓.")}
    redacted = {"type": "redacted_thinking", "data": encode_thinking("Redacted.")}
    found = conversation(
        user(text("Where?"), IMAGE),
        {"role": "user", "content": "Rome"},
        assistant(thinking, omitted, redacted, text("Let me see"), CALL),
        user(text("thanks"), RESULT | {"content": [text("sunny"), text("warm"), IMAGE], "is_error": True}),
        system=[text("Be brief")],
    )
    call = {"name": "get_weather", "arguments": '{"city":"Rome"}'}
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk=", "detail": None}}
    assert found == [
        {"role": "system", "content": "Be brief"},
        {"role": "user", "content": [text("Where?"), image, text("Rome")]},
        {
            "role": "assistant",
            "content": "Let me see",
            "reasoning_content": "The weather.\nHidden ✓.\nRedacted.",
            "tool_calls": [{"id": "t1", "type": "function", "function": call}],
        },
        {"role": "tool", "tool_call_id": "t1", "content": "Error:\nsunny\nwarm"},
        {"role": "user", "content": [image, text("thanks")]},
    ]


def test_a_result_alone_needs_no_message_of_the_user() -> None:
    found = conversation(user(text("x")), assistant(CALL), user({"type": "tool_result", "tool_use_id": "t1"}))
    assert [message["role"] for message in found] == ["user", "assistant", "tool"]
    assert found[-1]["content"] == ""


def test_an_assistant_prefix_stays_last() -> None:
    found = conversation({"role": "system", "content": "b"}, user(text("x")), assistant(text("y")), system="a")
    assert [(message["role"], message["content"]) for message in found] == [
        ("system", "a"), ("system", "b"), ("user", "x"), ("assistant", "y"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("choice", "expected", "parallel"),
    [
        ({"type": "auto"}, "auto", None),
        ({"type": "any", "disable_parallel_tool_use": True}, "required", False),
        ({"type": "auto", "disable_parallel_tool_use": False}, "auto", True),
        ({"type": "none"}, "none", None),
    ],
)
def test_tool_choice(choice: dict[str, Any], expected: str, parallel: bool | None) -> None:
    request = parse(tools=[TOOL | {"type": "custom"}], tool_choice=choice).request
    assert (request.tool_choice, request.parallel_tool_calls) == (expected, parallel)


def test_the_choice_of_a_tool() -> None:
    request = parse(tools=[TOOL | {"type": None}], tool_choice={"type": "tool", "name": "get_weather"}).request
    assert [tool.function.name for tool in request.callable_tools] == ["get_weather"]
    assert request.call_mode == "one"


@pytest.mark.parametrize(
    ("fields", "effort", "ignored"),
    [
        ({}, None, ()),
        ({"thinking": {"type": "adaptive"}}, None, ()),
        ({"thinking": {"type": "disabled"}}, "none", ()),
        ({"thinking": BUDGET}, "low", ()),
        ({"thinking": BUDGET | {"budget_tokens": 4096}}, "medium", ()),
        ({"thinking": BUDGET | {"budget_tokens": 16384}, "max_tokens": 20000}, "high", ()),
        ({"output_config": {"effort": "max"}}, "xhigh", ()),
        ({"thinking": BUDGET, "output_config": {"effort": "high"}}, "high", ("thinking.budget_tokens",)),
        ({"thinking": {"type": "disabled"}, "output_config": {"effort": "high"}}, "none", ("output_config.effort",)),
    ],
)
def test_thinking_sets_the_effort(fields: dict[str, Any], effort: str | None, ignored: tuple[str, ...]) -> None:
    parsed = parse(**fields)
    assert (parsed.request.reasoning_effort, parsed.ignored) == (effort, ignored)


def test_fields_without_effect_are_listed() -> None:
    cached = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    form = {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}}
    assert parse(metadata={"user_id": "me"}, diagnostics={}, other=1).ignored == (
        "diagnostics", "other", "metadata.user_id",
    )  # fmt: skip
    assert parse(stop_sequences=["a"], **form).ignored == ("stop_sequences",)
    for fields in (
        cached,
        {"system": [text("x") | cached]},
        {"tools": [TOOL | cached]},
        {"messages": [user(text("x") | cached)]},
        {"messages": [user(text("x")), assistant(CALL), user(RESULT | {"content": [text("x") | cached]})]},
    ):
        assert parse(**fields).ignored == ("cache_control",)
    assert parse(service_tier="auto", speed="standard", context_management={"edits": []}).ignored == ()


ROUND = [user(text("x")), assistant(CALL)]


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"messages": []}, "invalid_value", "messages"),
        ({"messages": [user()]}, "missing_parameter", "messages[0].content"),
        ({"messages": [{"role": "user"}]}, "missing_parameter", "messages[0].content"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "unsupported_parameter", "messages[0].role"),
        ({"messages": [user({"type": "document"})]}, "unsupported_parameter", "messages[0].content[0].type"),
        ({"messages": [user({"text": "x"})]}, "missing_parameter", "messages[0].content[0].type"),
        ({"messages": [user(CALL)]}, "invalid_value", "messages[0].content[0].type"),
        ({"messages": [assistant(IMAGE)]}, "invalid_value", "messages[0].content[0].type"),
        ({"messages": [*ROUND, user(RESULT, RESULT)]}, "invalid_value", "messages[2].content[1].tool_use_id"),
        ({"messages": [user(text("x"), RESULT)]}, "invalid_value", "messages[0].content[1].tool_use_id"),
        ({"messages": [user(text("x")), assistant(CALL, CALL)]}, "invalid_value", "messages[1].content[1].id"),
        (
            {"messages": [user(IMAGE | {"source": {"type": "url", "url": "http://127.0.0.1/x"}})]},
            "invalid_value",
            "messages[0].content[0].source",
        ),
        (
            {"messages": [*ROUND, user(RESULT | {"content": [IMAGE | {"source": {"type": "url", "url": "x"}}]})]},
            "invalid_value",
            "messages[2].content[0].content[0].source",
        ),
        (
            {"messages": [user(IMAGE | {"source": {"type": "file", "file_id": "f"}})]},
            "unsupported_parameter",
            "messages[0].content[0].source.type",
        ),
        (
            {"messages": [*ROUND, user(RESULT | {"content": [{"type": "document"}]})]},
            "unsupported_parameter",
            "messages[2].content[0].content[0].type",
        ),
        (
            {"messages": [assistant({"type": "redacted_thinking", "data": "EmwK"})]},
            "invalid_value",
            "messages[0].content[0].data",
        ),
        (
            {"messages": [assistant({"type": "thinking", "thinking": "", "signature": "forefront:!"})]},
            "invalid_value",
            "messages[0].content[0].signature",
        ),
        ({"system": [{"type": "image"}]}, "invalid_value", "system[0].type"),
        ({"max_tokens": None}, "missing_parameter", "max_tokens"),
        ({"max_tokens": 0}, "invalid_value", "max_tokens"),
        ({"tools": [{"type": "web_search_20250305", "name": "w"}]}, "unsupported_parameter", "tools[0].type"),
        ({"tools": [{"type": "bash_20250124", "name": "bash"}]}, "unsupported_parameter", "tools[0].type"),
        ({"tools": [{"name": "a"}]}, "missing_parameter", "tools[0].input_schema"),
        ({"tools": [TOOL | {"input_schema": {}}]}, "missing_parameter", "tools[0].input_schema.type"),
        ({"tools": [TOOL | {"input_schema": {"type": "array"}}]}, "invalid_value", "tools[0].input_schema.type"),
        ({"tools": [TOOL, TOOL]}, "invalid_value", "tools[1].name"),
        ({"tools": [TOOL | {"input_examples": [{}]}]}, "unsupported_parameter", "tools[0].input_examples"),
        ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "b"}}, "invalid_value", "tool_choice"),
        ({"tool_choice": {"type": "any"}}, "invalid_value", "tool_choice"),
        ({"tool_choice": {"type": "all"}}, "invalid_value", "tool_choice.type"),
        ({"tool_choice": "auto"}, "invalid_type", "tool_choice"),
        ({"thinking": BUDGET | {"budget_tokens": 1023}}, "invalid_value", "thinking.budget_tokens"),
        ({"thinking": BUDGET | {"budget_tokens": 9000}}, "invalid_value", "thinking.budget_tokens"),
        ({"thinking": {"type": "enabled"}}, "missing_parameter", "thinking.budget_tokens"),
        ({"thinking": {"type": "between_tools"}}, "unsupported_parameter", "thinking.type"),
        ({"output_config": {"effort": "huge"}}, "invalid_value", "output_config.effort"),
        ({"output_config": {"task_budget": {}}}, "unsupported_parameter", "output_config.task_budget"),
        ({"stop_sequences": ["a"], "stop": "b"}, "invalid_value", "stop"),
        ({"stop_sequences": [""]}, "invalid_value", "stop_sequences[0]"),
        ({"cache_control": {"type": "forever"}}, "invalid_value", "cache_control.type"),
        ({"container": "c"}, "unsupported_parameter", "container"),
        ({"mcp_servers": [{}]}, "unsupported_parameter", "mcp_servers"),
        ({"speed": "fast"}, "unsupported_parameter", "speed"),
        ({"context_management": {"edits": [{"type": "x"}]}}, "unsupported_parameter", "context_management"),
        ({"temprature": 1}, "unknown_parameter", "temprature"),
        ({"stop_sequence": ["a"]}, "unknown_parameter", "stop_sequence"),
        ({"service_tier": "flex"}, "invalid_value", "service_tier"),
    ],
)  # fmt: skip
def test_errors_name_the_field_of_this_api(fields: dict[str, Any], code: str, param: str) -> None:
    with pytest.raises(RequestError) as caught:
        parse(**fields)
    assert (caught.value.code, caught.value.param) == (code, param), caught.value.message
    assert "tool_call_id" not in caught.value.message


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("messages", "messages"),
        ("messages[0].content", "system"),
        ("messages[0].content[1].text", "system[1].text"),
        ("messages[1].content", "messages[0].content"),
        ("messages[2]", "messages[1]"),
        ("messages[2].content", "messages[1].content"),
        ("messages[2].reasoning_content", "messages[1].content[0].thinking"),
        ("messages[2].tool_calls[0].function.arguments", "messages[1].content[1].input"),
        ("messages[2].tool_calls[0].function.name", "messages[1].content[1].name"),
        ("messages[3].tool_call_id", "messages[2].content[1].tool_use_id"),
        ("messages[3].content", "messages[2].content[1].content"),
        ("messages[4].content[0].type", "messages[2].content[1].content[0].type"),
        ("messages[4].content[1].text", "messages[2].content[0].text"),
        ("messages[9].content", "messages[9].content"),
        ("tools[0].function.name", "tools[0].name"),
        ("tools[0].function.parameters.properties.a", "tools[0].input_schema.properties.a"),
        ("tools[f].function.parameters.properties.a", "tools[f].input_schema.properties.a"),
        ("response_format.json_schema.schema.type", "output_config.format.schema.type"),
        ("response_format", "output_config.format"),
        ("reasoning_effort", "thinking"),
        ("stop", "stop_sequences"),
        ("max_tokens", "max_tokens"),
    ],
)
def test_names_of_fields(path: str, name: str) -> None:
    thought = {"type": "thinking", "thinking": "hm", "signature": ""}
    result = RESULT | {"content": [IMAGE]}
    messages = [{"role": "user", "content": "x"}, assistant(thought, CALL), user(text("x"), result)]
    parsed = parse(system=[text("a"), text("b")], messages=messages, tools=[TOOL], stop_sequences=["z"])
    assert parsed.field_name(path) == name


def test_counting_needs_no_limit() -> None:
    body = {"model": "m", "messages": HELLO, "system": "s", "tools": [TOOL]}
    request = parse_count_tokens_request(json.dumps(body).encode()).request
    assert (request.max_tokens, len(request.messages)) == (None, 2)
    whole = body | {"max_tokens": 5, "metadata": {"user_id": "me"}, "stop_sequences": ["a"]}
    assert parse_count_tokens_request(json.dumps(whole).encode()).ignored == (
        "max_tokens", "metadata", "stop_sequences",
    )  # fmt: skip
    with pytest.raises(RequestError) as caught:
        parse_count_tokens_request(json.dumps(body | {"messages": []}).encode())
    assert caught.value.param == "messages"
