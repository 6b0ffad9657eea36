"""Drafts from predicted outputs."""

import random

import pytest

from forefront.engine.scheduling.drafter import NO_DRAFT, DraftRequest
from forefront.engine.speculation.prediction_drafter import PredictionDrafter
from tests.engine.helpers import make_sequence

TEXT = list(range(1000, 1300))


def replay(prediction: list[int], output: list[int]) -> tuple[int, int, int]:
    """The steps in which a model would write `output`, and the accepted and rejected tokens of the prediction."""
    drafter, sequence = PredictionDrafter(), make_sequence(5, max_tokens=1000, prediction=prediction)
    sequence.append(output[0])
    steps, place = 1, 1
    while place < len(output):
        [(proposed, _, _)] = drafter.propose([DraftRequest(sequence, 64)], 0.08)
        accepted = 0
        while accepted < min(len(proposed), len(output) - place) and proposed[accepted] == output[place + accepted]:
            accepted += 1
        for token in output[place : place + accepted + 1]:
            sequence.append(token)
        if proposed:
            drafter.verified(sequence, len(proposed), accepted, 0.08)
        place, steps = place + accepted + 1, steps + 1
    drafter.forget(sequence)
    assert not drafter._predictions
    generation = sequence.generation
    return steps, generation.accepted_prediction_tokens, generation.rejected_prediction_tokens


@pytest.mark.parametrize(
    "output",
    [
        TEXT,
        [*TEXT[:100], 1, *TEXT[101:]],  # replaced
        [*TEXT[:100], 1, 2, 3, *TEXT[100:]],  # inserted
        TEXT[:100] + TEXT[130:],  # deleted
        [1, 2, 3, *TEXT],
        TEXT[200:] + TEXT[:200],  # moved
        TEXT[:50] + TEXT[50:60] * 3 + TEXT[60:],
    ],
    ids=["same", "replaced", "inserted", "deleted", "later", "moved", "repeated"],
)
def test_an_edit_of_the_prediction_takes_few_steps(output: list[int]) -> None:
    steps, accepted, rejected = replay(TEXT, output)
    assert steps < len(output) // 4
    assert accepted > 3 * len(output) // 4
    assert rejected < 100


def test_a_wrong_prediction_costs_few_tokens() -> None:
    chance = random.Random(1)
    output = [chance.randrange(10) for _ in range(300)]
    for prediction in (TEXT, [chance.randrange(10) for _ in range(300)], [output[0]], output[:2]):
        steps, accepted, rejected = replay(prediction, output)
        assert steps + accepted == len(output)
        # One output token at first, 1 % of the output, and what was accepted.
        assert 0.08 * rejected <= 1 + 0.01 * len(output) + accepted + 0.5


def test_sequences_without_a_prediction_get_no_drafts() -> None:
    sequence = make_sequence(5)
    sequence.append(6)
    assert PredictionDrafter().propose([DraftRequest(sequence, 8)], 0.08) == [NO_DRAFT]
