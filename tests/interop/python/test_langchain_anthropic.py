"""LangChain's `ChatAnthropic` over the Messages API."""

from typing import Any

import anthropic
import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage, ToolMessage

QUESTION = "What is the weather like in Rome?"
WEATHER = {
    "name": "get_weather",
    "description": "Get the weather of a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


@pytest.fixture
def fields(endpoint: Any) -> dict[str, Any]:
    base = endpoint.url.removesuffix("/v1")
    return {
        "model_name": endpoint.model,
        "base_url": base,
        "api_key": endpoint.key,
        "max_tokens": 200,
        "max_retries": 0,
        "model_kwargs": {"extra_body": {"temperature": 0}},
    }


def test_text_whole_and_streamed(fields: dict[str, Any]) -> None:
    model = ChatAnthropic(**fields)
    whole = model.invoke("Write a recipe for an italian dinner")
    chunks = list(model.stream("Write a recipe for an italian dinner"))
    streamed = chunks[0]
    for chunk in chunks[1:]:
        streamed += chunk
    assert streamed.text == whole.text
    assert whole.text
    assert streamed.usage_metadata is not None
    assert whole.usage_metadata is not None
    assert streamed.usage_metadata["output_tokens"] == whole.usage_metadata["output_tokens"] > 10
    assert streamed.usage_metadata["input_tokens"] == whole.usage_metadata["input_tokens"]


def test_a_tool_call_round_trip(fields: dict[str, Any]) -> None:
    model = ChatAnthropic(**fields).bind_tools([WEATHER])
    question = HumanMessage(QUESTION)
    called = model.invoke([question])
    assert [(call["name"], call["args"]) for call in called.tool_calls] == [("get_weather", {"city": "Rome"})]
    result = ToolMessage('{"sky": "clear", "celsius": 21}', tool_call_id=called.tool_calls[0]["id"])
    answer = model.invoke([question, called, result])
    assert answer.text
    assert not answer.tool_calls
    streamed = None
    for chunk in model.stream([question]):
        streamed = chunk if streamed is None else streamed + chunk
    assert [call["args"] for call in streamed.tool_calls] == [{"city": "Rome"}]


def test_errors(fields: dict[str, Any]) -> None:
    with pytest.raises(anthropic.NotFoundError):
        ChatAnthropic(**fields | {"model_name": "none"}).invoke("x")
    with pytest.raises(anthropic.BadRequestError):
        ChatAnthropic(**fields | {"model_kwargs": {"extra_body": {"temperature": 9}}}).invoke("x")
