"""Drafts by their cost: kernels whose time jumps with the rows of a step, and batches in which drafts would not pay."""

import math
import random
from collections.abc import Callable

import pytest

from forefront.engine.kv_blocks.block_pool import BlockPool
from forefront.engine.scheduling.draft_cost import DraftCost, DraftPrices
from forefront.engine.scheduling.drafter import Draft, worthwhile_lengths
from forefront.engine.scheduling.scheduled_chunk import step_size
from forefront.engine.scheduling.scheduler import Scheduler, SchedulerLimits
from forefront.engine.scheduling.step_cost import StepSize
from forefront.engine.speculation.ngram_drafter import NgramDrafter
from tests.engine.helpers import make_sequence
from tests.engine.scheduling.test_drafter import Greedy


def with_jump(rows: int) -> float:
    """Seconds of a step on a processor with vector units alone: 18 % more for nine rows than for eight."""
    return 8.3e-3 + 1.2e-3 * min(rows, 8) + (1.05e-3 * (rows - 8) + 2.2e-3 if rows > 8 else 0)


def with_matrix_unit(rows: int) -> float:
    """On one with matrix units: 50 % more for two rows than for one, and little for each up to eight."""
    return 25e-3 + (13e-3 if rows > 1 else 0) + 0.4e-3 * (min(rows, 8) - 1) + 1.9e-3 * max(rows - 8, 0)


def learned(seconds: Callable[[int], float], decodes: int, drafts: tuple[int, ...], steps: int = 400) -> DraftCost:
    """The cost after steps with noise of 10 %, one in four of them with a draft."""
    cost, chance = DraftCost(), random.Random(1)
    for _ in range(steps):
        count = chance.choice(drafts) if chance.random() < 0.25 else 0
        size = StepSize(decodes, 300 * decodes, count, 300 * count, count)
        cost.record(size, seconds(decodes + count) * math.exp(chance.gauss(0, 0.1)))
    return cost


@pytest.mark.parametrize("seconds", [with_jump, with_matrix_unit])
@pytest.mark.parametrize(("decodes", "drafts"), [(1, (2, 8, 16, 40)), (8, (1, 4, 8, 24)), (32, (4, 16, 32))])
def test_the_cost_follows_measured_steps(
    seconds: Callable[[int], float], decodes: int, drafts: tuple[int, ...]
) -> None:
    costs = learned(seconds, decodes, drafts).prices(StepSize(decodes, 300 * decodes), max(drafts)).tokens
    assert costs[0] == 0
    for count in drafts:
        true = decodes * (seconds(decodes + count) / seconds(decodes) - 1)
        assert costs[count] == pytest.approx(true, rel=0.25, abs=0.05 * decodes), count


def test_the_cost_of_reading_contexts_is_learned_and_keeps_drafts_from_long_ones() -> None:
    """Of a processor where attention to 900 tokens takes as long as a row."""
    cost, chance = DraftCost(), random.Random(1)
    for _ in range(600):
        drafts, context = chance.choice((0, 2, 5)), chance.choice((100, 1000, 4000))
        seconds = with_matrix_unit(8 + drafts) + 2e-6 * context * (8 + drafts)
        cost.record(StepSize(8, 8 * context, drafts, 0, drafts, context * drafts), seconds)
    prices = cost.prices(StepSize(8, 8 * 4000), 40)
    true = 8 * 2e-6 / (with_matrix_unit(8) + 2e-6 * 8 * 4000)
    assert prices.context == pytest.approx(true, rel=0.2)
    reads = [prices.context * context for context in (100, 8000)]
    assert worthwhile_lengths([Draft([1] * 4, 0.7, 0.7)] * 2, reads, [0.01 * n for n in range(9)]) == [4, 0]


def test_tokens_of_a_long_draft_read_the_context_together() -> None:
    short, long = Draft([1] * 4, 0.8, 1.0), Draft([1] * 40, 0.8, 1.0)
    costs = [0.1 * n for n in range(50)]
    assert worthwhile_lengths([short, long], [1.0, 1.0], costs) == [0, 40]


def test_a_shortened_draft_pays_for_its_context_reads() -> None:
    unlikely = Draft([1] * 48, 0.9, 0.5)
    costs = [0.01 * n for n in range(50)]
    assert worthwhile_lengths([unlikely], [0.5], costs) == [0]
    assert worthwhile_lengths([unlikely], [0.05], costs) != [0]


def test_costs_that_prevented_drafts_are_forgotten() -> None:
    usual = DraftCost().prices(StepSize(4, 400), 16).tokens
    cost = DraftCost()
    for step in range(60):
        drafts = 16 * (step % 2)
        cost.record(StepSize(4, 400, drafts, 0, drafts), 1.0 if drafts else 0.02)
    assert cost.prices(StepSize(4, 400), 16).tokens[16] > 2 * usual[16]
    for _ in range(4000):
        cost.record(StepSize(4, 400), 0.02)
    assert cost.prices(StepSize(4, 400), 16).tokens[16] < 1.5 * usual[16]


def test_steps_with_prompts_and_absurd_durations_teach_nothing() -> None:
    cost, size = DraftCost(), StepSize(8, 800, 4, 400, 4)
    before = cost.prices(StepSize(8, 800), 8)
    for _ in range(10):
        cost.record(StepSize(8, 800, 64, 6400, 4), 9.0)
        for seconds in (0.0, -1.0, math.nan, math.inf):
            cost.record(size, seconds)
    assert cost.prices(StepSize(8, 800), 8) == before


def test_a_draft_crosses_a_jump_in_cost_only_if_that_pays() -> None:
    costs = [0.0, *(1.5 + 0.05 * n for n in range(1, 9))]
    unlikely, likely = Draft([1] * 8, 0.5, 0.5), Draft([1] * 8, 0.9, 0.9)
    assert worthwhile_lengths([unlikely], [0.0], costs) == [0]
    assert worthwhile_lengths([likely], [0.0], costs) == [8]
    # Several together pay for it, and the most likely tokens go first.
    assert worthwhile_lengths([unlikely] * 4, [0.0] * 4, costs) == [2] * 4
    assert worthwhile_lengths([unlikely, likely], [0.0] * 2, costs) == [1, 7]
    assert worthwhile_lengths([Draft((), 0.0, 0.0)], [0.0], costs) == [0]


def test_drafts_cost_a_batch_of_random_text_at_most_two_percent() -> None:
    """Short outputs of few different tokens, whose pairs recur without meaning, on kernels with a jump."""
    chance = random.Random(2)
    scheduler = Scheduler(BlockPool(400, 32), SchedulerLimits(max_running=8), NgramDrafter())
    for n in range(64):
        scheduler.add(make_sequence(10, max_tokens=60, first=1000 * n))
    plain = taken = 0.0
    drafted = 0
    while scheduler.running or scheduler.waiting:
        chunks = scheduler.schedule()
        size = step_size(chunks)
        seconds = with_jump(size.decodes + size.tokens)
        scheduler.step_budget.record(size, seconds)
        taken += seconds
        tokens = 0
        for chunk in chunks:
            accepted, finish = 0, None
            if chunk.samples:
                token = chance.randrange(6)
                while accepted < len(chunk.draft) and chunk.draft[accepted] == token:
                    accepted, finish = accepted + 1, chunk.sequence.append(token)[1]
                    token = chance.randrange(6)
                finish = chunk.sequence.append(token)[1]
                tokens += accepted + 1
            drafted += len(chunk.draft)
            scheduler.commit(chunk, accepted)
            if finish:
                scheduler.remove(chunk.sequence)
        plain += seconds if size.tokens > size.drafts else with_jump(len(chunks)) * tokens / len(chunks)
    assert drafted
    assert taken < 1.02 * plain


class Free(DraftCost):
    """Noise of the measurements hides all costs."""

    def prices(self, decodes: StepSize, maximum: int, *, beside_prompts: bool = False) -> DraftPrices:
        return DraftPrices([0.0] * (maximum + 1))


def test_drafts_that_cost_no_time_have_a_price_all_the_same() -> None:
    """So the loss of wrong drafts stays bounded. The drafter of the test refuses a price of 0."""
    scheduler = Scheduler(BlockPool(64, 32), SchedulerLimits(), Greedy(3))
    scheduler.step_budget.draft_cost = Free()
    scheduler.add(sequence := make_sequence(10, max_tokens=100))
    drafted = 0
    for _ in range(4):
        for chunk in scheduler.schedule():
            drafted += len(chunk.draft)
            sequence.append(7)
            scheduler.commit(chunk, 0)
    assert drafted == 9
