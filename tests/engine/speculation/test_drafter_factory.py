"""The choice of a model's drafter."""

import pytest

from forefront.engine.model.model import ModelOptions
from forefront.engine.request import SamplingParams
from forefront.engine.scheduling.drafter import DraftRequest
from forefront.engine.speculation.drafter_factory import create_drafter
from tests.engine.helpers import make_sequence


@pytest.mark.parametrize(
    ("options", "repeatable", "drafts"),
    [
        (ModelOptions(), False, True),
        (ModelOptions(), True, False),
        (ModelOptions(quantize_activations=False), True, True),
    ],
)
def test_repeatable_requests_have_drafts_where_activations_are_exact(
    options: ModelOptions, repeatable: bool, drafts: bool
) -> None:
    drafter = create_drafter(options)
    assert drafter is not None
    sequence = make_sequence(100, max_tokens=100, sampling=SamplingParams(seed=1, repeatable=repeatable))
    for token in (40, 41, 42):
        sequence.append(token)
    [proposed] = drafter.propose([DraftRequest(sequence, 8)], 0.08)
    assert bool(proposed.tokens) == drafts


def test_speculation_can_be_switched_off() -> None:
    assert create_drafter(ModelOptions(speculation="off")) is None
