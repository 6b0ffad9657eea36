"""Pydantic AI's agents over its `OpenAIChatModel`."""

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel, Field
from pydantic_ai import Agent, ModelHTTPError, NativeOutput, ToolOutput
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.usage import UsageLimits

SETTINGS: dict[str, Any] = {"temperature": 0, "max_tokens": 200}
QUESTION = "What is the weather like in Rome?"


class Dinner(BaseModel):
    """A dinner."""

    name: str = Field(max_length=20)
    minutes: int = Field(ge=5, le=90)
    vegetarian: bool


def model(endpoint: Any, name: str = "forefront-mini") -> OpenAIChatModel:
    return OpenAIChatModel(name, provider=OpenAIProvider(base_url=endpoint.url, api_key=endpoint.key))


@pytest.fixture
def agent(endpoint: Any) -> Agent:
    return Agent(model(endpoint), model_settings=SETTINGS)


async def test_text_whole_and_streamed(agent: Agent) -> None:
    whole = await agent.run("Write a recipe for an italian dinner")
    assert whole.output
    usage = whole.usage
    assert usage.input_tokens > 0
    assert usage.output_tokens > 10
    async with agent.run_stream("Write a recipe for an italian dinner") as stream:
        parts = [part async for part in stream.stream_text(delta=True, debounce_by=None)]
        assert "".join(parts) == whole.output
        assert len(parts) > 3
        assert stream.usage.output_tokens == usage.output_tokens


async def test_message_history(agent: Agent) -> None:
    first = await agent.run("Hello")
    second = await agent.run("What is 3 + 4?", message_history=first.all_messages())
    assert second.output


@pytest.mark.parametrize("form", [ToolOutput, NativeOutput])
async def test_structured_output(endpoint: Any, form: Any) -> None:
    agent = Agent(model(endpoint), output_type=form(Dinner), model_settings=SETTINGS, retries=3)
    answer = await agent.run("Give me the name and the minutes of an italian dinner as JSON")
    assert isinstance(answer.output, Dinner)
    async with agent.run_stream("Give me the name and the minutes of an italian dinner as JSON") as stream:
        assert await stream.get_output() == answer.output


async def test_agent_loop_with_tool(endpoint: Any) -> None:
    agent = Agent(model(endpoint), model_settings=SETTINGS)
    seen = []

    @agent.tool_plain
    def get_weather(city: str) -> dict[str, Any]:
        """Get the weather of a city."""
        seen.append(city)
        return {"city": city, "sky": "clear", "celsius": 21}

    answer = await agent.run(QUESTION, usage_limits=UsageLimits(request_limit=4))
    assert seen == ["Rome"]
    assert answer.output
    kinds = [part.part_kind for message in answer.all_messages() for part in message.parts]
    assert kinds == ["user-prompt", "tool-call", "tool-return", "text"]
    seen.clear()
    async with agent.run_stream(QUESTION) as stream:
        assert await stream.get_output() == answer.output
    assert seen == ["Rome"]


@pytest.mark.parametrize(
    ("fields", "status", "text"),
    [
        ({"model": "none"}, 404, "none"),
        ({"model_settings": {"max_tokens": 10**6}}, 400, "maximum context length"),
        ({"model_settings": {"temperature": 9}}, 422, "temperature"),
    ],
)
async def test_errors(endpoint: Any, fields: dict[str, Any], status: int, text: str) -> None:
    agent = Agent(model(endpoint, fields.pop("model", endpoint.model)))
    with pytest.raises(ModelHTTPError, match=text) as caught:
        await agent.run("Hello", **fields)
    assert caught.value.status_code == status


async def test_cancelled_run(agent: Agent) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await agent.run("Write a recipe for an italian dinner")
    assert (await agent.run("Hello")).output
