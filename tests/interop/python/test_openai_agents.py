"""OpenAI's Agents SDK over chat completions and over Responses."""

from typing import Any

import openai
import pytest
from agents import Agent, ModelSettings, OpenAIChatCompletionsModel, OpenAIResponsesModel, Runner, function_tool
from openai import AsyncOpenAI
from pydantic import BaseModel, Field

QUESTION = "What is the weather like in Rome?"
SETTINGS = ModelSettings(temperature=0, max_tokens=200, include_usage=True)


class Dinner(BaseModel):
    """A dinner."""

    name: str = Field(max_length=20)
    minutes: int = Field(ge=5, le=90)


@pytest.fixture
async def client(endpoint: Any) -> Any:
    async with AsyncOpenAI(base_url=endpoint.url, api_key=endpoint.key, max_retries=0) as client:
        yield client


def model(client: Any, name: str = "forefront-mini") -> OpenAIChatCompletionsModel:
    return OpenAIChatCompletionsModel(name, client)


async def test_text_whole_and_streamed(client: Any) -> None:
    agent = Agent("cook", instructions="Be brief.", model=model(client), model_settings=SETTINGS)
    whole = await Runner.run(agent, "Write a recipe for an italian dinner")
    assert whole.final_output
    usage = whole.context_wrapper.usage
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens > 10
    streamed = Runner.run_streamed(agent, "Write a recipe for an italian dinner")
    deltas = [
        event.data.delta
        async for event in streamed.stream_events()
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta"
    ]
    assert "".join(deltas) == whole.final_output == streamed.final_output
    assert streamed.context_wrapper.usage.output_tokens == usage.output_tokens


async def test_structured_output(client: Any) -> None:
    agent = Agent("cook", model=model(client), model_settings=SETTINGS, output_type=Dinner)
    answer = await Runner.run(agent, "Give me the name and the minutes of an italian dinner as JSON")
    assert isinstance(answer.final_output, Dinner)


@pytest.mark.parametrize("stream", [False, True])
async def test_agent_loop_with_tool(client: Any, stream: bool) -> None:
    seen = []

    @function_tool
    def get_weather(city: str) -> str:
        """Get the weather of a city."""
        seen.append(city)
        return '{"sky": "clear", "celsius": 21}'

    agent = Agent("weather", model=model(client), model_settings=SETTINGS, tools=[get_weather])
    if stream:
        result: Any = Runner.run_streamed(agent, QUESTION, max_turns=4)
        assert [event async for event in result.stream_events()]
    else:
        result = await Runner.run(agent, QUESTION, max_turns=4)
    assert seen == ["Rome"]
    kinds = [item.type for item in result.new_items]
    assert kinds == ["tool_call_item", "tool_call_output_item", "message_output_item"]


async def test_handoff(client: Any) -> None:
    """A handoff is a tool without parameters that the first agent must call."""
    second = Agent("cook", model=model(client), model_settings=SETTINGS)
    forced = ModelSettings(temperature=0, max_tokens=100, tool_choice="required")
    first = Agent("desk", model=model(client), model_settings=forced, handoffs=[second])
    result = await Runner.run(first, "Write a recipe for an italian dinner", max_turns=4)
    assert result.last_agent is second
    assert result.final_output


async def test_errors(client: Any) -> None:
    for fields, kind in (
        ({"model": model(client, "none")}, openai.NotFoundError),
        ({"model": model(client), "model_settings": ModelSettings(max_tokens=10**6)}, openai.BadRequestError),
        ({"model": model(client.with_options(api_key="wrong"))}, openai.AuthenticationError),
    ):
        with pytest.raises(kind):
            await Runner.run(Agent("a", **fields), "Hello")


@pytest.mark.parametrize("stream", [False, True])
async def test_agent_loop_over_responses(client: Any, stream: bool) -> None:
    seen = []

    @function_tool
    def get_weather(city: str) -> str:
        """Get the weather of a city."""
        seen.append(city)
        return '{"sky": "clear", "celsius": 21}'

    responses = OpenAIResponsesModel("forefront-mini", client)
    agent = Agent("weather", model=responses, model_settings=SETTINGS, tools=[get_weather])
    if stream:
        result: Any = Runner.run_streamed(agent, QUESTION, max_turns=4)
        assert [event async for event in result.stream_events()]
    else:
        result = await Runner.run(agent, QUESTION, max_turns=4)
    assert seen == ["Rome"]
    kinds = [item.type for item in result.new_items]
    assert kinds == ["tool_call_item", "tool_call_output_item", "message_output_item"]


async def test_stored_turns_over_responses(client: Any) -> None:
    settings = ModelSettings(temperature=0, max_tokens=200, store=True)
    agent = Agent("cook", model=OpenAIResponsesModel("forefront-mini", client), model_settings=settings)
    first = await Runner.run(agent, "Write a recipe")
    second = await Runner.run(agent, "And another", previous_response_id=first.last_response_id)
    usage = second.context_wrapper.usage
    assert usage.input_tokens > first.context_wrapper.usage.input_tokens


async def test_structured_output_over_responses(client: Any) -> None:
    responses = OpenAIResponsesModel("forefront-mini", client)
    agent = Agent("cook", model=responses, model_settings=SETTINGS, output_type=Dinner)
    answer = await Runner.run(agent, "Give me the name and the minutes of an italian dinner as JSON")
    assert isinstance(answer.final_output, Dinner)
