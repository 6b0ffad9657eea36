"""Work that sampling must not do, counted rather than timed."""

from typing import Any

import numpy as np
import pytest

from forefront.engine.model.logits import Logits
from forefront.engine.request import SamplingParams
from forefront.engine.sampling import logprobs, sampler
from forefront.engine.sampling.sampler import SamplerInput
from forefront.engine.scheduling.token_counts import TokenCounts
from tests.engine.helpers import make_sequence
from tests.engine.sampling.test_sampler import FLAT, PEAKED, make_logits


class UnreadableArray:
    """Stands for an array that must not be read."""

    def __getitem__(self, key: Any) -> Any:
        raise AssertionError(f"row {key} was read")


def test_greedy_rows_read_their_first_top_token_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    logits = make_logits(np.stack([FLAT, PEAKED]), 0)
    bare = Logits(UnreadableArray(), logits.top_tokens, UnreadableArray(), UnreadableArray())  # type: ignore[arg-type]
    sequences = [make_sequence(3, sampling=SamplingParams(temperature=0), index=n) for n in range(2)]
    outputs = sampler.sample([SamplerInput(sequence, row) for row, sequence in enumerate(sequences)], bare)
    assert [output.tokens[0].token for output in outputs] == logits.top_tokens[:, 0].tolist()


def test_log_probabilities_of_greedy_rows_use_the_sum_of_the_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logprobs, "_log_sum", lambda *_: pytest.fail("the whole row was summed"))
    sequence = make_sequence(3, sampling=SamplingParams(temperature=0, top_logprobs=2))
    logits = make_logits(PEAKED[None], 0)
    [output] = sampler.sample([SamplerInput(sequence, 0)], logits)
    exact = PEAKED.astype(np.float64) - np.log(np.exp(PEAKED.astype(np.float64)).sum())
    assert output.tokens[0].logprob == pytest.approx(exact[0], abs=1e-6)


def test_the_history_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under penalties, a step adds its own token to counts that are kept."""
    built: list[int] = []
    create = TokenCounts.__init__

    def counted(self: TokenCounts, prompt: Any, output: Any) -> None:
        built.append(1)
        create(self, prompt, output)

    monkeypatch.setattr(TokenCounts, "__init__", counted)
    sampling = SamplingParams(temperature=0, repetition_penalty=1.2, frequency_penalty=0.3)
    sequence = make_sequence(100, max_tokens=60, sampling=sampling)
    logits = make_logits(PEAKED[None], 0)
    for _ in range(50):
        sampler.sample([SamplerInput(sequence, 0)], logits)
    assert len(built) == 1
    assert sequence.num_output_tokens == 50
