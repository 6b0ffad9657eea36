"""The sampler draws from exactly the distribution that its settings describe."""

import random
from collections import Counter

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forefront.engine.generation import Token
from forefront.engine.model.logits import Logits
from forefront.engine.request import SamplingParams
from forefront.engine.sampling import sampler
from forefront.engine.sampling.mask_worker import Masks
from forefront.engine.sampling.sampler import SamplerInput
from forefront.engine.scheduling.sequence import Sequence
from tests.engine.helpers import make_sequence

VOCABULARY = 200


def make_logits(rows: npt.NDArray[np.float32], temperature: float) -> Logits:
    """What the graph would say of these rows."""
    top = np.argsort(-rows, axis=1, kind="stable")[:, :64]
    scaled = rows.astype(np.float64) / (temperature or 1.0)
    log_sum = scaled.max(1) + np.log(np.exp(scaled - scaled.max(1, keepdims=True)).sum(1))
    return Logits(np.take_along_axis(rows, top, 1), top.astype(np.int32), log_sum.astype(np.float32), rows)


def expected(row: npt.NDArray[np.float32], sampling: SamplingParams) -> npt.NDArray[np.float64]:
    """The distribution by its definition, one filter after the other over the whole row."""
    logits = row.astype(np.float64) / sampling.temperature
    mass = np.exp(logits - logits.max())
    mass[mass < sampling.min_p * mass.max()] = 0
    order = np.argsort(-mass, kind="stable")
    if sampling.top_k:
        mass[order[sampling.top_k :]] = 0
    mass /= mass.sum()
    if sampling.top_p < 1:
        before = np.cumsum(mass[order]) - mass[order]
        mass[order[before >= sampling.top_p]] = 0
        mass /= mass.sum()
    return np.asarray(mass, np.float64)


def sample(sequences: list[Sequence], rows: list[int], logits: Logits, masks: Masks | None = None) -> list[Token]:
    """The sampler's tokens, which here are one for each sequence, in order."""
    found = masks or {}
    inputs = [SamplerInput(*item, (), found.get(item[0], ())) for item in zip(sequences, rows, strict=True)]
    return [token for output in sampler.sample(inputs, logits) for token in output.tokens]


def draw(row: npt.NDArray[np.float32], sampling: SamplingParams, count: int) -> Counter[int]:
    """`count` independent draws: as many sequences, all on the same row."""
    sequences = [make_sequence(3, sampling=sampling, index=n) for n in range(count)]
    tokens = sample(sequences, [0] * count, make_logits(row[None], sampling.temperature))
    return Counter(token.token for token in tokens)


PEAKED = np.concatenate([np.linspace(6, 0, 40), np.linspace(-3, -3.5, VOCABULARY - 40)]).astype(np.float32)
FLAT = np.linspace(0.5, 0, VOCABULARY).astype(np.float32)


@pytest.mark.parametrize("row", [PEAKED, FLAT], ids=["peaked", "flat"])
@pytest.mark.parametrize(
    "sampling",
    [
        SamplingParams(),
        SamplingParams(temperature=0.5),
        SamplingParams(temperature=1.8),
        SamplingParams(top_k=5),
        SamplingParams(top_k=150),
        SamplingParams(top_p=0.3),
        SamplingParams(top_p=0.97),
        SamplingParams(min_p=0.1),
        SamplingParams(min_p=0.7),
        SamplingParams(temperature=0.7, top_k=40, top_p=0.9, min_p=0.02),
        SamplingParams(temperature=1.3, top_k=120, top_p=0.8),
        SamplingParams(top_p=0.9, min_p=0.65),
    ],
    ids=str,
)
def test_frequencies_match_the_distribution(row: npt.NDArray[np.float32], sampling: SamplingParams) -> None:
    shuffled = np.random.default_rng(1).permutation(row)
    sampling = SamplingParams(**{name: getattr(sampling, name) for name in sampling.__slots__} | {"seed": 11})
    count = 8_000
    drawn = draw(shuffled, sampling, count)
    probability = expected(shuffled, sampling)
    assert {token for token, _ in drawn.items()} <= set(np.flatnonzero(probability).tolist())
    observed = np.array([drawn[token] for token in range(VOCABULARY)])
    likely = probability * count >= 5
    chi2 = (((observed - probability * count) ** 2)[likely] / (probability * count)[likely]).sum()
    # Mean of a chi-squared is its degrees of freedom k, deviation sqrt(2k): six deviations will not happen by chance.
    degrees = int(likely.sum())
    assert chi2 < degrees + 6 * (2 * degrees) ** 0.5 + 6


def test_the_filters_really_differ_in_this_test() -> None:
    assert (expected(FLAT, SamplingParams(top_p=0.3)) > 0).sum() < (
        expected(FLAT, SamplingParams(top_p=0.97)) > 0
    ).sum()
    assert (expected(FLAT, SamplingParams(min_p=0.7)) > 0).sum() < VOCABULARY


def test_greedy_takes_the_most_likely_token() -> None:
    assert draw(PEAKED[::-1].copy(), SamplingParams(temperature=0), 3) == Counter({VOCABULARY - 1: 3})


class Draws(random.Random):
    """Draws that are known beforehand."""

    def __init__(self, draws: list[float]) -> None:
        super().__init__()
        self._draws = iter(draws)

    def random(self) -> float:
        return next(self._draws)


def naive(row: npt.NDArray[np.float32], sampling: SamplingParams, drawn: float) -> int:
    """The token that `drawn` of the way through the mass of a whole, sorted row lies on."""
    mass = np.exp((row - row.max()) / np.float32(sampling.temperature))
    mass[mass < np.float32(sampling.min_p)] = 0
    order = np.argsort(-mass, kind="stable")[: sampling.top_k or None]
    sums = np.cumsum(mass[order], dtype=np.float64)
    if sampling.top_p < 1:
        sums = sums[: np.searchsorted(sums, sampling.top_p * sums[-1]) + 1]
    return int(order[np.searchsorted(sums, drawn * sums[-1], side="right")])


def many_rows() -> dict[str, npt.NDArray[np.float32]]:
    chance = np.random.default_rng(4)
    normal = chance.standard_normal(3000)
    rows = {
        "flat": normal * 0.1,
        "medium": normal,
        "peaked": normal * 6,
        "one peak": np.where(np.arange(3000) == 1234, 9.0, normal),
        "equal": np.zeros(3000),
        "tied": np.round(normal * 2),
        "tied at the cut": np.repeat([2.0, 1.0, 0.0], 1000),
        "far apart": normal * 300,  # most masses are zero
    }
    return {name: row.astype(np.float32) for name, row in rows.items()}


@pytest.mark.parametrize("name", many_rows())
@pytest.mark.parametrize(
    "sampling",
    [
        SamplingParams(top_p=0.05),
        SamplingParams(top_p=0.5),
        SamplingParams(top_p=0.95),
        SamplingParams(top_p=1 - 2**-53),
        SamplingParams(top_p=0.9, temperature=3),
        SamplingParams(top_k=700),
        SamplingParams(top_k=2999, top_p=0.8),
        SamplingParams(top_k=90_000, top_p=0.8, min_p=0.3),
    ],
    ids=str,
)
def test_every_draw_is_that_of_a_whole_sorted_row(name: str, sampling: SamplingParams) -> None:
    # A bias, if only of nothing, so that the whole row is used whatever its most likely tokens could decide.
    fields = {field: getattr(sampling, field) for field in sampling.__slots__} | {"logit_bias": {0: 0.0}}
    row = many_rows()[name]
    logits = make_logits(row[None], sampling.temperature)
    # Of equal masses, quarters and halves end exactly where a token does.
    draws = [0.0, 0.25, 0.5, 0.75, *np.random.default_rng(5).random(300).tolist()]
    sequence = make_sequence(3, sampling=SamplingParams(**fields))
    sequence.rng = Draws(draws)
    tokens = [token.token for token in sample([sequence] * len(draws), [0] * len(draws), logits)]
    assert tokens == [naive(row, sampling, drawn) for drawn in draws]


@pytest.mark.parametrize("drawn", [0.0, 1 - 2**-53])
@pytest.mark.parametrize("name", many_rows())
def test_extreme_draws_stay_within_the_nucleus(name: str, drawn: float) -> None:
    row = many_rows()[name]
    for sampling in (
        SamplingParams(top_p=0.6),
        SamplingParams(top_p=1 - 2**-53),
        SamplingParams(top_k=2000, min_p=0.01),
    ):
        sequence = make_sequence(3, sampling=sampling)
        sequence.rng = Draws([drawn])
        [token] = sample([sequence], [0], make_logits(row[None], 1.0))
        assert token.token in np.flatnonzero(expected(row, sampling))


def test_a_row_without_numbers_does_not_affect_others() -> None:
    rows = np.stack([FLAT, np.full_like(FLAT, np.nan)])
    sampling = SamplingParams(seed=5, top_p=0.9)
    alone = make_sequence(3, sampling=sampling)
    [expected_token] = sample([alone], [0], make_logits(FLAT[None], 1.0))
    beside = [make_sequence(3, sampling=sampling) for _ in range(2)]
    token, broken = sample(beside, [0, 1], make_logits(rows, 1.0))
    assert token.token == expected_token.token
    assert 0 <= broken.token < VOCABULARY


@pytest.mark.parametrize(
    "sampling",
    [
        SamplingParams(seed=5),
        SamplingParams(seed=5, top_p=0.9),
        SamplingParams(seed=5, top_p=0.9, presence_penalty=0.1),
    ],
    ids=str,
)
def test_a_seed_fixes_the_draws_in_any_batch(sampling: SamplingParams) -> None:
    logits = make_logits(np.stack([FLAT, PEAKED]), 1.0)
    alone = make_sequence(3, sampling=sampling)
    tokens = [sample([alone], [0], logits)[0].token for _ in range(50)]
    crowd = [make_sequence(3), make_sequence(3, sampling=sampling), make_sequence(3)]
    assert [sample(crowd, [1, 0, 1], logits)[1].token for _ in range(50)] == tokens


def test_choices_of_one_seed_differ() -> None:
    logits = make_logits(FLAT[None], 1.0)
    pair = [make_sequence(3, sampling=SamplingParams(seed=5), index=n) for n in (0, 1)]
    drawn = [sample(pair, [0, 0], logits) for _ in range(20)]
    assert any(one.token != other.token for one, other in drawn)


def test_penalties_and_bias_by_their_formulae() -> None:
    row = np.array([2.0, 1.9, 1.0, -1.0, 0.0], np.float32)

    def greedy(sampling: SamplingParams, answer: list[int]) -> int:
        sequence = make_sequence(1, first=3, sampling=sampling)  # token 3 is the prompt
        for token in answer:
            sequence.append(token)
        return sample([sequence], [0], make_logits(row[None], 0))[0].token

    assert greedy(SamplingParams(temperature=0, presence_penalty=0.2), []) == 0
    assert greedy(SamplingParams(temperature=0, presence_penalty=0.2), [0]) == 1
    assert greedy(SamplingParams(temperature=0, frequency_penalty=0.06), [0]) == 0
    assert greedy(SamplingParams(temperature=0, frequency_penalty=0.06), [0, 0]) == 1
    assert greedy(SamplingParams(temperature=0, repetition_penalty=1.5), [0, 1]) == 0
    assert greedy(SamplingParams(temperature=0, repetition_penalty=1.5), [0]) == 1
    assert greedy(SamplingParams(temperature=0, logit_bias={3: 4.0}), []) == 3
    assert greedy(SamplingParams(temperature=0, logit_bias={0: -100.0}), []) == 1
    # The prompt counts for repetition, not for presence.
    assert greedy(SamplingParams(temperature=0, logit_bias={3: 3.5}, presence_penalty=2.0), []) == 3
    assert greedy(SamplingParams(temperature=0, logit_bias={3: 3.9}, repetition_penalty=2.0), []) == 0


def test_log_probabilities_are_the_models_own() -> None:
    sampling = SamplingParams(temperature=0.3, logit_bias={7: 50.0}, top_logprobs=3, seed=1)
    [token] = sample([make_sequence(2, sampling=sampling)], [0], make_logits(PEAKED[None], 0.3))
    exact = PEAKED.astype(np.float64) - np.log(np.exp(PEAKED.astype(np.float64)).sum())
    assert token.token == 7
    assert token.logprob == pytest.approx(exact[7], abs=1e-6)
    assert [entry.token for entry in token.top] == [0, 1, 2]
    assert [entry.logprob for entry in token.top] == pytest.approx(exact[:3].tolist(), abs=1e-6)


def test_a_small_vocabulary_has_fewer_than_64_top_tokens() -> None:
    row = np.array([[0.0, 1.0, 2.0]], np.float32)
    sequences = [make_sequence(1, sampling=SamplingParams(top_k=40, top_p=0.9, seed=n)) for n in range(50)]
    assert {token.token for token in sample(sequences, [0] * 50, make_logits(row, 1.0))} == {1, 2}


@settings(max_examples=200, deadline=None)
@given(
    row=st.lists(st.floats(-30, 30, width=32), min_size=1, max_size=150),
    temperature=st.floats(0.01, 2),
    top_k=st.integers(0, 200),
    top_p=st.floats(0.001, 1),
    min_p=st.floats(0, 1),
    seed=st.integers(0, 2**31),
)
def test_any_settings_draw_a_possible_token(
    row: list[float], temperature: float, top_k: int, top_p: float, min_p: float, seed: int
) -> None:
    sampling = SamplingParams(temperature, top_p, top_k, min_p, seed=seed)
    logits = make_logits(np.array([row], np.float32), temperature)
    [token] = sample([make_sequence(1, sampling=sampling)], [0], logits)
    mass = expected(np.array(row, np.float32), sampling)
    assert mass[token.token] > 0 or np.isclose(row[token.token], np.array(row)[mass > 0], atol=1e-4).any()


def test_ends_by_stop_token_and_by_length() -> None:
    row = np.zeros((1, 5), np.float32)
    row[0, 2] = 9
    logits = make_logits(row, 0)
    greedy = SamplingParams(temperature=0)
    [stop] = sample([make_sequence(1, sampling=greedy, stop_tokens=frozenset({2}))], [0], logits)
    [length] = sample([make_sequence(1, sampling=greedy, max_tokens=1)], [0], logits)
    [neither] = sample([make_sequence(1, sampling=greedy)], [0], logits)
    assert (stop.finish, length.finish, neither.finish) == ("stop", "length", None)
