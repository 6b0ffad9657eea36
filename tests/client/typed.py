"""Never run: what type checkers have to make of the SDK's signatures."""

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
    ParsedCompletion,
    Preflight,
    RawResponse,
    Stream,
    Timeout,
    ToolCall,
)

USER = [{"role": "user", "content": "Hello"}]


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
    assert_type(chat.with_raw_response.create(messages=USER, stream=True).parse(), Stream[ChatCompletionChunk])
    assert_type(chat.with_raw_response.parse(messages=USER, response_format=City), RawResponse[ParsedCompletion[City]])
    assert_type(client.completions.create(prompt=["a", [1, 2]]), Completion)
    assert_type(client.completions.create(prompt=[1, 2], stream=True), Stream[Completion])
    with client.with_options(timeout=1).chat.completions.stream(messages=USER) as stream:
        assert_type([*stream.text], list[str])
        assert_type(stream.final_completion(), ChatCompletion)


async def asynchronous(client: AsyncForefrontClient) -> None:
    """The asynchronous client."""
    chat = client.chat.completions
    assert_type(await chat.create(messages=USER), ChatCompletion)
    assert_type(await chat.create(messages=USER, stream=True), AsyncStream[ChatCompletionChunk])
    assert_type((await chat.parse(messages=USER, response_format=City)).parsed, City)
    assert_type(await client.completions.create(prompt="a", stream=True), AsyncStream[Completion])
    assert_type((await client.models.with_raw_response.list()).parse().data[0].id, str)
    async with chat.stream(messages=USER) as stream:
        assert_type(stream, AsyncChatStream)
        assert_type([piece async for piece in stream.text], list[str])
