"""Weighted fair queueing: order, shares and counts."""

import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forefront.fairness.fair_queue import FairQueue


def test_a_single_request_starts_before_five_hundred_of_another_tenant() -> None:
    queue: FairQueue[str] = FairQueue(1, 1000)
    for n in range(500):
        queue.add("greedy", 1, f"g{n}", 100)
    assert queue.start_next() == "g0"
    queue.add("modest", 1, "m", 100)
    assert queue.ahead("m") == (0, 0)
    assert queue.ahead("g2") == (2, 200)
    queue.finish("greedy", "g0", 100, 100)
    assert queue.start_next() == "m"


def test_a_changed_weight_gives_no_head_start() -> None:
    queue: FairQueue[str] = FairQueue(1, 1000)
    queue.add("a", 100, "a0", 10_000)
    queue.add("b", 1, "b0", 10)
    assert queue.start_next() == "a0"
    for n in (1, 2):
        queue.add("a", 0.01, f"a{n}", 10)
    queue.finish("a", "a0", 10_000, 0)
    assert queue.start_next() == "a1"
    queue.finish("a", "a1", 10, 10)
    assert queue.start_next() == "b0"


def test_shares_follow_the_weights_in_tokens_used() -> None:
    queue: FairQueue[tuple[str, int]] = FairQueue(1, 10_000)
    sizes = {"small": 10, "large": 100, "heavy": 50}
    weights = {"small": 1.0, "large": 1.0, "heavy": 2.0}
    for tenant, size in sizes.items():
        for n in range(3000):
            queue.add(tenant, weights[tenant], (tenant, n), size * 4)  # four times what will be used
    used = dict.fromkeys(sizes, 0)
    while sum(used.values()) < 40_000:
        item = queue.start_next()
        assert item is not None
        used[item[0]] += sizes[item[0]]
        queue.finish(item[0], item, sizes[item[0]] * 4, sizes[item[0]])
    assert used["small"] == pytest.approx(10_000, rel=0.05)
    assert used["large"] == pytest.approx(10_000, rel=0.05)
    assert used["heavy"] == pytest.approx(20_000, rel=0.05)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["add", "start", "finish", "remove"])), max_size=80))
def test_queue_counts_are_consistent(steps: list[tuple[str, str]]) -> None:
    queue: FairQueue[int] = FairQueue(2, 100)
    waiting: dict[str, list[int]] = {name: [] for name in "abc"}
    running: dict[str, list[int]] = {name: [] for name in "abc"}
    for number, (tenant, step) in enumerate(steps):
        if step == "add":
            queue.add(tenant, 1, number, 5)
            waiting[tenant].append(number)
        elif step == "remove" and waiting[tenant]:
            queue.remove(tenant, waiting[tenant].pop())
        elif step == "finish" and running[tenant]:
            queue.finish(tenant, running[tenant].pop(), 5, 3)
        elif step == "start" and (item := queue.start_next()) is not None:
            [owner] = [name for name, items in waiting.items() if item in items]
            assert waiting[owner][0] == item
            waiting[owner].pop(0)
            running[owner].append(item)
        assert (queue.running, queue.waiting) == (sum(map(len, running.values())), sum(map(len, waiting.values())))
        assert queue.tokens_waiting == 5 * queue.waiting
        assert queue.running <= 2


def count_instructions(work: Callable[[], object]) -> int:
    """The bytecode instructions that Python functions execute within `work`."""
    count = 0

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal count
        frame.f_trace_opcodes = True
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def test_the_work_for_a_finished_item_is_linear_in_the_number_of_tenants() -> None:
    def work(tenants: int) -> int:
        queue: FairQueue[tuple[int, int]] = FairQueue(8, 10_000, extra_slots=8)
        for tenant in range(tenants):
            for number in range(2):
                queue.add(f"{tenant}", 1, (tenant, number), 100)
        running = []
        while (item := queue.start_next()) is not None:
            running.append(item)
        assert len(running) == 16, "all slots and extra slots are taken"

        def finish_one() -> None:
            queue.finish(f"{running[0][0]}", running[0], 100, 100)
            assert queue.start_next() is not None

        return count_instructions(finish_one)

    assert work(400) < 3 * work(200)


def test_a_long_queue_of_one_tenant_is_emptied_in_linear_time() -> None:
    queue: FairQueue[int] = FairQueue(2**31, 2**31)
    for number in range(200_000):
        queue.add("a", 1, number, 1)
    begin = time.process_time()
    assert sum(queue.start_next() is not None for _ in range(200_000)) == 200_000
    assert time.process_time() - begin < 10
