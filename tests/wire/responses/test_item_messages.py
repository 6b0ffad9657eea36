"""From items to messages, and from paths within messages back to items."""

from typing import Any

import msgspec
import pytest

from forefront.wire.errors import RequestError
from forefront.wire.responses.chat_request import ParsedResponse, to_chat_request
from forefront.wire.responses.item_messages import encode_reasoning
from forefront.wire.responses.parse import parse_request

CALL = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
OTHER = CALL | {"call_id": "c2"}
RESULT = {"type": "function_call_output", "call_id": "c1", "output": "one"}
OTHER_RESULT = RESULT | {"call_id": "c2", "output": "two"}
USER = {"role": "user", "content": "Hello"}
ASSISTANT = {"role": "assistant", "content": [{"type": "output_text", "text": "Hi", "annotations": []}]}
REASONING = {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "why"}]}


def parse(*items: Any, **fields: Any) -> ParsedResponse:
    request, ignored = parse_request(msgspec.json.encode({"model": "m", "input": list(items)} | fields))
    return to_chat_request(request, ignored)


def shape(parsed: ParsedResponse) -> list[str]:
    """Each message in a word: its role, calls, or the call that it answers."""
    return [
        " ".join(filter(None, [message.role, *(call.id for call in message.tool_calls or ()), message.tool_call_id]))
        for message in parsed.request.messages
    ]


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ([USER], ["user"]),
        ([USER, CALL, OTHER, RESULT, OTHER_RESULT], ["user", "assistant c1 c2", "tool c1", "tool c2"]),
        ([USER, CALL, OTHER, OTHER_RESULT, RESULT], ["user", "assistant c1 c2", "tool c2", "tool c1"]),
        ([USER, CALL, RESULT, OTHER, OTHER_RESULT], ["user", "assistant c1", "tool c1", "assistant c2", "tool c2"]),
        ([USER, ASSISTANT, CALL, RESULT], ["user", "assistant c1", "tool c1"]),
        ([USER, CALL, USER, RESULT], ["user", "assistant c1", "tool c1", "user"]),
        ([USER, REASONING, CALL, RESULT, ASSISTANT], ["user", "assistant c1", "tool c1", "assistant"]),
        ([USER, REASONING, USER], ["user", "assistant", "user"]),
        ([CALL, RESULT, CALL, RESULT], ["assistant c1", "tool c1", "assistant c1", "tool c1"]),
    ],
)
def test_items_become_messages(items: list[Any], expected: list[str]) -> None:
    assert shape(parse(*items)) == expected


def test_reasoning_precedes_its_message_under_every_form() -> None:
    for part in (
        {"content": REASONING["content"]},
        {"summary": [{"type": "summary_text", "text": "why"}]},
        {"encrypted_content": encode_reasoning("why")},
    ):
        parsed = parse(USER, {"type": "reasoning", "summary": []} | part, ASSISTANT, USER)
        assert [message.reasoning_content for message in parsed.request.messages] == [None, "why", None]


def test_paths_lead_back_to_items() -> None:
    space = {"type": "namespace", "name": "n", "tools": [{"type": "function", "name": "f"}]}
    tools = [space, {"type": "custom", "name": "t"}]
    parsed = parse(USER, REASONING, ASSISTANT, CALL, OTHER, RESULT, instructions="Be brief", tools=tools)
    for path, expected in {
        "messages": "input",
        "messages[0].content": "instructions",
        "messages[1].content": "input[0].content",
        "messages[2].content[0].text": "input[2].content[0].text",
        "messages[2].reasoning_content": "input[1]",
        "messages[2].tool_calls[1].function.arguments": "input[4].arguments",
        "messages[3].content": "input[5].output",
        "messages[3].tool_call_id": "input[5].call_id",
        "messages[9].content": "messages[9].content",
        "tools[2].function.parameters.a": "tools[2].parameters.a",
        "tools[n__f].function.parameters.a": "tools[0].tools[0].parameters.a",
        "tools[t].custom.format.grammar.definition": "tools[1].format.definition",
        "response_format.json_schema.schema.properties": "text.format.schema.properties",
        "max_tokens": "max_output_tokens",
        "min_tokens": "min_tokens",
        "temperature": "temperature",
    }.items():
        assert parsed.field_name(path) == expected


@pytest.mark.parametrize(
    ("items", "param"),
    [
        ([RESULT], "input[0].call_id"),
        ([RESULT, CALL], "input[0].call_id"),
        ([CALL, CALL, RESULT], "input[1].call_id"),
        ([CALL, RESULT, RESULT], "input[2].call_id"),
    ],
)
def test_calls_and_results_match(items: list[Any], param: str) -> None:
    with pytest.raises(RequestError) as refused:
        parse(*items)
    assert refused.value.param == param


def test_many_items_take_linear_time() -> None:
    items = [CALL | {"call_id": f"c{number}"} for number in range(2000)]
    results = [RESULT | {"call_id": f"c{number}"} for number in reversed(range(2000))]
    assert len(parse(*items, *results).request.messages) == 2001


def test_unknown_fields_are_listed_and_returned_ones_are_not() -> None:
    parsed = parse(CALL | {"status": "completed", "colour": 1}, RESULT, ASSISTANT, text={"verbosity": "low"})
    assert set(parsed.ignored) == {"input[0].colour", "text.verbosity"}
