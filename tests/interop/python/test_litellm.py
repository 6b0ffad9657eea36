"""LiteLLM as a client: it maps errors to its own classes by their texts."""

import json
from typing import Any

import litellm
import pytest

TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
QUESTION = {"role": "user", "content": "What is the weather like in Rome?"}


@pytest.fixture
def fields(endpoint: Any) -> dict[str, Any]:
    return {
        "model": f"openai/{endpoint.model}",
        "api_base": endpoint.url,
        "api_key": endpoint.key,
        "temperature": 0,
        "max_tokens": 200,
        "num_retries": 0,
        "messages": [{"role": "user", "content": "Write a recipe for an italian dinner"}],
    }


def test_text_whole_and_streamed(fields: dict[str, Any]) -> None:
    whole = litellm.completion(**fields)
    chunks = list(litellm.completion(**fields, stream=True, stream_options={"include_usage": True}))
    deltas = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(deltas) == whole.choices[0].message.content
    rebuilt = litellm.stream_chunk_builder(chunks)
    assert rebuilt.usage.completion_tokens == whole.usage.completion_tokens > 10
    assert rebuilt.choices[0].finish_reason == whole.choices[0].finish_reason


async def test_async(fields: dict[str, Any]) -> None:
    whole = await litellm.acompletion(**fields)
    stream = await litellm.acompletion(**fields, stream=True)
    parts = [chunk.choices[0].delta.content or "" async for chunk in stream]
    assert "".join(parts) == whole.choices[0].message.content


def test_text_completion(fields: dict[str, Any], endpoint: Any) -> None:
    del fields["messages"]
    answer = litellm.text_completion(**fields | {"model": f"text-completion-openai/{endpoint.model}"}, prompt="3 + 4 =")
    assert answer.choices[0].text


def test_tool_round_trip(fields: dict[str, Any]) -> None:
    fields |= {"tools": [TOOL], "messages": [QUESTION]}
    message = litellm.completion(**fields).choices[0].message
    [call] = message.tool_calls
    assert json.loads(call.function.arguments) == {"city": "Rome"}
    result = {"role": "tool", "tool_call_id": call.id, "content": '{"sky": "clear", "celsius": 21}'}
    answered = litellm.completion(**fields | {"messages": [QUESTION, message, result]}).choices[0].message
    assert answered.content
    assert not answered.tool_calls
    streamed = litellm.stream_chunk_builder(list(litellm.completion(**fields, stream=True)))
    [same] = streamed.choices[0].message.tool_calls
    assert (same.function.name, same.function.arguments) == (call.function.name, call.function.arguments)


def test_structured_output(fields: dict[str, Any]) -> None:
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string", "maxLength": 20}, "minutes": {"type": "integer"}},
        "required": ["name", "minutes"],
        "additionalProperties": False,
    }
    form = {"type": "json_schema", "json_schema": {"name": "dinner", "schema": schema, "strict": True}}
    text = litellm.completion(**fields, response_format=form).choices[0].message.content
    assert set(json.loads(text)) == {"name", "minutes"}


@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        ({"api_key": "wrong"}, litellm.AuthenticationError),
        ({"model": "openai/none"}, litellm.NotFoundError),
        ({"max_tokens": 10**6}, litellm.ContextWindowExceededError),
        ({"messages": [{"role": "user", "content": "word " * 5000}]}, litellm.ContextWindowExceededError),
        ({"temperature": 9}, litellm.BadRequestError),
        ({"timeout": 0.01, "max_tokens": 1000}, litellm.Timeout),
    ],
)
def test_errors(fields: dict[str, Any], bad: dict[str, Any], kind: type[Exception]) -> None:
    with pytest.raises(kind):
        litellm.completion(**fields | bad)


def test_rate_limit(fields: dict[str, Any], limited: Any) -> None:
    with pytest.raises(litellm.RateLimitError):
        litellm.completion(**fields | {"api_key": limited.key})
