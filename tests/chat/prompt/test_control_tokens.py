"""Spellings of control tokens are found wherever they are, at a cost that their number does not change."""

import re
import time

from hypothesis import given
from hypothesis import strategies as st

from forefront.chat.prompt import control_tokens as control_text
from forefront.chat.prompt.control_tokens import ControlTokenFinder

SPELLINGS = st.lists(st.text("<|ab>", min_size=1, max_size=6), max_size=8)


@given(SPELLINGS, st.text("<|ab>", max_size=60))
def test_the_scanner_matches_a_plain_search(spellings: list[str], text: str) -> None:
    wanted = {
        match.start()
        for spelling in spellings
        if len(spelling) > 1
        for match in re.finditer(f"(?={re.escape(spelling)})", text)
    }
    found = ControlTokenFinder(spellings)
    assert list(found.places(text)) == sorted(wanted)
    assert found.occurs_in(text) == bool(wanted)


def test_control_token_text_across_two_pieces_is_found_once() -> None:
    for before in range(control_text._PIECE - 12, control_text._PIECE + 2):
        text = "x" * before + "<|im_end|>" + "y" * 20
        assert list(ControlTokenFinder(["<|im_end|>", "<|im_start|>"]).places(text)) == [before]


def test_many_control_tokens_cost_no_more_than_one() -> None:
    text = "<|reserved_special_token_<" * 20_000

    def seconds(count: int) -> float:
        found = ControlTokenFinder([f"<|reserved_special_token_{number}|>" for number in range(count)])
        begin = time.perf_counter()
        assert not found.occurs_in(text)
        return time.perf_counter() - begin

    assert min(seconds(256) for _ in range(3)) < 10 * min(seconds(1) for _ in range(3))


def test_control_token_texts_with_many_branches_are_accepted() -> None:
    spellings = ["a" * length + "b" for length in range(1, 2000)]
    assert list(ControlTokenFinder(spellings).places("caab")) == [1, 2]
