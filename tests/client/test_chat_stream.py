"""Streams that are put together while they come."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from forefront import APIError, ChatStream
from forefront.client.accumulate import Accumulator
from tests.client.fakes import DONE, USER, Body, Server, chunk, events, frame, stream_of


def start(body: Body) -> ChatStream:
    return Server(stream_of(body)).client().chat.completions.stream(messages=USER)


def test_text_and_final_completion() -> None:
    body = Body([*events("Hel", "lo"), DONE])
    with start(body) as stream:
        assert list(stream.text) == ["Hel", "lo"]
        assert stream.final_completion().message.content == "Hello"
    assert body.closed


def test_the_partial_completion() -> None:
    with start(Body([*events("Hel", "lo"), DONE])) as stream:
        next(stream)
        early = stream.completion
        assert stream.message.content == "Hel"
        assert stream.final_completion().choices[0].message.content == "Hello"
        assert early.message.content == "Hel"


def test_usage_is_requested_by_default() -> None:
    server = Server(stream_of(Body([DONE])))
    server.client().chat.completions.stream(messages=USER).close()
    assert server.sent["stream_options"] == {"include_usage": True}
    server.client().chat.completions.stream(messages=USER, stream_options={"include_usage": False}).close()
    assert server.sent["stream_options"] == {"include_usage": False}


def test_leaving_the_text_closes() -> None:
    body = Body([*events("a", "b", "c"), DONE])
    with start(body) as stream:
        for _ in stream.text:
            break
    assert body.closed
    assert body.read == 1


def test_an_error_keeps_the_partial_completion() -> None:
    with start(Body([*events("a"), frame({"error": {"message": "m"}})])) as stream:
        try:
            stream.final_completion()
        except APIError:
            assert stream.message.content == "a"
        else:
            raise AssertionError


async def test_with_asyncio() -> None:
    body = Body([*events("Hel", "lo"), DONE])
    client = Server(stream_of(body)).async_client()
    async with client.chat.completions.stream(messages=USER) as stream:
        assert [text async for text in stream.text] == ["Hel", "lo"]
        assert (await stream.final_completion()).message.content == "Hello"
    assert body.closed
    body = Body([*events("Hel", "lo"), DONE])
    async with Server(stream_of(body)).async_client().chat.completions.stream(messages=USER) as stream:
        await anext(stream)
        assert stream.message.content == "Hel"
    assert body.closed


@given(st.lists(st.tuples(st.integers(0, 2), st.text(max_size=3))))
def test_interleaved_choices_are_assembled(pieces: list[tuple[int, str]]) -> None:
    accumulator = Accumulator()
    wanted: dict[int, str] = {}
    for index, text in pieces:
        body = chunk(text)
        body["choices"][0]["index"] = index
        accumulator.add(body)
        wanted[index] = wanted.get(index, "") + text
    choices = accumulator.completion().choices
    assert {choice.index: choice.message.content for choice in choices} == wanted
    assert [choice.index for choice in choices] == sorted(wanted)


NAMES = st.sampled_from(["choices", "delta", "index", "content", "tool_calls", "usage"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(st.dictionaries(st.sampled_from(["choices", "usage", "id"]), JSON), max_size=4))
def test_no_chunk_breaks_the_decoder(chunks: list[dict[str, Any]]) -> None:
    accumulator = Accumulator()
    for body in chunks:
        accumulator.add(body)
    assert accumulator.completion().object == "chat.completion"
