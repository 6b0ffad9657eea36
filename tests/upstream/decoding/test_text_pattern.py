"""Chunks that are read by their pattern: the events are those of chunks that are parsed one by one."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forefront.chat.events import Event
from forefront.upstream.decoding.answer_decoder import AnswerDecoder
from forefront.upstream.decoding.text_pattern import TextPattern
from forefront.upstream.http.sse import BoundedEventReader

_TEXTS = st.text(st.sampled_from('ab"\\\n\u0000,{}:é漢😀'), max_size=6)
_PLACES: dict[str, dict[str, Any]] = {
    "delta": {"delta": {"content": None}},
    "text": {"text": None},
    "before": {"finish_reason": None, "delta": {"role": "assistant", "content": None}},
}


def payload(text: str, place: str = "delta", *, ascii_only: bool = False, **more: Any) -> bytes:
    """A chunk with `text`."""
    choice = json.loads(json.dumps({"index": 0} | _PLACES[place]))
    if "text" in choice:
        choice["text"] = text
    else:
        choice["delta"]["content"] = text
    fields = {"id": "a", "model": "m", "choices": [choice]} | more
    return json.dumps(fields, ensure_ascii=ascii_only, separators=(",", ":")).encode()


def decode(batches: Sequence[Sequence[bytes]], *, by_pattern: bool) -> tuple[list[Event], int, int]:
    """The events, the bytes of text and the number of pieces."""
    decoder, events = AnswerDecoder(1, 1000), list[Event]()
    for batch in batches:
        if not by_pattern:
            decoder._attempts = 0
        events += decoder.decode_all(batch)
    return events, decoder.output_bytes, decoder.pieces


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(_TEXTS, min_size=1, max_size=8), min_size=1, max_size=4),
    st.sampled_from(sorted(_PLACES)),
    st.booleans(),
    st.integers(0, 12),
)
def test_patterns_change_nothing(texts: list[list[str]], place: str, ascii_only: bool, odd: int) -> None:
    batches = [[payload(text, place, ascii_only=ascii_only) for text in batch] for batch in texts]
    batches[-1].insert(odd, payload("x", place, created=odd))  # another form among the others
    end = {"id": "a", "model": "m", "choices": [{"index": 0, "finish_reason": "stop"}], "usage": {"prompt_tokens": 1}}
    batches[-1].append(json.dumps(end).encode())
    assert decode(batches, by_pattern=True) == decode(batches, by_pattern=False)


@pytest.mark.parametrize(
    "other",
    [
        b'{"id":"a","model":"m","choices":[{"index":0,"delta":{"content":"x"},"logprobs":{"content":"y"}}]}',
        b'{"id":"a","model":"m","choices":[{"index":0,"delta":{"content":"x"}},{"index":0,"delta":{"content":"y"}}]}',
        b'{"id":"a","model":"m","choices":[{"index":0,"delta":{"content":"x","refusal":"y"}}]}',
        b'{"id":"a","model":"m","choices":[{"index":0,"delta":{"content":"x","reasoning":"y","content":"z"}}]}',
        b'{"id":"a","model":"m","choices":[{"index":0,"delta":{"content":null}}]}',
        b'{"id":"a","model":"m","choices":[{"index":0,"delta":{"content":"x\\"}}]}',
    ],
)
def test_similar_chunks_are_not_taken_for_text(other: bytes) -> None:
    pattern = TextPattern.learn(
        payload("word"), "word", lambda data: json.loads(data)["choices"][0]["delta"]["content"]
    )
    assert pattern is not None
    assert pattern.read([payload("a"), payload("b")]) == ["a", "b"]
    assert pattern.read([payload("a"), other, payload("b")]) == []


def test_a_repeated_text_has_no_certain_position() -> None:
    def read(data: bytes) -> str | None:
        text: str | None = json.loads(data)["choices"][0]["delta"]["content"]
        return text

    assert TextPattern.learn(payload("m"), "m", read) is None
    escaped = payload("\u00e9", ascii_only=True, fingerprint="x").replace(b'"x"', '"é"'.encode())
    assert TextPattern.learn(escaped, "é", read) is None  # the place of the other field


@pytest.mark.parametrize("cut", range(1, 60))
def test_comments_before_events_are_skipped(cut: int) -> None:
    stream = b': message\ndata: {"a":1}\n\n: waiting\n\n: message\ndata: x: message\ndata: y\n\n: message\ndata: z\n\n'
    reader = BoundedEventReader(1000)
    assert [*reader.feed(stream[:cut]), *reader.feed(stream[cut:])] == [b'{"a":1}', b"x: message\ny", b"z"]
