"""From the bytes of a stream to events: recorded forms of many servers, in any pieces."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forefront.chat.events import ChoiceEnd, ContentDelta, Event
from forefront.upstream.decoding.answer_decoder import AnswerDecoder
from forefront.upstream.decoding.errors import ErrorChunkError, MalformedAnswerError
from forefront.upstream.decoding.usage import UpstreamUsage, read_usage, read_usages
from forefront.upstream.error_mapping import read_error
from forefront.upstream.http.sse import BoundedEventReader
from tests.support.upstreams.upstream_answers import chunk
from tests.upstream.backends import Collected
from tests.upstream.recorded_answers import RECORDED, Recorded


def pieces(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    """The data in pieces of these sizes, again and again."""
    position = turn = 0
    while position < len(data):
        size = sizes[turn % len(sizes)]
        yield data[position : position + size]
        position, turn = position + size, turn + 1


def decode(data: bytes, sizes: list[int]) -> tuple[AnswerDecoder, Collected]:
    """The events of a stream that arrives in such pieces, up to `[DONE]`."""
    reader, decoder, collected = BoundedEventReader(2**20), AnswerDecoder(1, 1000), Collected()
    for piece in pieces(data, sizes):
        for payload in reader.feed(piece):
            if payload != b"[DONE]":
                collected.events += decoder.decode(payload)
    assert not reader.finish()
    return decoder, collected


def check(recorded: Recorded, decoder: AnswerDecoder, collected: Collected) -> None:
    assert decoder.complete
    assert collected.text == recorded.text
    assert collected.reasoning == recorded.reasoning
    assert collected.calls == list(recorded.calls)
    assert collected.reasons == [recorded.reason]
    [*_, counts] = [None, *(read_usage(usage, 100, 1000) for usage in decoder.usages)]
    assert (counts and (counts.prompt, counts.output, counts.cached, counts.reasoning)) == recorded.usage


@pytest.mark.parametrize("name", RECORDED)
def test_streams_of_many_servers(name: str) -> None:
    data = RECORDED[name].lines()
    check(RECORDED[name], *decode(data, [len(data)]))


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(sorted(RECORDED)),
    st.sampled_from([b"\n", b"\r\n"]),
    st.lists(st.integers(1, 60), min_size=1, max_size=8),
)
def test_the_pieces_of_a_stream_make_no_difference(name: str, ending: bytes, sizes: list[int]) -> None:
    check(RECORDED[name], *decode(RECORDED[name].lines(ending), sizes))


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["content", "reasoning", "arguments"]), _TEXT), max_size=12), st.data())
def test_texts_add_up_to_what_was_sent(parts: list[tuple[str, str]], data: st.DataObject) -> None:
    chunks, begun = [], False
    for kind, text in parts:
        if kind == "arguments":
            function = {"arguments": text} if begun else {"name": "f", "arguments": text}
            begun = True
            chunks.append(chunk({"tool_calls": [{"index": 0, "function": function}]}))
        else:
            chunks.append(chunk({kind: text}))
    chunks.append(chunk(finish="stop"))
    sent = {kind: "".join(text for other, text in parts if other == kind) for kind, _ in parts}
    recorded = Recorded(
        chunks,
        text=sent.get("content", ""),
        reasoning=sent.get("reasoning", ""),
        calls=(("f", sent["arguments"] or "{}"),) if begun else (),
        reason="tool_calls" if begun else "stop",
        usage=None,
    )
    sizes = data.draw(st.lists(st.integers(1, 40), min_size=1, max_size=5))
    decoder, collected = decode(recorded.lines(), sizes)
    check(recorded, decoder, collected)
    assert decoder.output_bytes == len("".join(sent.values()).encode()) + begun


@settings(max_examples=100, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["choices", "delta", "content", "index", "tool_calls", "function", "name", "usage", "error"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_any_json_is_a_chunk_or_an_error(value: Any) -> None:
    decoder = AnswerDecoder(1, 10, logprobs=True)
    try:
        list(decoder.decode(json.dumps(value).encode()))
    except Exception as error:
        assert type(error).__module__ == "forefront.upstream.decoding.errors"


def events(decoder: AnswerDecoder, *chunks: dict[str, Any]) -> list[Event]:
    return [event for item in chunks for event in decoder.decode(json.dumps(item).encode())]


def test_choices_end_one_by_one() -> None:
    decoder = AnswerDecoder(2, 100)
    collected = Collected(
        events(
            decoder,
            chunk(choices=[{"index": 1, "delta": {"content": "b"}}, {"index": 0, "delta": {"content": "a"}}]),
            chunk(choices=[{"index": 1, "delta": {}, "finish_reason": "length"}]),
            chunk(choices=[{"index": 1, "delta": {"content": "after its end"}}]),
        )
    )
    assert collected.reasons == ["length"]
    collected.events += events(decoder, chunk({}, "stop"))
    assert decoder.complete
    assert collected.reasons == ["length", "stop"]
    assert decoder.output_bytes == 2


def test_usage_counts_all_choices() -> None:
    """Where each chunk has a usage, it is that of its own choice."""
    part = {"prompt_tokens": 7, "completion_tokens": 1}
    decoder = AnswerDecoder(2, 100)
    events(decoder, chunk(choices=[{"index": 1, "delta": {"content": "b"}, "finish_reason": "stop"}], usage=part))
    assert not decoder.usages
    events(decoder, chunk({"content": "a"}, "stop"), chunk(choices=[], usage=part | {"completion_tokens": 2}))
    assert read_usages(decoder.usages, 1, 100, 100) == UpstreamUsage(7, 2)


def test_usage_of_each_choice_adds_up() -> None:
    """Two prompts with two choices each, from llama.cpp."""
    decoder = AnswerDecoder(4, 100, usage_of_choices=True)
    for index in range(4):
        part = {
            "prompt_tokens": 5 + index // 2,
            "completion_tokens": 1,
            "prompt_tokens_details": {"cached_tokens": index},
        }
        events(decoder, chunk(choices=[{"index": index, "text": "x", "finish_reason": "stop"}], usage=part))
    events(decoder, chunk(choices=[], usage={"prompt_tokens": 99, "completion_tokens": 99}))
    assert read_usages(decoder.usages, 2, 100, 100) == UpstreamUsage(prompt=11, output=4, cached=0)


@pytest.mark.parametrize("data", [b"null", b"{}", b'{"type": "ping"}', b'{"id": "x", "model": "m"}'])
def test_events_of_an_empty_stream(data: bytes) -> None:
    assert not list(AnswerDecoder(1, 10).decode(data))


@pytest.mark.parametrize(
    ("data", "status"),
    [
        ({"error": {"message": "CUDA", "code": 500}}, 500),
        ({"error": "overloaded"}, None),
        ({"object": "error", "message": "too long", "type": "BadRequestError", "code": 400}, 400),
        ({"message": "overloaded", "status": 503}, 503),
        ({"detail": "no"}, None),
    ],
)
def test_errors_in_place_of_a_chunk(data: Any, status: int | None) -> None:
    with pytest.raises(ErrorChunkError) as raised:
        events(AnswerDecoder(1, 10), data)
    body = read_error(raised.value.body)
    assert body.status == status
    assert body.message


def test_usage_before_more_text_is_not_final() -> None:
    decoder = AnswerDecoder(1, 100)
    usage = {"prompt_tokens": 7, "completion_tokens": 1}
    final = []
    for item in (chunk({"content": "a"}, usage=usage), chunk({"content": "b"}), chunk({"content": "c"}, "stop")):
        events(decoder, item)
        final.append(decoder.usage_is_final)
    assert final == [True, False, True]


@pytest.mark.parametrize(
    "chunks",
    [
        [chunk(choices=[{"index": 1, "delta": {"content": "x"}}])],
        [chunk(choices=[{"index": -1, "delta": {"content": "x"}}])],
        [chunk({"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}), chunk({}, "stop")],
        [chunk({"tool_calls": [{"index": number, "function": {"name": "f"}} for number in range(1025)]})],
        [chunk({"content": "x"}, "abort")],
        [chunk({"content": "x"}, "error")],
        [chunk({"content": "x" * 2**20})] * 20,
        [chunk({"content": "x"})] * 2000,
    ],
)
def test_invalid_upstream_answers(chunks: list[dict[str, Any]]) -> None:
    with pytest.raises(MalformedAnswerError):
        events(AnswerDecoder(1, 10), *chunks)


def test_an_answer_ended_by_its_deadline() -> None:
    decoder = AnswerDecoder(2, 10)
    events(decoder, chunk({"content": "x"}, "stop"))
    assert Collected(list(decoder.cut())).reasons == ["deadline"]
    assert decoder.complete


@pytest.mark.parametrize(
    ("fields", "stop"),
    [
        ({"stop_reason": "END"}, "END"),
        ({"matched_stop": "END"}, "END"),
        ({"stop_reason": None, "matched_stop": 128001}, None),
        ({"stop_reason": 2}, None),
        ({"stop_reason": {"a": 1}}, None),
        ({"stop_reason": "x" * 10_000}, "x" * 1024),
        ({}, None),
    ],
)
def test_the_stop_string_that_an_upstream_names(fields: dict[str, Any], stop: str | None) -> None:
    choice = {"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"} | fields
    *_, end = AnswerDecoder(1, 1000).decode(json.dumps({"choices": [choice]}).encode())
    assert end == ChoiceEnd(0, "stop", stop)


_CHUNKS: st.SearchStrategy[list[dict[str, Any]]] = st.lists(
    st.one_of(
        st.builds(
            lambda index, text: {"index": index, "delta": {"content": text}}, st.integers(0, 1), st.text(max_size=3)
        ),
        st.builds(lambda index, text: {"index": index, "text": text}, st.integers(0, 1), st.text(max_size=3)),
        st.builds(lambda index: {"index": index, "delta": {"reasoning": "x"}}, st.integers(0, 1)),
        st.builds(
            lambda index: {"index": index, "delta": {"content": "e"}, "finish_reason": "stop"}, st.integers(0, 1)
        ),
        st.just({"index": 7, "delta": {"content": "no such choice"}}),
    ),
    max_size=12,
)


def spelled_out(payloads: list[bytes], sizes: list[int]) -> tuple[list[tuple[object, ...]], bool, tuple[int, ...]]:
    """The events with every text as its characters, whether an exception followed, and the decoder's counts."""
    decoder, result = AnswerDecoder(2, 1000), list[tuple[object, ...]]()
    try:
        position = turn = 0
        while position < len(payloads):
            size = sizes[turn % len(sizes)]
            for event in decoder.decode_all(payloads[position : position + size]):
                texts = event.text if isinstance(event, ContentDelta) else [event]
                result += [(getattr(event, "index", 0), part) for part in texts]
            position, turn = position + size, turn + 1
    except MalformedAnswerError:
        return result, True, ()
    return result, False, (decoder.output_bytes, decoder.pieces, decoder.complete)


@settings(max_examples=100, deadline=None)
@given(_CHUNKS, st.lists(st.integers(1, 5), min_size=1, max_size=4))
def test_chunks_that_arrive_together_add_up_to_the_same(chunks: list[dict[str, Any]], sizes: list[int]) -> None:
    payloads = [json.dumps({"model": "m", "choices": [part]}).encode() for part in chunks]
    assert spelled_out(payloads, sizes) == spelled_out(payloads, [1])


def test_texts_that_arrive_together_are_joined() -> None:
    payloads = [json.dumps({"model": "m", "choices": [{"delta": {"content": word}}]}).encode() for word in "abcd"]
    events = list(AnswerDecoder(1, 100).decode_all(payloads))
    assert [event.text for event in events if isinstance(event, ContentDelta)] == ["a", "bcd"]
