"""The `openai` package for Python: answers of a form, and calls of tools."""

import json
from typing import Annotated, Any, Literal

import jsonschema
import pytest
from openai import AsyncOpenAI, OpenAI, pydantic_function_tool
from pydantic import BaseModel, Field

from tests.interop.requests import ADD, ASK, WEATHER, WEATHER_QUESTION, WEATHER_SCHEMA

NAMED = {"type": "function", "function": {"name": "add"}}
TOOLS: dict[str, Any] = ASK | {"messages": [WEATHER_QUESTION], "tools": [WEATHER, ADD], "max_tokens": 200}


class Ingredient(BaseModel):
    """A part of a dinner."""

    name: Annotated[str, Field(max_length=12)]
    grams: Annotated[int, Field(ge=1, le=900)]


class Dinner(BaseModel):
    """What an answer holds."""

    name: Annotated[str, Field(max_length=20)]
    course: Literal["starter", "main"]
    ingredients: Annotated[list[Ingredient], Field(min_length=1, max_length=2)]
    note: Annotated[str, Field(max_length=5)] | None


FORMED: dict[str, Any] = ASK | {"max_tokens": 200}


@pytest.mark.parametrize("model", ["forefront-mini", "tiny"])
def test_an_answer_becomes_a_model_of_pydantic(peer: OpenAI, model: str) -> None:
    parsed = peer.chat.completions.parse(**FORMED | {"model": model}, response_format=Dinner)
    message = parsed.choices[0].message
    assert isinstance(message.parsed, Dinner)
    assert message.parsed == Dinner.model_validate_json(message.content or "")
    assert message.refusal is None
    with peer.chat.completions.stream(**FORMED | {"model": model}, response_format=Dinner) as stream:
        events = list(stream)
        final = stream.get_final_completion()
    assert final.choices[0].message.parsed == message.parsed
    assert "content.done" in [event.type for event in events]


async def test_the_asynchronous_client_parses_too(async_peer: AsyncOpenAI) -> None:
    parsed = await async_peer.chat.completions.parse(**FORMED, response_format=Dinner)
    assert isinstance(parsed.choices[0].message.parsed, Dinner)


def test_a_schema_keeps_its_text(peer: OpenAI) -> None:
    form: Any = {"type": "json_schema", "json_schema": {"name": "weather", "schema": WEATHER_SCHEMA, "strict": True}}
    whole = peer.chat.completions.create(**FORMED, response_format=form).choices[0].message.content or ""
    jsonschema.validate(json.loads(whole), WEATHER_SCHEMA)
    stream = peer.chat.completions.create(**FORMED, response_format=form, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == whole
    some = peer.chat.completions.create(**ASK, response_format={"type": "json_object"}).choices[0].message.content
    assert isinstance(json.loads(some or ""), dict)
    assert peer.chat.completions.create(**ASK, response_format={"type": "text"}).choices[0].message.content


def _valid(call: Any) -> None:
    tool = {"get_weather": WEATHER, "add": ADD}[call.function.name]
    jsonschema.validate(json.loads(call.function.arguments), tool["function"]["parameters"])


@pytest.mark.parametrize("choice", ["required", NAMED])
def test_a_tool_call_round_trip(peer: OpenAI, choice: Any) -> None:
    calling = peer.chat.completions.create(**TOOLS, tool_choice=choice).choices[0]
    assert calling.finish_reason == "tool_calls"
    calls = calling.message.tool_calls
    assert calls
    for call in calls:
        assert call.type == "function"
        assert choice == "required" or call.function.name == "add"
        _valid(call)
    results = [{"role": "tool", "tool_call_id": call.id, "content": '{"sky": "clear"}'} for call in calls]
    messages = [WEATHER_QUESTION, calling.message, *results]
    answered = peer.chat.completions.create(**TOOLS | {"messages": messages}, tool_choice="none").choices[0].message
    assert answered.content
    assert answered.tool_calls is None


@pytest.mark.parametrize("choice", ["auto", "required", NAMED])
@pytest.mark.parametrize("parallel", [True, False])
def test_a_streamed_call_is_the_whole_one(peer: OpenAI, choice: Any, parallel: bool) -> None:
    fields = TOOLS | {"tool_choice": choice, "parallel_tool_calls": parallel}
    whole = peer.chat.completions.create(**fields).choices[0]
    pieces: dict[int, str] = {}
    with peer.chat.completions.stream(**fields) as stream:
        for event in stream:
            if event.type == "tool_calls.function.arguments.delta":
                pieces[event.index] = pieces.get(event.index, "") + event.arguments_delta
        final = stream.get_final_completion().choices[0]
    calls = whole.message.tool_calls or []
    assert bool(calls) or choice == "auto"
    assert parallel or len(calls) <= 1
    assert _functions(final) == _functions(whole)
    assert list(pieces.values()) == [arguments for _, arguments in _functions(whole)]
    assert final.finish_reason == whole.finish_reason
    assert (final.message.content or "") == (whole.message.content or "")


def _functions(choice: Any) -> list[tuple[str, str]]:
    return [(call.function.name, call.function.arguments) for call in choice.message.tool_calls or []]


def test_arguments_become_a_model_of_pydantic(peer: OpenAI) -> None:
    fields = ASK | {"max_tokens": 200, "tools": [pydantic_function_tool(Dinner)], "tool_choice": "required"}
    [call] = peer.chat.completions.parse(**fields, parallel_tool_calls=False).choices[0].message.tool_calls or []
    assert call.function.name == "Dinner"
    assert isinstance(call.function.parsed_arguments, Dinner)


async def test_the_asynchronous_client_calls_too(peer: OpenAI, async_peer: AsyncOpenAI) -> None:
    fields = TOOLS | {"tool_choice": NAMED}
    whole = await async_peer.chat.completions.create(**fields)
    async with async_peer.chat.completions.stream(**fields) as stream:
        final = await stream.get_final_completion()
    assert _functions(final.choices[0]) == _functions(whole.choices[0])
