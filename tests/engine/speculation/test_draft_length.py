"""The length of drafts: long where they are accepted, and a bounded loss where they are not."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forefront.engine.speculation.draft_length import MAX_DRAFT, DraftLength


def usual_price(sequences: int) -> float:
    """Of a draft token, on a processor where each row adds 0.08 to a step of one row."""
    return sequences * 0.08 / (1 + 0.08 * (sequences - 1))


def outcome(acceptance: float, sequences: int, tokens: int, expectation: float, seed: int) -> tuple[float, int]:
    """The cost of drafts less what they saved, in output tokens, and the length of the last draft. Each draft token is
    right with probability `acceptance`."""
    chance, length, price = random.Random(seed), DraftLength(), usual_price(sequences)
    made, loss, last = 0, 0.0, 0
    while made < tokens:
        last = count = length.choose(expectation, price, 64).length
        accepted = next((n for n in range(count) if chance.random() >= acceptance), count)
        if count:
            length.verified(count, accepted, price)
        length.add_output(accepted + 1)
        made += accepted + 1
        loss += price * count - accepted
    return loss, last


@given(st.floats(0, 0.3), st.integers(1, 64), st.integers(20, 3000), st.floats(0.3, 0.95), st.integers(0, 10**6))
@settings(max_examples=200, deadline=None)
def test_wrong_drafts_cost_at_most_a_token_and_one_in_a_hundred(
    acceptance: float, sequences: int, tokens: int, expectation: float, seed: int
) -> None:
    loss, _ = outcome(acceptance, sequences, tokens, expectation, seed)
    assert loss <= 1 + 0.01 * tokens


@pytest.mark.parametrize(("sequences", "minimum"), [(1, MAX_DRAFT), (4, 8), (16, 4)])
def test_accepted_drafts_grow(sequences: int, minimum: int) -> None:
    loss, last = outcome(1.0, sequences, 400, 0.6, 0)
    assert last >= minimum
    assert loss < -100


def test_a_draft_is_shorter_where_it_costs_more() -> None:
    lengths = [DraftLength().choose(0.8, usual_price(sequences), 64).length for sequences in (1, 2, 4, 8, 16, 32, 64)]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] >= 8
    assert lengths[-1] <= 1


def test_a_failure_shortens_the_next_draft() -> None:
    length, price = DraftLength(), usual_price(1)
    for _ in range(4):
        length.verified(length.choose(0.6, price, 64).length, 3, price)
    before = length.choose(0.6, price, 64).length
    length.verified(before, 0, price)
    assert length.choose(0.6, price, 64).length < before


def test_failed_first_drafts_do_not_shorten_continued_drafts() -> None:
    length, price = DraftLength(), usual_price(1)
    for _ in range(4):
        length.verified(length.choose(0.6, price, 64).length, 8, price)
    before = length.choose(0.6, price, 64)
    for _ in range(3):
        length.choose(0.6, price, 64, start=0.5)
        length.verified(4, 0, price)
    fresh, going = length.choose(0.6, price, 64, start=0.5), length.choose(0.6, price, 64)
    assert going.probability == before.probability == fresh.probability
    assert fresh.start < 0.25 < going.start
    assert fresh.length < going.length
