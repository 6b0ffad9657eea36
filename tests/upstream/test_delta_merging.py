"""Texts that arrive together are passed on together, and nothing else changes."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forefront.chat.events import ChoiceEnd, Event, ReasoningDelta, TextDelta
from forefront.upstream.delta_merging import merged

EVENTS: st.SearchStrategy[list[Event]] = st.lists(
    st.one_of(
        st.builds(TextDelta, st.integers(0, 1), st.text(max_size=3)),
        st.builds(TextDelta, st.integers(0, 1), st.text(max_size=3), st.just([])),
        st.builds(ReasoningDelta, st.integers(0, 1), st.text(max_size=3)),
        st.builds(ChoiceEnd, st.integers(0, 1), st.just("stop")),
    )
)


def spelled_out(events: list[Event]) -> list[tuple[object, ...]]:
    """The events with every text as its characters, so that it does not matter how they were divided."""
    result: list[tuple[object, ...]] = []
    for event in events:
        if isinstance(event, TextDelta) and event.logprobs is None:
            result += [(event.index, character) for character in event.text]
        else:
            result.append((event,))
    return result


@settings(max_examples=100, deadline=None)
@given(EVENTS)
def test_only_the_division_of_texts_changes(events: list[Event]) -> None:
    joined = list(merged(events))
    assert spelled_out(joined) == spelled_out(events)
    plain = [event.index if isinstance(event, TextDelta) and event.logprobs is None else None for event in joined]
    assert all(one is None or one != other for one, other in pairwise(plain))


def test_an_exception_comes_after_what_preceded_it() -> None:
    def events() -> Iterator[Event]:
        yield TextDelta(0, "a")
        yield TextDelta(0, "b")
        raise ValueError

    results = merged(events())
    assert next(results) == TextDelta(0, "ab")
    with pytest.raises(ValueError):
        next(results)
