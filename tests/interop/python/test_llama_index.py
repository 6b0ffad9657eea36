"""LlamaIndex's `OpenAILike`."""

from typing import Any

import openai
import pytest
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai_like import OpenAILike
from pydantic import BaseModel, Field

PROMPT = "Write a recipe for an italian dinner"


class Dinner(BaseModel):
    """A dinner."""

    name: str = Field(max_length=20)
    minutes: int = Field(ge=5, le=90)


def make(endpoint: Any, **fields: Any) -> OpenAILike:
    options: dict[str, Any] = {
        "model": endpoint.model, "api_base": endpoint.url, "api_key": endpoint.key, "is_chat_model": True,
        "is_function_calling_model": True, "context_window": 2048, "temperature": 0, "max_tokens": 200,
        "max_retries": 0,
    }  # fmt: skip
    return OpenAILike(**options | fields)


def test_chat_whole_and_streamed(endpoint: Any) -> None:
    model = make(endpoint)
    whole = model.chat([ChatMessage(role="user", content=PROMPT)])
    assert whole.message.content
    assert whole.raw.usage.completion_tokens > 10
    parts = [part.delta or "" for part in model.stream_chat([ChatMessage(role="user", content=PROMPT)])]
    assert "".join(parts) == whole.message.content


def test_complete(endpoint: Any) -> None:
    model = make(endpoint, is_chat_model=False, max_tokens=16)
    whole = model.complete("3 + 4 =").text
    assert "".join(part.delta or "" for part in model.stream_complete("3 + 4 =")) == whole != ""


async def test_async(endpoint: Any) -> None:
    model = make(endpoint)
    whole = await model.achat([ChatMessage(role="user", content=PROMPT)])
    stream = await model.astream_chat([ChatMessage(role="user", content=PROMPT)])
    assert "".join([part.delta or "" async for part in stream]) == whole.message.content


@pytest.mark.parametrize("native", [False, True])
def test_structured_output(endpoint: Any, native: bool) -> None:
    model = make(endpoint, should_use_structured_outputs=native)
    question = [ChatMessage(role="user", content="Give me the name and the minutes of an italian dinner as JSON")]
    assert isinstance(model.as_structured_llm(Dinner).chat(question).raw, Dinner)


async def test_agent(endpoint: Any) -> None:
    seen = []

    def get_weather(city: str) -> str:
        """Get the weather of a city."""
        seen.append(city)
        return '{"sky": "clear", "celsius": 21}'

    agent = FunctionAgent(tools=[FunctionTool.from_defaults(get_weather)], llm=make(endpoint))
    answer = await agent.run("What is the weather like in Rome?", max_iterations=4)
    assert seen == ["Rome"]
    assert answer.response.content


def test_errors(endpoint: Any) -> None:
    for fields, kind in (
        ({"model": "none"}, openai.NotFoundError),
        ({"api_key": "wrong"}, openai.AuthenticationError),
        ({"max_tokens": 10**6}, openai.BadRequestError),
    ):
        with pytest.raises(kind):
            make(endpoint, **fields).complete(PROMPT)
