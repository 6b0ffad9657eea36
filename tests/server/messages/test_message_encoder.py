"""The encoder of messages: every kind of event, whole and streamed, and failures at every place."""

import json
from collections.abc import AsyncIterator, Sequence
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import Message, RawMessageStreamEvent
from anthropic.types.shared.error_response import ErrorResponse
from pydantic import TypeAdapter

from forefront.catalog.catalog import Build, ModelUse
from forefront.chat.events import (
    ChoiceEnd,
    Completed,
    ContentDelta,
    Event,
    ReasoningDelta,
    Started,
    ToolCallBegin,
    ToolInputDelta,
)
from forefront.server.messages.message_encoder import MessageEncoder
from forefront.server.sending.response_memory import ResponseMemory
from forefront.wire.errors import ERRORS, RequestError
from forefront.wire.messages.chat_request import parse_messages_request
from forefront.wire.messages.errors import messages_status
from forefront.wire.messages.thinking import SIGNATURE, decode_thinking
from tests.support.pauses import without_pauses

EVENT: TypeAdapter[RawMessageStreamEvent] = TypeAdapter(RawMessageStreamEvent)
CALLS: list[Event] = [ToolCallBegin(0, 0, "f"), ToolInputDelta(0, 0, '{"a":'), ToolInputDelta(0, 0, "1}")]
ANSWER: list[Event] = [
    Started(10, 4),
    ReasoningDelta(0, "I th"),
    ReasoningDelta(0, "ink"),
    ContentDelta(0, "He"),
    ContentDelta(0, 'llo "you"'),
    *CALLS,
    ToolCallBegin(0, 1, "g"),
    ToolInputDelta(0, 1, "{}"),
    ChoiceEnd(0, "tool_calls"),
    Completed(10, 7, 4, 2),
]


def encoder(grow: Any = lambda _: None, **fields: Any) -> MessageEncoder:
    body = {"model": "m", "max_tokens": 4000, "messages": [{"role": "user", "content": "x"}]} | fields
    model = SimpleNamespace(name="m", build=Build("w", "q", "e"), fallback=None, fingerprint="fp")
    return MessageEncoder(
        parse_messages_request(json.dumps(body).encode()), cast(ModelUse, model), ResponseMemory(grow)
    )


async def iterate(events: Sequence[Event]) -> AsyncIterator[Event]:
    for event in events:
        yield event


async def whole(events: Sequence[Event], **fields: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(msgspec.json.encode(await encoder(**fields).whole(iterate(events))))
    Message.model_validate(body)
    return body


def parse(frames: Sequence[bytes]) -> list[dict[str, Any]]:
    """The events of frames, each named by its type."""
    blocks = [block.split("\n") for block in without_pauses(b"".join(frames).decode()).split("\n\n")[:-1]]
    events = [json.loads(data.removeprefix("data: ")) for _, data in blocks]
    assert [name.removeprefix("event: ") for name, _ in blocks] == [event["type"] for event in events]
    return events


def stream(events: Sequence[Event], **fields: Any) -> list[dict[str, Any]]:
    encoding = encoder(**fields)
    return parse([frame for event in events for frame in encoding.frames(event)])


def accumulated(events: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The message that the client makes of a stream."""
    message: Any = None
    inputs: dict[int, bytes] = {}
    for event in events:
        message = accumulate_event(event=EVENT.validate_python(event), current_snapshot=message, json_bufs=inputs)
    found: dict[str, Any] = message.model_dump(mode="json")
    return found


@pytest.mark.parametrize("display", ["summarized", "omitted"])
async def test_a_stream_becomes_the_whole_message(display: Any) -> None:
    fields = {"thinking": {"type": "adaptive", "display": display}}
    expected, events = await whole(ANSWER, **fields), stream(ANSWER, **fields)
    made = accumulated(events)
    kinds = ["thinking", "text", "tool_use", "tool_use"]
    assert [block["type"] for block in expected["content"]] == [block["type"] for block in made["content"]] == kinds
    thinking, text, call, other = expected["content"]
    omitted = display == "omitted"
    assert thinking["thinking"] == made["content"][0]["thinking"] == ("" if omitted else "I think")
    assert thinking["signature"] == made["content"][0]["signature"]
    if omitted:
        assert decode_thinking(thinking["signature"], "x") == "I think"
    else:
        assert thinking["signature"] == SIGNATURE
    assert text["text"] == made["content"][1]["text"] == 'Hello "you"'
    assert (call["input"], other["input"]) == ({"a": 1}, {})
    assert [block["input"] for block in made["content"][2:]] == [{"a": 1}, {}]
    assert made["usage"]["input_tokens"] == expected["usage"]["input_tokens"] == 6
    assert made["usage"]["cache_read_input_tokens"] == 4
    assert made["usage"]["output_tokens_details"] == {"thinking_tokens": 2}
    assert made["stop_reason"] == expected["stop_reason"] == "tool_use"
    order = [event["type"] for event in events if event["type"] != "content_block_delta"]
    assert order == [
        "message_start",
        *["content_block_start", "content_block_stop"] * 4,
        "message_delta",
        "message_stop",
    ]


async def test_deltas_of_two_calls_may_alternate() -> None:
    events: list[Event] = [
        Started(1, 0), ToolCallBegin(0, 0, "f"), ToolCallBegin(0, 1, "g"), ToolInputDelta(0, 0, '{"a":1}'),
        ToolInputDelta(0, 1, '{"b":2}'), ChoiceEnd(0, "tool_calls"), Completed(1, 1, 0),
    ]  # fmt: skip
    expected = [{"a": 1}, {"b": 2}]
    assert [block["input"] for block in (await whole(events))["content"]] == expected
    assert [block["input"] for block in accumulated(stream(events))["content"]] == expected


@pytest.mark.parametrize(
    ("end", "reason", "sequence"),
    [
        (ChoiceEnd(0, "stop"), "end_turn", None),
        (ChoiceEnd(0, "stop", "END"), "stop_sequence", "END"),
        (ChoiceEnd(0, "length"), "max_tokens", None),
        (ChoiceEnd(0, "deadline"), "max_tokens", None),
        (ChoiceEnd(0, "tool_calls"), "tool_use", None),
        (ChoiceEnd(0, "content_filter"), "refusal", None),
    ],
)
async def test_reasons(end: ChoiceEnd, reason: str, sequence: str | None) -> None:
    events: list[Event] = [Started(1, 0), end, Completed(1, 0, 0)]
    body = await whole(events)
    assert (body["stop_reason"], body["stop_sequence"], body["content"]) == (reason, sequence, [])
    assert stream(events)[-2]["delta"] == {"stop_reason": reason, "stop_sequence": sequence}


@pytest.mark.parametrize("text", ['{"a": ', "", "[1]", '{"a": 1e999}', "[" * 100_000])
async def test_non_object_arguments(text: str) -> None:
    events: list[Event] = [Started(1, 0), ToolCallBegin(0, 0, "f"), ToolInputDelta(0, 0, text), ChoiceEnd(0, "length")]
    assert (await whole([*events, Completed(1, 1, 0)]))["content"][0]["input"] == {}


@pytest.mark.parametrize("place", range(1, len(ANSWER)))
def test_a_failure_ends_a_stream_with_one_error(place: int) -> None:
    encoding = encoder()
    frames = [frame for event in ANSWER[:place] for frame in encoding.frames(event)]
    events = parse(
        [*frames, encoding.failure(RequestError("engine_failed", "The engine failed.")), encoding.end_of_stream()]
    )
    assert [event["type"] for event in events].count("error") == 1
    assert events[-1] == {"type": "error", "error": {"type": "api_error", "message": "The engine failed."}}
    assert "message_stop" not in [event["type"] for event in events]


def test_an_idle_stream_sends_pings() -> None:
    pause = encoder().pause(2, 1.5)
    assert parse([pause]) == [{"type": "ping"}]
    assert pause.startswith(b": waiting, 2 ahead")


def test_omitted_thinking_counts_towards_memory() -> None:
    held: list[int] = []
    encoding = encoder(held.append, thinking={"type": "adaptive", "display": "omitted"})
    encoding.frames(Started(1, 0))
    assert len(encoding.frames(ReasoningDelta(0, "x" * 10**6))) == 1
    assert sum(held) > 10**6
    assert len(encoding.frames(ContentDelta(0, "y"))) == 4


@pytest.mark.parametrize("code", ERRORS)
def test_errors_fit_the_clients_types(code: str) -> None:
    [event] = parse([encoder().failure(RequestError(code, "It failed.", param="a.b"))])
    assert event["error"]["message"] == "`a.b`: It failed."
    status = messages_status(code)
    assert (status == 422, 400 <= status < 600) == (False, True)
    if status != 413:
        TypeAdapter(ErrorResponse).validate_python(event)
