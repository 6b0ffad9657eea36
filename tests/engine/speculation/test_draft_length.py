"""The length of drafts: long where they are accepted, and a bounded loss where they are not."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forefront.engine.scheduling.draft_cost import draft_cost, usual_cost
from forefront.engine.scheduling.step_cost import StepCost, StepSize
from forefront.engine.speculation.draft_length import MAX_DRAFT, DraftLength


def outcome(acceptance: float, sequences: int, tokens: int, expectation: float, seed: int) -> tuple[float, int]:
    """The cost of drafts less what they saved, in output tokens, and the length of the last draft. Each draft token is
    right with probability `acceptance`."""
    chance, length, price = random.Random(seed), DraftLength(), usual_cost(sequences)
    made, loss, last = 0, 0.0, 0
    while made < tokens:
        last = count = length.choose(expectation, price, 64)
        accepted = next((n for n in range(count) if chance.random() >= acceptance), count)
        if count:
            length.verified(count, accepted)
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


@pytest.mark.parametrize(("sequences", "least"), [(1, MAX_DRAFT), (4, 8), (16, 4)])
def test_right_drafts_grow(sequences: int, least: int) -> None:
    loss, last = outcome(1.0, sequences, 400, 0.6, 0)
    assert last >= least
    assert loss < -100


def test_a_draft_is_shorter_where_it_costs_more() -> None:
    lengths = [DraftLength().choose(0.8, usual_cost(sequences), 64) for sequences in (1, 2, 4, 8, 16, 32, 64)]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] >= 8
    assert lengths[-1] <= 1


def test_a_failure_shortens_the_next_draft() -> None:
    length, price = DraftLength(), usual_cost(1)
    for _ in range(4):
        length.verified(length.choose(0.6, price, 64), 3)
    before = length.choose(0.6, price, 64)
    length.verified(before, 0)
    assert length.choose(0.6, price, 64) < before


@pytest.mark.parametrize(
    ("token_seconds", "least", "most"), [(0.0, 0.039, 0.041), (0.005, 0.09, 0.11), (1.0, 0.15, 0.17)]
)
def test_the_price_follows_measured_steps_within_bounds(token_seconds: float, least: float, most: float) -> None:
    cost = StepCost()
    assert draft_cost(StepSize(1, 100), cost) == usual_cost(1)
    for n in range(200):
        tokens = n % 8
        cost.record(StepSize(1, 100, tokens, 100 * tokens), 0.05 + token_seconds * tokens)
    assert least <= draft_cost(StepSize(1, 100), cost) <= most
