"""Constraints in the sampler and in the engine, with ones that are simple enough to be seen through."""

import random
from collections import Counter
from collections.abc import AsyncIterator

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forefront.chat.local.loading import ModelParts
from forefront.engine.constraint import Constraint, Mask
from forefront.engine.engine import Engine
from forefront.engine.errors import ConstraintError
from forefront.engine.generation import Generation, Token
from forefront.engine.model.logits import Logits
from forefront.engine.model.model import ModelOptions, PagedModel
from forefront.engine.request import GenerateRequest, SamplingParams
from tests.engine.engines import small
from tests.engine.helpers import make_sequence
from tests.engine.sampling.test_sampler import FLAT, PEAKED, VOCABULARY, expected, make_logits, sample

STOP = 2


def mask_of(tokens: npt.ArrayLike, words: int = 64) -> Mask:
    bits = np.zeros(words * 32, np.uint8)
    bits[np.asarray(tokens, np.intp)] = 1
    return np.packbits(bits, bitorder="little").view(np.uint32)


class Cycle:
    """Allows 20 tokens at each place of the answer, others at the next; after `length` of them, the end alone.

    `breaks` names the method that raises at that place; `bends` puts its own token there."""

    def __init__(self, length: int, *, breaks: tuple[str, int] | None = None, bends: int | None = None) -> None:
        self.length, self.breaks, self.bends = length, breaks, bends
        self.taken: list[int] = []
        self.ended = False
        self.forced_finish = False

    def allowed(self, place: int) -> list[int]:
        return [STOP] if place >= self.length else list(range(10 + 20 * (place % 20), 30 + 20 * (place % 20)))

    def mask(self, left: int) -> Mask:
        if self.breaks == ("mask", len(self.taken)):
            raise ValueError("broken")
        return mask_of([] if self.breaks == ("empty", len(self.taken)) else self.allowed(len(self.taken)))

    def forced(self) -> list[int]:
        return []

    def rollback(self, count: int) -> None:
        for _ in range(count):
            self.taken.pop()
        self.ended = False
        self.forced_finish = self.bends is not None and len(self.taken) > self.bends

    def accept(self, token: int, left: int) -> int:
        if self.breaks == ("accept", len(self.taken)):
            raise ValueError("broken")
        assert token in self.allowed(len(self.taken))
        if self.bends == len(self.taken):
            token, self.forced_finish = self.allowed(len(self.taken))[0], True
        self.taken.append(token)
        self.ended = len(self.taken) == self.length
        return token


@pytest.fixture(scope="module")
def model(tiny_parts: ModelParts) -> PagedModel:
    return PagedModel(tiny_parts.graph, 2048, ModelOptions(contexts=4))


@pytest.fixture
async def engine(model: PagedModel) -> AsyncIterator[Engine]:
    engine = Engine(model)
    engine.start()
    yield engine
    await engine.stop()


def request(constraint: Constraint | None, *, max_tokens: int = 50, n: int = 1, seed: int = 1) -> GenerateRequest:
    prompt = [random.Random(seed).randrange(3, 500) for _ in range(40)]
    made = (lambda: constraint) if constraint is not None else None
    return GenerateRequest(
        prompt, max_tokens, SamplingParams(seed=seed), n=n, stop_tokens=frozenset({STOP}), constraint=made
    )


async def collect(generation: Generation) -> list[Token]:
    return [token async for tokens in generation for token in tokens]


@pytest.mark.parametrize("row", [PEAKED, FLAT], ids=["peaked", "flat"])
@pytest.mark.parametrize("share", [0.05, 0.7])
@pytest.mark.parametrize(
    "sampling",
    [
        SamplingParams(),
        SamplingParams(temperature=0.5),
        SamplingParams(top_k=5),
        SamplingParams(top_k=90),
        SamplingParams(top_p=0.3),
        SamplingParams(top_p=0.95),
        SamplingParams(min_p=0.3),
        SamplingParams(temperature=1.4, top_k=40, top_p=0.9, min_p=0.02),
    ],
    ids=str,
)
def test_draws_follow_the_masked_distribution(
    row: npt.NDArray[np.float32], share: float, sampling: SamplingParams
) -> None:
    rng = np.random.default_rng(3)
    row = rng.permutation(row)
    allowed = np.flatnonzero(rng.random(VOCABULARY) < share)
    probability = np.zeros(VOCABULARY)
    probability[allowed] = expected(row[allowed], sampling)
    count = 3_000
    sampling = SamplingParams(**{name: getattr(sampling, name) for name in sampling.__slots__} | {"seed": 4})
    sequences = [make_sequence(3, sampling=sampling, index=n) for n in range(count)]
    logits = make_logits(row[None], sampling.temperature)
    drawn = sample(sequences, [0] * count, logits, {key: [mask_of(allowed)] for key in sequences})
    counts = Counter(token.token for token in drawn)
    observed = np.array([counts[token] for token in range(VOCABULARY)])
    assert not observed[probability == 0].any()
    deviation = np.abs(observed - count * probability)
    assert (deviation <= 5 * np.sqrt(count * probability) + 2).all()


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_the_top_tokens_decide_as_the_whole_row_does(data: st.DataObject) -> None:
    seed = data.draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    row = (rng.standard_normal(VOCABULARY) * data.draw(st.sampled_from([0.5, 3.0, 8.0]))).astype(np.float32)
    allowed = np.flatnonzero(rng.random(VOCABULARY) < data.draw(st.sampled_from([0.02, 0.3, 0.9, 1.0])))
    allowed = allowed if len(allowed) else np.array([5])
    sampling = SamplingParams(
        temperature=data.draw(st.sampled_from([0.0, 0.7, 1.0])),
        top_k=data.draw(st.sampled_from([0, 1, 7, 100])),
        top_p=data.draw(st.sampled_from([0.2, 0.9, 1.0])),
        min_p=data.draw(st.sampled_from([0.0, 0.05])),
        seed=seed,
    )
    whole = make_logits(row[None], sampling.temperature)
    # A single top token decides little, so nearly every draw falls back on the row.
    little = Logits(whole.top[:, :1], whole.top_tokens[:, :1], whole.log_sum, whole.full)
    tokens = []
    for logits in (whole, little):
        sequence = make_sequence(3, sampling=sampling)
        [token] = sample([sequence], [0], logits, {sequence: [mask_of(allowed)]})
        tokens.append(token.token)
    assert set(tokens) <= set(allowed.tolist())
    if sampling.top_k or sampling.top_p < 1 or sampling.temperature == 0:  # else the order of drawing differs
        assert tokens[0] == tokens[1]


def test_a_short_mask_forbids_the_remaining_vocabulary() -> None:
    sequences = [make_sequence(3, sampling=SamplingParams(seed=1), index=n) for n in range(300)]
    mask = mask_of(range(32), words=1)
    drawn = sample(sequences, [0] * 300, make_logits(FLAT[None], 1.0), {key: [mask] for key in sequences})
    assert max(token.token for token in drawn) < 32


def test_penalties_and_bias_apply_among_allowed_tokens() -> None:
    row = np.array([5.0, 4.0, 3.0, 2.0], np.float32)
    sequence = make_sequence(1, sampling=SamplingParams(temperature=0, logit_bias={3: 1.5}))
    [token] = sample([sequence], [0], make_logits(row[None], 0), {sequence: [mask_of([2, 3])]})
    assert token.token == 3


def test_logprobs_are_those_of_the_model() -> None:
    sequence = make_sequence(1, sampling=SamplingParams(temperature=0, top_logprobs=2))
    [token] = sample([sequence], [0], make_logits(PEAKED[None], 0), {sequence: [mask_of([7])]})
    exact = PEAKED.astype(np.float64) - np.log(np.exp(PEAKED.astype(np.float64)).sum())
    assert (token.token, [other.token for other in token.top]) == (7, [0, 1])
    assert token.logprob == pytest.approx(exact[7])


async def test_the_answer_ends_when_only_the_end_is_left(engine: Engine) -> None:
    constraint = Cycle(5)
    tokens = await collect(engine.submit(request(constraint)))
    assert [token.token for token in tokens] == [*constraint.taken, STOP]
    assert [token.finish for token in tokens] == [None] * 5 + ["stop"]


async def test_the_limit_comes_before_the_end(engine: Engine) -> None:
    tokens = await collect(engine.submit(request(Cycle(5), max_tokens=5)))
    assert (len(tokens), tokens[-1].finish) == (5, "length")


async def test_a_completed_answer_finishes_with_length(engine: Engine) -> None:
    constraint = Cycle(5, bends=3)
    tokens = await collect(engine.submit(request(constraint)))
    assert [token.token for token in tokens] == constraint.taken
    assert tokens[3].token == constraint.allowed(3)[0]
    assert tokens[-1].finish == "length"


async def test_each_continuation_has_its_own_constraint(engine: Engine) -> None:
    made: list[Cycle] = []

    def make() -> Cycle:
        made.append(Cycle(6))
        return made[-1]

    wanted = GenerateRequest([5] * 40, 50, SamplingParams(seed=1), n=4, stop_tokens=frozenset({STOP}), constraint=make)
    tokens = await collect(engine.submit(wanted))
    for choice in range(4):
        own = [token.token for token in tokens if token.choice == choice]
        assert own == [*made[choice].taken, STOP]
    assert len({tuple(constraint.taken) for constraint in made}) == 4


async def test_preemption_keeps_the_state(model: PagedModel) -> None:
    roomy, tight = small(model, 64), small(model, 9)
    try:
        texts = []
        for engine in (roomy, tight):
            constraints = [Cycle(60) for _ in range(4)]
            started = [engine.submit(request(own, max_tokens=90, seed=i)) for i, own in enumerate(constraints)]
            for generation, own in zip(started, constraints, strict=True):
                tokens = await collect(generation)
                assert [token.token for token in tokens] == [*own.taken, STOP]
            texts.append([own.taken for own in constraints])
        assert tight.stats().preemptions > 0
        assert texts[0] == texts[1]
    finally:
        await roomy.stop()
        await tight.stop()


@pytest.mark.parametrize("method", ["mask", "accept", "empty"])
@pytest.mark.parametrize("place", [0, 3])
async def test_a_failing_constraint_ends_only_its_own_generation(engine: Engine, method: str, place: int) -> None:
    alone = await collect(engine.submit(request(None, seed=5)))
    beside = engine.submit(request(None, seed=5))
    sound = engine.submit(request(Cycle(20), seed=6))
    broken = engine.submit(request(Cycle(20, breaks=(method, place)), seed=7, n=1))
    with pytest.raises(ConstraintError):
        await collect(broken)
    assert broken.sampled == place
    assert await collect(beside) == alone
    assert len(await collect(sound)) == 21
    assert await broken.aclose() == place
    assert engine.stats().blocks_held == 0


async def test_a_constraint_without_a_stop_token_is_refused(engine: Engine) -> None:
    with pytest.raises(ValueError, match="stop token"):
        engine.submit(GenerateRequest([1], 5, constraint=lambda: Cycle(3)))
