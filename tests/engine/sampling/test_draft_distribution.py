"""Verification of drafts leaves the sampled distribution as it is."""

from collections import Counter

import numpy as np
import numpy.typing as npt
import pytest

from forefront.engine.request import SamplingParams
from forefront.engine.sampling.sampler import SamplerInput, sample
from tests.engine.helpers import make_sequence
from tests.engine.sampling.test_constraint import mask_of
from tests.engine.sampling.test_sampler import FLAT, PEAKED, VOCABULARY, expected, make_logits

COUNT = 8_000


@pytest.mark.parametrize("draft", [0, 7, 150])
@pytest.mark.parametrize(
    "sampling",
    [SamplingParams(), SamplingParams(temperature=0.7, top_p=0.9), SamplingParams(top_k=12), SamplingParams(min_p=0.1)],
    ids=str,
)
def test_each_token_has_the_distribution_of_its_row(draft: int, sampling: SamplingParams) -> None:
    """Two rows: the second follows the draft token. Sampling goes on to it as often as the draft token is drawn."""
    rows = np.stack([PEAKED, FLAT[::-1]])
    logits = make_logits(rows, sampling.temperature)
    sequences = [make_sequence(3, sampling=sampling, index=n) for n in range(COUNT)]
    outputs = sample([SamplerInput(sequence, 0, (draft,)) for sequence in sequences], logits)
    check(Counter(output.tokens[0].token for output in outputs), COUNT, expected(PEAKED, sampling))
    both = [output for output in outputs if len(output.tokens) == 2]
    assert all(output.tokens[0].token == draft and output.num_accepted == 1 for output in both)
    assert len(both) == sum(output.tokens[0].token == draft for output in outputs)
    check(Counter(output.tokens[1].token for output in both), len(both), expected(rows[1], sampling))


def test_each_token_has_the_distribution_of_its_row_under_masks() -> None:
    sampling, allowed = SamplingParams(), [np.arange(0, 30), np.arange(50, VOCABULARY, 3)]
    logits = make_logits(np.stack([PEAKED, FLAT]), 1.0)
    masks = [mask_of(tokens, 7) for tokens in allowed]
    sequences = [make_sequence(3, sampling=sampling, index=n) for n in range(COUNT)]
    outputs = sample([SamplerInput(sequence, 0, (2,), masks) for sequence in sequences], logits)
    for place, row in enumerate((PEAKED, FLAT)):
        drawn = [output.tokens[place].token for output in outputs if len(output.tokens) > place]
        probability = np.zeros(VOCABULARY)
        probability[allowed[place]] = expected(row[allowed[place]], sampling)
        check(Counter(drawn), len(drawn), probability)


def check(counts: Counter[int], total: int, probability: npt.NDArray[np.float64]) -> None:
    """Within five standard deviations, and nothing impossible."""
    observed = np.array([counts[token] for token in range(VOCABULARY)])
    assert observed.sum() == total
    assert not observed[probability == 0].any()
    deviation = np.abs(observed - total * probability)
    assert (deviation <= 5 * np.sqrt(total * probability) + 2).all()
