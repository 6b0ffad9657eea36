"""Tenants on one scheduler: shares by weight, no starvation, no leak, no preemption without end."""

from collections import Counter

import pytest

from forefront.engine.scheduling.scheduler import SchedulerLimits
from forefront.engine.scheduling.sequence import Sequence
from forefront.fairness.tenant import Tenant
from tests.engine.helpers import make_sequence
from tests.engine.scheduling.machine import A, B, Machine, fresh, many


def test_a_newcomer_runs_at_once_beside_four_thousand_sequences() -> None:
    machine = Machine(limits=SchedulerLimits())
    machine.add(many(4096, A))
    machine.until(lambda: machine.running(A) == 64)
    [late] = machine.add([fresh(20, B, 4)])
    assert machine.until(lambda: late.num_output_tokens == 4) == 4
    assert machine.scheduler.preemptions == 1


def test_slots_follow_the_weights_and_then_stay() -> None:
    machine = Machine(limits=SchedulerLimits(max_running=30))
    heavy = Tenant("b", 2.0)
    machine.add(fresh(20, A, 500) for _ in range(200))
    machine.until(lambda: machine.running(A) == 30)
    machine.add(fresh(20, heavy, 500) for _ in range(200))
    machine.step()
    assert (machine.running(A), machine.running(heavy)) == (10, 20)
    assert machine.scheduler.preemptions == 20
    for _ in range(3000):
        machine.step()
    assert machine.scheduler.preemptions == 20


def test_a_single_tenant_may_use_all_slots_and_blocks() -> None:
    machine = Machine(blocks=64, limits=SchedulerLimits(max_running=30))
    [other] = machine.add([fresh(20, B, 1)])
    machine.until(lambda: other in machine.finished)
    machine.add(fresh(20, A, 10) for _ in range(200))
    machine.step()
    assert machine.running(A) == 30


def test_unused_shares_go_to_other_tenants() -> None:
    machine = Machine(limits=SchedulerLimits(max_running=30))
    machine.add(fresh(20, A, 500) for _ in range(200))
    machine.add(fresh(20, B, 500) for _ in range(3))
    machine.step()
    assert (machine.running(A), machine.running(B)) == (27, 3)


@pytest.mark.parametrize("weight", [1.0, 3.0])
def test_blocks_follow_the_weights(weight: float) -> None:
    other = Tenant("b", weight)
    machine = Machine(
        blocks=200, limits=SchedulerLimits(max_running=64, prefill_tokens=512, prefill_tokens_beside_decodes=512)
    )
    machine.add(fresh(100, A, 400) for _ in range(300))
    machine.until(lambda: machine.pool.available < 10)
    machine.add(fresh(100, other, 400) for _ in range(300))
    machine.until(lambda: machine.blocks(other) > 0, 3)
    machine.until(lambda: machine.blocks(other) >= 200 * weight / (1 + weight) * 0.8, 100)
    shares: Counter[str] = Counter()
    for _ in range(2000):
        machine.step()
        shares.update({"a": machine.blocks(A), "b": machine.blocks(other)})
    assert shares["b"] / shares["a"] == pytest.approx(weight, rel=0.25)


def test_a_growing_answer_preempts_no_tenant_within_its_share() -> None:
    """The youngest sequence of all is B's, and holds little; A's must give way."""
    machine = Machine(blocks=20, limits=SchedulerLimits(max_running=8))
    machine.add(fresh(60, A, 300) for _ in range(6))
    machine.until(lambda: machine.running(A) == 6 and all(s.num_output_tokens for s in machine.scheduler.running))
    [young] = machine.add([fresh(30, B, 100)])
    machine.until(lambda: young.block_table.tolist() != [])
    while young not in machine.finished:
        machine.step()
        assert young.block_table.tolist() or young in machine.finished


def test_prefill_is_divided_by_weight() -> None:
    machine = Machine(limits=SchedulerLimits(8, 256, 64))
    machine.add(fresh(4000, A, 10) for _ in range(4))
    machine.add([fresh(4000, Tenant("b", 3.0), 10)])
    machine.step()
    assert machine.computed == {"a": 64, "b": 192}


def test_a_short_prompt_is_not_behind_a_neighbours_long_ones() -> None:
    machine = Machine(limits=SchedulerLimits(8, 256, 64))
    machine.add(fresh(4000, A, 10) for _ in range(7))
    machine.step()
    [short] = machine.add([fresh(100, B, 1)])
    assert machine.until(lambda: short in machine.finished) == 1


def test_forks_stay_within_the_share_while_another_waits() -> None:
    machine = Machine(limits=SchedulerLimits(max_running=8))
    machine.add(fresh(20, B, 500) for _ in range(20))
    [leader] = machine.add([fresh(40, A, 500)])
    machine.until(lambda: leader.num_output_tokens == 1)
    followers = [make_sequence(40, max_tokens=500, tenant=A, first=leader.tokens[0], index=n) for n in range(1, 16)]
    forked = [machine.scheduler.fork(leader, follower) is not None for follower in followers]
    # B had seven slots; A gets the others of its half by preemption, in the next step.
    assert not any(forked)
    machine.step()
    assert (machine.running(A), machine.running(B)) == (4, 4)


def test_a_sequence_larger_than_its_tenants_share_is_served_too() -> None:
    machine = Machine(blocks=40, limits=SchedulerLimits(max_running=16))
    machine.add(fresh(100, A, 60) for _ in range(100))
    machine.step()
    [large] = machine.add([fresh(1000, B, 100)])

    def refill() -> bool:
        if machine.scheduler.waiting_count < 20:
            machine.add(fresh(100, A, 60) for _ in range(20))
        return large in machine.finished

    machine.until(refill, 3000)
    # A ran until B's turn had come: neither starves.
    assert machine.computed["a"] > 500


def test_small_requests_do_not_starve_another_tenants_large_one() -> None:
    """The large one holds nearly all blocks, so each small one preempts it."""
    machine = Machine(blocks=20, limits=SchedulerLimits(max_running=8))
    [large] = machine.add([fresh(400, A, 200)])
    machine.until(lambda: large.num_output_tokens > 0)
    small: list[Sequence] = []

    def refill() -> bool:
        if not small or small[-1] in machine.finished:
            small.extend(machine.add([fresh(100, B, 4)]))
        return large in machine.finished

    machine.until(refill, 4000)
    assert sum(one in machine.finished for one in small) >= 5


def test_more_tenants_than_slots_take_turns_by_weight() -> None:
    machine = Machine(limits=SchedulerLimits(max_running=4, prefill_tokens=256, prefill_tokens_beside_decodes=64))
    tenants = [Tenant(f"t{n}", 2.0 if n == 0 else 1.0) for n in range(9)]
    for tenant in tenants:
        machine.add(fresh(10, tenant, 20) for _ in range(400))
    machine.until(lambda: sum(machine.computed.values()) > 20_000)
    parts = [machine.computed[tenant.name] / tenant.weight for tenant in tenants]
    assert max(parts) < 1.2 * min(parts)
