"""The encoder of responses: calls whose arguments arrive in turns."""

import json
from collections.abc import AsyncIterator, Sequence
from types import SimpleNamespace
from typing import Any, cast

from forefront.catalog.catalog import Build, ModelUse
from forefront.chat.events import ChoiceEnd, Completed, Event, Started, ToolCallBegin, ToolInputDelta
from forefront.server.responses.api import parse_response_request
from forefront.server.responses.responses_encoder import ResponsesEncoder
from forefront.server.sending.response_memory import ResponseMemory
from forefront.wire.responses.chat_request import ParsedResponse

# An upstream may go on with a call after another has begun.
INTERLEAVED: list[Event] = [
    Started(10, 4),
    ToolCallBegin(0, 0, "f"),
    ToolInputDelta(0, 0, '{"a":'),
    ToolCallBegin(0, 1, "g"),
    ToolInputDelta(0, 1, '{"b":'),
    ToolInputDelta(0, 0, "1}"),
    ToolInputDelta(0, 1, "2}"),
    ChoiceEnd(0, "tool_calls"),
    Completed(10, 7, 4, 2),
]
CALLS = [("f", {"a": 1}), ("g", {"b": 2})]


def encoder() -> ResponsesEncoder:
    parsed = parse_response_request(b'{"model": "m", "input": "x"}')
    assert isinstance(parsed, ParsedResponse)
    model = SimpleNamespace(name="m", build=Build("w", "q", "e"), fallback=None, fingerprint="fp")
    return ResponsesEncoder(parsed, cast(ModelUse, model), ResponseMemory(lambda _: None))


async def iterate(events: Sequence[Event]) -> AsyncIterator[Event]:
    for event in events:
        yield event


def sent(events: Sequence[Event]) -> list[Any]:
    made = encoder()
    frames = b"".join(part for event in events for part in made.frames(event)).decode()
    return [json.loads(line.removeprefix("data: ")) for line in frames.splitlines() if line.startswith("data: ")]


async def test_calls_in_turns_keep_their_own_arguments() -> None:
    response = await encoder().whole(iterate(INTERLEAVED))
    output: list[Any] = response.output
    assert [(item.name, json.loads(item.arguments)) for item in output] == CALLS


def test_events_name_their_items() -> None:
    events = sent(INTERLEAVED)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    for index, (name, arguments) in enumerate(CALLS):
        mine = [event for event in events if event.get("output_index") == index]
        deltas = [event["delta"] for event in mine if event["type"] == "response.function_call_arguments.delta"]
        assert json.loads("".join(deltas)) == arguments
        assert mine[-1]["type"] == "response.output_item.done"
        assert (mine[-1]["item"]["name"], json.loads(mine[-1]["item"]["arguments"])) == (name, arguments)
    assert events[-1]["type"] == "response.completed"
    assert [item["arguments"] for item in events[-1]["response"]["output"]] == ['{"a":1}', '{"b":2}']
