"""Stop strings: never leaked, never held back longer than needed, however the text is cut."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forefront.chat.output.stop_strings import StopMatcher, StopStrings
from tests.chat.lines import steps

TEXT = st.text("abc ", max_size=30)
STOPS = st.lists(st.text("abc ", min_size=1, max_size=5), max_size=4)


def feed_all(stops: list[str], pieces: list[str]) -> tuple[str, bool]:
    matcher = StopMatcher(StopStrings(stops))
    text = "".join(matcher.feed(piece) for piece in pieces)
    return text + matcher.flush(), matcher.stopped


def by_definition(stops: list[str], text: str) -> tuple[str, bool]:
    """The shortest beginning of the text that ends in a stop string, less the longest stop string it ends in."""
    for end in range(len(text) + 1):
        matching = [stop for stop in stops if text[:end].endswith(stop)]
        if matching:
            return text[: end - max(map(len, matching))], True
    return text, False


@given(STOPS, TEXT, st.lists(st.integers(0, 30)))
def test_any_chunking_follows_the_definition(stops: list[str], text: str, cuts: list[int]) -> None:
    edges = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    pieces = [text[start:end] for start, end in pairwise(edges)]
    assert feed_all(stops, pieces) == by_definition(stops, text)
    assert feed_all(stops, list(text)) == by_definition(stops, text)


@given(STOPS, TEXT)
def test_only_a_possible_start_of_a_stop_is_held_back(stops: list[str], text: str) -> None:
    matcher = StopMatcher(StopStrings(stops))
    shown = ""
    for end, character in enumerate(text, start=1):
        shown += matcher.feed(character)
        if matcher.stopped:
            return
        held = text[:end][len(shown) :]
        assert held == "" or any(stop.startswith(held) and stop != held for stop in stops)


@pytest.mark.parametrize(
    ("stops", "pieces", "text"),
    [
        (["END"], ["one E", "N", "D two"], "one "),
        (["END"], ["one E", "N", "X"], "one ENX"),
        (["\n\n"], ["a\n", "b\n", "\n", "c"], "a\nb"),
        (["abcd", "bc"], ["ab", "cd"], "a"),
        ([], ["anything"], "anything"),
    ],
)
def test_examples(stops: list[str], pieces: list[str], text: str) -> None:
    assert feed_all(stops, pieces)[0] == text


@pytest.mark.parametrize(
    "stops",
    [
        ["a" * (1000 + index) + "b" for index in range(16)],  # whose beginning always matches
        ["a" * 1000 + "b" * index + "c" for index in range(16)],
        ["ab" * 500 + chr(ord("c") + index) for index in range(16)],
        [chr(ord("b") + index) + "a" * 1000 for index in range(16)],
    ],
)
def test_each_character_costs_the_same_however_long_the_stops_are(stops: list[str]) -> None:
    text = ("a" * 999 + "x") * 3 + "ab" * 2000
    built = steps(lambda: StopMatcher(StopStrings(stops)))
    assert built < 50
    automaton = StopStrings(stops)
    first = steps(lambda: [StopMatcher(automaton).feed(character) for character in text])
    matcher = StopMatcher(automaton)
    assert first < 1000 * 16 * 30 + 60 * len(text)  # at most one state for each character of the stops
    assert steps(lambda: [matcher.feed(character) for character in text]) < 60 * len(text)
    assert not matcher.stopped


def test_text_that_cannot_begin_a_stop_costs_no_more_for_its_length() -> None:
    matcher = StopMatcher(StopStrings(["END", "\n\n"]))
    assert steps(lambda: matcher.feed("word " * 10_000)) == steps(lambda: matcher.feed("word"))
