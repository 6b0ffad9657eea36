"""The fair semaphore: slots in turns of tenants."""

import asyncio

from forefront.fairness.fair_semaphore import FairSemaphore
from forefront.fairness.tenant import Tenant


async def test_a_backlog_delays_others_by_one_call() -> None:
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


async def test_calls_that_are_cancelled_leave_no_slot_taken() -> None:
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
    async with asyncio.timeout(5):
        await asyncio.gather(work(), work(), work())
