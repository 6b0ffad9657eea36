"""Slots that tenants share: no tenant has more than half."""

import asyncio

import pytest

from forefront.fairness.fair_slots import FairSlots, SlotsClosedError
from forefront.fairness.tenant import Tenant

GREEDY, MODEST = Tenant("greedy"), Tenant("modest")


async def held(slots: FairSlots, tenant: Tenant, count: int) -> "list[asyncio.Task[object]]":
    """As many calls as there are; those that got a slot are done."""
    tasks: list[asyncio.Task[object]] = [asyncio.ensure_future(slots.take(tenant, 1)) for _ in range(count)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


@pytest.mark.parametrize(("count", "share"), [(1, 1), (2, 1), (3, 1), (4, 2), (6, 3)])
async def test_a_tenant_has_half_of_the_slots_at_most(count: int, share: int) -> None:
    slots = FairSlots(count)
    greedy = await held(slots, GREEDY, 20)
    assert sum(task.done() for task in greedy) == share
    modest = await held(slots, MODEST, 20)
    assert sum(task.done() for task in modest) == min(share, count - share)
    for task in (*greedy, *modest):
        task.cancel()


async def test_a_slot_that_is_given_back_goes_to_whom_may_have_it() -> None:
    slots = FairSlots(2)
    greedy = await held(slots, GREEDY, 3)
    modest = await held(slots, MODEST, 2)
    assert [task.done() for task in (*greedy, *modest)] == [True, False, False, True, False]
    (await modest[0]).release()  # type: ignore[attr-defined]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert [task.done() for task in (*greedy, *modest)] == [True, False, False, True, True]
    for task in (*greedy, *modest):
        task.cancel()


async def test_waiting_calls_are_refused_when_it_closes_and_held_slots_stay() -> None:
    slots = FairSlots(1)
    [first, second] = await held(slots, GREEDY, 2)
    slots.close()
    with pytest.raises(SlotsClosedError):
        await second
    with pytest.raises(SlotsClosedError):
        await slots.take(MODEST, 1)
    (await first).release()  # type: ignore[attr-defined]
