"""Haystack's `OpenAIChatGenerator` and its `Agent`."""

from typing import Any

import openai
import pytest
from haystack.components.agents import Agent
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.dataclasses import ChatMessage
from haystack.tools import tool
from haystack.utils import Secret
from pydantic import BaseModel, Field


class Dinner(BaseModel):
    """A dinner."""

    name: str = Field(max_length=20)
    minutes: int = Field(ge=5, le=90)


@tool
def get_weather(city: str) -> str:
    """Get the weather of a city."""
    return f'{{"city": "{city}", "sky": "clear", "celsius": 21}}'


def make(endpoint: Any, **fields: Any) -> OpenAIChatGenerator:
    settings = {"temperature": 0, "max_tokens": 200} | fields.pop("generation_kwargs", {})
    options: dict[str, Any] = {"model": endpoint.model, "max_retries": 0, "generation_kwargs": settings}
    key = Secret.from_token(fields.pop("key", endpoint.key))
    return OpenAIChatGenerator(api_key=key, api_base_url=endpoint.url, **options | fields)


def test_chat_whole_and_streamed(endpoint: Any) -> None:
    question = [ChatMessage.from_user("Write a recipe for an italian dinner")]
    [whole] = make(endpoint).run(question)["replies"]
    assert whole.text
    assert whole.meta["usage"]["completion_tokens"] > 10
    chunks: list[Any] = []
    [streamed] = make(endpoint, streaming_callback=chunks.append).run(question)["replies"]
    assert streamed.text == whole.text == "".join(chunk.content for chunk in chunks)


def test_structured_output(endpoint: Any) -> None:
    generator = make(endpoint, generation_kwargs={"response_format": Dinner})
    [reply] = generator.run([ChatMessage.from_user("Invent a dinner")])["replies"]
    Dinner.model_validate_json(reply.text)


@pytest.mark.parametrize("stream", [False, True])
def test_agent(endpoint: Any, stream: bool) -> None:
    callback = {"streaming_callback": lambda chunk: None} if stream else {}
    agent = Agent(chat_generator=make(endpoint, **callback), tools=[get_weather], max_agent_steps=4)
    messages = agent.run(messages=[ChatMessage.from_user("What is the weather like in Rome?")])["messages"]
    calls = [call for message in messages for call in message.tool_calls]
    assert [(call.tool_name, call.arguments) for call in calls] == [("get_weather", {"city": "Rome"})]
    assert messages[-1].text


def test_errors(endpoint: Any) -> None:
    for fields, kind in (
        ({"model": "none"}, openai.NotFoundError),
        ({"key": "wrong"}, openai.AuthenticationError),
        ({"generation_kwargs": {"max_tokens": 10**6}}, openai.BadRequestError),
    ):
        with pytest.raises(kind):
            make(endpoint, **fields).run([ChatMessage.from_user("Hello")])
