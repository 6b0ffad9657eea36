"""LangChain's `ChatOpenAI` at the real server."""

import json
from typing import Annotated, Any, Literal

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, Field, SecretStr

from tests.interop.requests import MODEL, QUESTION, WEATHER_QUESTION
from tests.support.server import RunningServer

ASK = QUESTION["content"]


class Dinner(BaseModel):
    """A dinner."""

    name: Annotated[str, Field(max_length=20)]
    minutes: Annotated[int, Field(ge=5, le=90)]
    vegetarian: bool


@tool
def get_weather(
    city: Annotated[str, Field(max_length=20)], unit: Literal["celsius", "fahrenheit"]
) -> dict[str, str | int]:
    """The weather of a city."""
    return {"city": city, "unit": unit, "degrees": 21}


def make(server: RunningServer, **options: Any) -> ChatOpenAI:
    fields: dict[str, Any] = {
        "model": MODEL,
        "temperature": 0,
        "max_tokens": 16,
        "max_retries": 0,
        "stream_usage": True,
    } | options
    return ChatOpenAI(base_url=f"{server.url}/v1", api_key=SecretStr(server.key), **fields)


@pytest.fixture(scope="module")
def chat(server: RunningServer) -> ChatOpenAI:
    return make(server)


@pytest.fixture(scope="module")
def long(server: RunningServer) -> ChatOpenAI:
    """The same with room for whole objects."""
    return make(server, max_tokens=200)


def _whole(chunks: list[Any]) -> AIMessageChunk:
    first, *rest = chunks
    for chunk in rest:
        first += chunk
    assert isinstance(first, AIMessageChunk)
    return first


def test_an_answer_whole_and_streamed(chat: ChatOpenAI) -> None:
    whole = chat.invoke([SystemMessage("Be brief."), HumanMessage(ASK)])
    streamed = _whole(list(chat.stream([SystemMessage("Be brief."), HumanMessage(ASK)])))
    assert whole.content
    assert streamed.content == whole.content
    for message in (whole, streamed):
        assert isinstance(message, AIMessage)
        assert message.usage_metadata
        assert message.usage_metadata["output_tokens"] == 16
        used = message.usage_metadata
        assert used["total_tokens"] == used["input_tokens"] + used["output_tokens"]
        assert message.response_metadata["finish_reason"] == "length"
        assert message.response_metadata["model_name"] == MODEL


def test_a_batch(chat: ChatOpenAI) -> None:
    answers = chat.batch([ASK, "What is 3 + 4?", ASK])
    assert answers[0].content == answers[2].content == chat.invoke(ASK).content


async def test_the_asynchronous_methods(server: RunningServer) -> None:
    chat = make(server)
    whole = await chat.ainvoke(ASK)
    assert whole.content == chat.invoke(ASK).content
    assert _whole([chunk async for chunk in chat.astream(ASK)]).content == whole.content
    assert [answer.content for answer in await chat.abatch([ASK, ASK])] == [whole.content] * 2


@pytest.mark.parametrize("choice", ["required", "get_weather"])
def test_a_tool_call_round_trip(long: ChatOpenAI, choice: str) -> None:
    bound = long.bind_tools([get_weather], tool_choice=choice)
    calling = bound.invoke(WEATHER_QUESTION["content"])
    assert calling.tool_calls
    assert not calling.invalid_tool_calls
    results = [get_weather.invoke(call) for call in calling.tool_calls]
    assert all(isinstance(result, ToolMessage) for result in results)
    messages = [HumanMessage(WEATHER_QUESTION["content"]), calling, *results]
    answered = long.bind_tools([get_weather], tool_choice="none").invoke(messages)
    assert answered.content
    assert not answered.tool_calls
    streamed = _whole(list(bound.stream(WEATHER_QUESTION["content"])))
    assert [(call["name"], call["args"]) for call in streamed.tool_calls] == [
        (call["name"], call["args"]) for call in calling.tool_calls
    ]


# LangChain dumps pydantic's objects by a type that does not name them.
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings:UserWarning")
@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_an_object(long: ChatOpenAI, method: Any) -> None:
    formed = long.with_structured_output(Dinner, method=method)
    whole = formed.invoke(ASK)
    assert isinstance(whole, Dinner)
    assert list(formed.stream(ASK))[-1] == whole


async def test_an_object_asynchronously(server: RunningServer) -> None:
    formed = make(server, max_tokens=200).with_structured_output(Dinner, include_raw=True)
    answer = await formed.ainvoke(ASK)
    assert isinstance(answer, dict)
    assert isinstance(answer["parsed"], Dinner)
    assert answer["parsing_error"] is None
    assert Dinner(**json.loads(answer["raw"].content)) == answer["parsed"]


def test_any_object(long: ChatOpenAI) -> None:
    assert isinstance(long.with_structured_output(None, method="json_mode").invoke("Answer as JSON"), dict)


def test_an_object_grows_as_it_streams(long: ChatOpenAI) -> None:
    pieces = list(long.with_structured_output(Dinner.model_json_schema(), method="json_schema").stream(ASK))
    assert len(pieces) > 2
    Dinner.model_validate(pieces[-1])


def test_responses_whole_streamed_and_with_a_tool(server: RunningServer) -> None:
    chat = make(server, use_responses_api=True, max_tokens=200)
    question = HumanMessage(WEATHER_QUESTION["content"])
    whole = chat.invoke(ASK)
    assert whole.text
    assert _whole(list(chat.stream(ASK))).text == whole.text
    bound = chat.bind_tools([get_weather], tool_choice="any")
    calling = bound.invoke([question])
    assert calling.tool_calls[0]["name"] == "get_weather"
    results = [ToolMessage(json.dumps({"sky": "clear"}), tool_call_id=call["id"]) for call in calling.tool_calls]
    assert chat.bind_tools([get_weather]).invoke([question, calling, *results]).response_metadata["id"]


def test_responses_are_continued_by_langchain(server: RunningServer) -> None:
    chat = make(server, use_responses_api=True, use_previous_response_id=True, store=True)
    first: Any = chat.invoke("One two three")
    second: Any = chat.invoke([HumanMessage("One two three"), first, HumanMessage("Four")])
    assert second.usage_metadata["input_tokens"] > first.usage_metadata["input_tokens"]


def test_responses_give_structured_output(server: RunningServer) -> None:
    chat = make(server, use_responses_api=True, max_tokens=200)
    assert isinstance(chat.with_structured_output(Dinner).invoke("Name an italian dinner as JSON"), Dinner)
