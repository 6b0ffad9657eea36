"""Hugging Face's smolagents over `OpenAIModel`."""

from typing import Any

import pytest
from smolagents import OpenAIModel, ToolCallingAgent, tool
from smolagents.models import ChatMessage, MessageRole

QUESTION = "What is the weather like in Rome?"


@tool
def get_weather(city: str) -> str:
    """Get the weather of a city.

    Args:
        city: The city.
    """
    return f'{{"city": "{city}", "sky": "clear", "celsius": 21}}'


@pytest.fixture
def model(endpoint: Any) -> OpenAIModel:
    return OpenAIModel(endpoint.model, api_base=endpoint.url, api_key=endpoint.key, temperature=0, max_tokens=100)


def ask(text: str) -> list[ChatMessage]:
    return [ChatMessage(role=MessageRole.USER, content=[{"type": "text", "text": text}])]


def test_text_whole_and_streamed(model: OpenAIModel) -> None:
    whole = model.generate(ask("Write a recipe for an italian dinner"))
    assert whole.content
    parts = list(model.generate_stream(ask("Write a recipe for an italian dinner")))
    assert "".join(part.content or "" for part in parts) == whole.content
    assert parts[-1].token_usage.output_tokens == whole.token_usage.output_tokens == 100


def test_stop_sequences(model: OpenAIModel) -> None:
    whole = model.generate(ask("Write a recipe for an italian dinner"), stop_sequences=["Ingredients"])
    assert "Ingredients" not in whole.content


def test_forced_tool_call(model: OpenAIModel) -> None:
    message = model.generate(ask(QUESTION), tools_to_call_from=[get_weather])
    assert message.tool_calls
    assert all(call.function.name == "get_weather" for call in message.tool_calls)


@pytest.mark.parametrize("stream", [False, True])
def test_agent_runs_tools_until_its_last_step(endpoint: Any, stream: bool) -> None:
    """The built-in model never calls `final_answer`, so that the agent ends at its limit of steps; its prompts with
    the results of tools in the history are answered all the same."""
    model = OpenAIModel(endpoint.model, api_base=endpoint.url, api_key=endpoint.key, temperature=0, max_tokens=60)
    agent = ToolCallingAgent([get_weather], model, max_steps=2, stream_outputs=stream, verbosity_level=0)
    agent.prompt_templates["system_prompt"] = "You call tools."  # the package's own prompt exceeds the context
    result = agent.run(QUESTION, return_full_result=True)
    assert result.token_usage.output_tokens > 0
    assert any(step.get("tool_calls") for step in result.steps)
