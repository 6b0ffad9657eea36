"""The decoder of server-sent events."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forefront.client.sse import EventTooLongError, SSEDecoder


def decode(*pieces: bytes) -> list[str]:
    decoder = SSEDecoder()
    return [data for piece in pieces for data in decoder.feed(piece)]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"data: a\n\n", ["a"]),
        (b"data:a\r\n\r\n", ["a"]),
        (b"data: a\r\r", ["a"]),
        (b"data: a\r\n\ndata: b\n\r", ["a", "b"]),
        (b"data:  a \n\n", [" a "]),
        (b"data: a\ndata: b\n\n", ["a\nb"]),
        (b"data\n\n", [""]),
        (b"data:\n\n", [""]),
        (b"\n\n\n", []),
        (b": message\ndata: {}\n\n", ["{}"]),
        (b":\n\n", []),
        (b"event: x\nid: 1\nretry: 2\ndata: a\n\n", ["a"]),
        (b"event: x\n\ndata: a\n\n", ["a"]),
        (b"Data: a\ndatas: b\n data: c\n\n", []),
        (b"\xef\xbb\xbfdata: a\n\n\xef\xbb\xbfdata: b\n\n", ["a"]),
        (b"data: a: b\n\n", ["a: b"]),
        (b"data: a", []),
        (b"data: a\n", []),
        ("data: é🎉\u2028\x0b\x85\n\n".encode(), ["é🎉\u2028\x0b\x85"]),
        (b"data: \xff\n\n", ["\ufffd"]),
    ],
)
def test_events(body: bytes, expected: list[str]) -> None:
    assert decode(body) == expected
    assert decode(*(body[i : i + 1] for i in range(len(body)))) == expected


TOKENS = [
    b"data:",
    b"data",
    b" ",
    b":",
    b"\n",
    b"\r",
    b"\r\n",
    b"a",
    b"event: x",
    b"\xef\xbb\xbf",
    "é🎉".encode(),
    b"\xff",
]


@given(st.lists(st.sampled_from(TOKENS)).map(b"".join), st.lists(st.integers(0, 100)))
def test_any_chunking_gives_the_same_events(body: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]
    pieces = [body[start:end] for start, end in pairwise(edges)]
    assert decode(*pieces) == decode(body)


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"))),
    st.sampled_from(["\n", "\r", "\r\n"]),
)
def test_framed_events_are_read(events: list[str], end: str) -> None:
    body = "".join(f": message{end}data: {event}{end}{end}" for event in events).encode()
    assert decode(body) == events


@pytest.mark.parametrize("body", [b"data: " + b"x" * 200, b": " + b"x" * 200, b"data: xxxxxxx\n" * 20])
def test_length_is_bounded(body: bytes) -> None:
    for size in (1, 50, 1000):
        decoder = SSEDecoder(max_event=100)
        pieces = (body[start : start + size] for start in range(0, len(body), size))
        with pytest.raises(EventTooLongError):
            _ = [data for piece in pieces for data in decoder.feed(piece)]


def test_many_short_events_are_not_too_long() -> None:
    assert len(list(SSEDecoder(max_event=100).feed(b"data: a\n\n" * 1000))) == 1000
