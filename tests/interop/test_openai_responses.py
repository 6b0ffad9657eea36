"""The `openai` client over Responses: its stream helper, `parse`, rounds of tools, stored turns."""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from pydantic import BaseModel, Field

from tests.interop.requests import MODEL
from tests.support.server import RunningServer

WEATHER = "What is the weather like in Rome?"
TOOL: Any = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather of a city",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 20}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}


class Dinner(BaseModel):
    """A dinner."""

    name: str = Field(max_length=20)
    minutes: int = Field(ge=5, le=90)


@pytest.fixture(scope="module")
def client(server: RunningServer) -> Iterator[Any]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=server.key, max_retries=0) as opened:
        yield opened


def ask(**fields: Any) -> dict[str, Any]:
    return {"model": MODEL, "temperature": 0, "max_output_tokens": 200} | fields


def test_the_stream_helper_adds_up_to_the_whole(client: Any) -> None:
    fields = ask(input="Write a recipe for an italian dinner", max_output_tokens=24)
    whole = client.responses.create(**fields)
    with client.responses.stream(**fields) as stream:
        deltas = [event.delta for event in stream if event.type == "response.output_text.delta"]
    assert "".join(deltas) == whole.output_text
    assert whole.usage.output_tokens <= 24


def test_parse_returns_an_object(client: Any) -> None:
    question = "Give me the name and the minutes of an italian dinner as JSON"
    parsed = client.responses.parse(**ask(input=question, text_format=Dinner))
    assert isinstance(parsed.output_parsed, Dinner)
    with client.responses.stream(**ask(input=question, text_format=Dinner)) as stream:
        assert stream.get_final_response().output_parsed == parsed.output_parsed


@pytest.mark.parametrize("stored", [False, True])
def test_a_tool_round_trip(client: Any, stored: bool) -> None:
    first = client.responses.create(**ask(input=WEATHER, tools=[TOOL], tool_choice="required", store=stored))
    calls = [item for item in first.output if item.type == "function_call"]
    assert calls
    assert all(set(json.loads(call.arguments)) == {"city"} for call in calls)
    outputs = [
        {"type": "function_call_output", "call_id": call.call_id, "output": '{"sky": "clear"}'} for call in calls
    ]
    if stored:
        again = ask(input=outputs, previous_response_id=first.id)
    else:
        again = ask(input=[{"role": "user", "content": WEATHER}, *first.output, *outputs])
    second = client.responses.create(**again, tools=[TOOL], tool_choice="none")
    assert second.output_text


async def test_the_async_client_streams_and_polls(server: RunningServer) -> None:
    async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key=server.key, max_retries=0) as client:
        fields = ask(input="Hello", max_output_tokens=8, store=True, background=True)
        stream: Any = await client.responses.create(**fields, stream=True)
        events = [event async for event in stream]
        name = events[0].response.id
        assert (await client.responses.retrieve(name)).output_text == events[-1].response.output_text
        resumed: Any = await client.responses.retrieve(name, stream=True, starting_after=events[3].sequence_number)
        assert [event async for event in resumed] == events[4:]


async def test_the_async_client_keeps_a_conversation(server: RunningServer) -> None:
    async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key=server.key, max_retries=0) as client:
        made = await client.conversations.create(items=[{"type": "message", "role": "user", "content": WEATHER}])
        fields = ask(input="And in Paris?", conversation=made.id, max_output_tokens=8)
        answered = await client.responses.create(**fields)
        assert answered.conversation is not None
        assert answered.conversation.id == made.id
        items: list[Any] = [item async for item in client.conversations.items.list(made.id, order="asc")]
        assert [item.role for item in items] == ["user", "user", "assistant"]
        assert items[-1].content[0].text == answered.output_text
        await client.conversations.items.delete(items[0].id, conversation_id=made.id)
        assert (await client.conversations.delete(made.id)).deleted
