"""Never run: what type checkers infer from the SDK's signatures."""

from dataclasses import dataclass
from typing import Any, assert_type

from forefront import (
    AsyncChatStream,
    AsyncForefrontClient,
    AsyncStream,
    ChatCompletion,
    ChatCompletionChunk,
    Completion,
    ForefrontClient,
    MessageParam,
    ParsedCompletion,
    Preflight,
    RawResponse,
    Stream,
    Timeout,
    ToolCall,
    ToolParam,
)

USER: list[MessageParam] = [{"role": "user", "content": "Hello"}]


@dataclass
class City:
    """A form of answers."""

    name: str


def sync(client: ForefrontClient, flag: bool) -> None:
    """The synchronous client."""
    chat = client.chat.completions
    assert_type(chat.create(messages=USER), ChatCompletion)
    assert_type(chat.create(messages=USER, stream=False), ChatCompletion)
    assert_type(chat.create(messages=USER, stream=True, max_tokens=1), Stream[ChatCompletionChunk])
    assert_type(chat.create(messages=USER, stream=flag), ChatCompletion | Stream[ChatCompletionChunk])
    assert_type(chat.create(messages=USER).message.tool_calls, list[ToolCall] | None)
    assert_type(chat.parse(messages=USER, response_format=City).parsed, City)
    assert_type(chat.parse(messages=USER, response_format={"type": "object"}), ParsedCompletion[Any])
    assert_type(chat.preflight(messages=USER, timeout=Timeout(total=1)), Preflight)
    raw = chat.with_raw_response
    assert_type(raw.create(messages=USER, stream=True).parse(), Stream[ChatCompletionChunk])
    assert_type(raw.create(messages=USER, stream=flag).parse(), ChatCompletion | Stream[ChatCompletionChunk])
    raw_text = client.completions.with_raw_response
    assert_type(raw_text.create(prompt="a", stream=flag).parse(), Completion | Stream[Completion])
    assert_type(chat.with_raw_response.parse(messages=USER, response_format=City), RawResponse[ParsedCompletion[City]])
    assert_type(client.completions.create(prompt=["a", [1, 2]]), Completion)
    assert_type(client.completions.create(prompt=[1, 2], stream=True), Stream[Completion])
    with client.with_options(timeout=1).chat.completions.stream(messages=USER) as stream:
        assert_type([*stream.text], list[str])
        assert_type(stream.final_completion(), ChatCompletion)


async def asynchronous(client: AsyncForefrontClient, flag: bool) -> None:
    """The asynchronous client."""
    chat = client.chat.completions
    assert_type(await chat.create(messages=USER), ChatCompletion)
    assert_type(await chat.create(messages=USER, stream=True), AsyncStream[ChatCompletionChunk])
    assert_type((await chat.parse(messages=USER, response_format=City)).parsed, City)
    assert_type(await client.completions.create(prompt="a", stream=True), AsyncStream[Completion])
    raw = await chat.with_raw_response.create(messages=USER, stream=flag)
    assert_type(raw.parse(), ChatCompletion | AsyncStream[ChatCompletionChunk])
    assert_type((await client.models.with_raw_response.list()).parse().data[0].id, str)
    async with chat.stream(messages=USER) as stream:
        assert_type(stream, AsyncChatStream)
        assert_type([piece async for piece in stream.text], list[str])


def conversation(client: ForefrontClient) -> None:
    """Messages and tools are typed."""
    tool: ToolParam = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    messages: list[MessageParam] = [
        {"role": "system", "content": "Be brief"},
        {"role": "user", "content": [{"type": "text", "text": "Hello"}]},
    ]
    message = client.chat.completions.create(messages=messages, tools=[tool], tool_choice="auto").message
    messages.append(message)
    messages.append({"role": "tool", "tool_call_id": "c", "content": "21"})
    client.chat.completions.create(
        messages=messages,
        tool_choice={"type": "function", "function": {"name": "f"}},
        response_format={"type": "json_schema", "json_schema": {"schema": {"type": "object"}}},
        stream_options={"include_usage": True},
        grammar={"syntax": "lark", "definition": "start: /a+/"},
    )
