"""The worker pool: fair turns, and cancelled calls that hold no thread."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from forefront.fairness.tenant import Tenant
from forefront.fairness.worker_pool import WorkerPool

GREEDY, MODEST = Tenant("greedy"), Tenant("modest")


@pytest.fixture
def pool() -> Iterator[WorkerPool]:
    pool = WorkerPool(1, "test")
    yield pool
    pool.close()


async def test_a_backlog_delays_other_tenants_by_at_most_one_call(pool: WorkerPool) -> None:
    gate, order = threading.Event(), []

    def work(name: str) -> None:
        gate.wait()
        order.append(name)

    backlog = [asyncio.ensure_future(pool.run(GREEDY, 100, lambda: work("greedy"))) for _ in range(20)]
    await asyncio.sleep(0)
    late = asyncio.ensure_future(pool.run(MODEST, 100, lambda: work("modest")))
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(late, *backlog)
    assert "modest" in order[:2]


async def test_a_cancelled_call_never_runs_and_the_next_does(pool: WorkerPool) -> None:
    gate, ran = threading.Event(), []
    running = asyncio.ensure_future(pool.run(GREEDY, 1, gate.wait))
    waiting = asyncio.ensure_future(pool.run(GREEDY, 1, lambda: ran.append("cancelled")))
    last = asyncio.ensure_future(pool.run(GREEDY, 1, lambda: ran.append("last")))
    await asyncio.sleep(0)
    waiting.cancel()
    gate.set()
    await asyncio.gather(running, last)
    assert ran == ["last"]
    assert waiting.cancelled()


async def test_a_running_call_keeps_its_thread_after_its_task_is_cancelled(pool: WorkerPool) -> None:
    gate, ran = threading.Event(), []
    running = asyncio.ensure_future(pool.run(GREEDY, 1, gate.wait))
    await asyncio.sleep(0.01)
    running.cancel()
    following = asyncio.ensure_future(pool.run(MODEST, 1, lambda: ran.append("following")))
    await asyncio.sleep(0.05)
    assert not ran
    gate.set()
    await following
    assert ran == ["following"]


async def test_cancelling_at_the_moment_of_the_turn_leaks_no_place(pool: WorkerPool) -> None:
    for _ in range(20):
        first = asyncio.ensure_future(pool.run(GREEDY, 1, lambda: None))
        second = asyncio.ensure_future(pool.run(GREEDY, 1, lambda: None))
        await asyncio.sleep(0)
        await first
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
    async with asyncio.timeout(60):
        assert await pool.run(MODEST, 1, lambda: "done") == "done"


async def test_an_error_reaches_the_caller_alone(pool: WorkerPool) -> None:
    with pytest.raises(ZeroDivisionError):
        await pool.run(GREEDY, 1, lambda: 1 // 0)
    assert await pool.run(GREEDY, 1, lambda: 7) == 7
