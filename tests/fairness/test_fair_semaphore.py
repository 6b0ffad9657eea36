"""The fair semaphore: slots in turns of tenants."""

import asyncio

import pytest

from forefront.fairness.fair_semaphore import FairSemaphore, SemaphoreClosedError, Ticket
from forefront.fairness.tenant import Tenant

GREEDY, MODEST = Tenant("greedy"), Tenant("modest")


async def test_a_backlog_delays_other_tenants_by_at_most_one_call() -> None:
    semaphore, order = FairSemaphore(1), []
    go = asyncio.Event()

    async def work(name: str) -> None:
        async with semaphore.slot(Tenant(name)):
            order.append(name)
            await go.wait()

    jobs = [asyncio.ensure_future(work("greedy")) for _ in range(20)]
    await asyncio.sleep(0)
    jobs.append(asyncio.ensure_future(work("modest")))
    await asyncio.sleep(0)
    go.set()
    await asyncio.gather(*jobs)
    assert "modest" in order[:2]


async def test_cancelled_calls_free_their_slots() -> None:
    semaphore = FairSemaphore(2)
    holding = asyncio.Event()

    async def work() -> None:
        async with semaphore.slot(Tenant("a")):
            await holding.wait()

    jobs = [asyncio.ensure_future(work()) for _ in range(6)]
    await asyncio.sleep(0)
    for job in jobs:
        job.cancel()
    await asyncio.gather(*jobs, return_exceptions=True)
    holding.set()
    async with asyncio.timeout(60):
        await asyncio.gather(work(), work(), work())


async def held(slots: FairSemaphore, tenant: Tenant, count: int) -> "list[asyncio.Task[Ticket]]":
    """As many calls as there are; those that got a slot are done."""
    tasks: list[asyncio.Task[Ticket]] = [asyncio.ensure_future(slots.acquire(tenant, 1)) for _ in range(count)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


@pytest.mark.parametrize(("count", "share"), [(1, 1), (2, 1), (3, 1), (4, 2), (6, 3)])
async def test_a_tenant_has_half_of_the_slots_at_most(count: int, share: int) -> None:
    slots = FairSemaphore(count)
    greedy = await held(slots, GREEDY, 20)
    assert sum(task.done() for task in greedy) == share
    modest = await held(slots, MODEST, 20)
    assert sum(task.done() for task in modest) == min(share, count - share)
    for task in (*greedy, *modest):
        task.cancel()


async def test_a_released_slot_goes_to_an_eligible_request() -> None:
    slots = FairSemaphore(2)
    greedy = await held(slots, GREEDY, 3)
    modest = await held(slots, MODEST, 2)
    assert [task.done() for task in (*greedy, *modest)] == [True, False, False, True, False]
    slots.release(await modest[0])
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert [task.done() for task in (*greedy, *modest)] == [True, False, False, True, True]
    for task in (*greedy, *modest):
        task.cancel()


async def test_waiting_calls_are_refused_when_it_closes_and_held_slots_stay() -> None:
    slots = FairSemaphore(1)
    [first, second] = await held(slots, GREEDY, 2)
    slots.close()
    with pytest.raises(SemaphoreClosedError):
        await second
    with pytest.raises(SemaphoreClosedError):
        await slots.acquire(MODEST, 1)
    slots.release(await first)
