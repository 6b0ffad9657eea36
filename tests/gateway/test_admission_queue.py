"""Fair admission: additional slots for projects below their share, and places that no project takes alone."""

import asyncio

import pytest

from forefront.fairness.fair_queue import FairQueue
from forefront.gateway.admission_queue import AdmissionQueue, QueueEntry
from forefront.wire.errors import ERRORS, RequestError


def enter(turns: AdmissionQueue, project: str, tokens: int = 100, weight: float = 1) -> QueueEntry:
    turns.check(project)
    turns.reserve(project)
    return turns.enqueue(project, weight, tokens)


def fill(turns: AdmissionQueue, project: str) -> list[QueueEntry]:
    """As many as there is room for."""
    entered = []
    while True:
        try:
            entered.append(enter(turns, project))
        except RequestError as error:
            assert ERRORS[error.code].status == 503
            return entered


def test_one_project_has_all_slots_and_most_places() -> None:
    turns = AdmissionQueue(64, 1024)
    entered = fill(turns, "greedy")
    assert turns.running == 64
    assert len(entered) == 952


def test_a_full_queue_of_one_project_is_open_to_others() -> None:
    turns = AdmissionQueue(64, 1024)
    fill(turns, "greedy")
    first = [enter(turns, "modest") for _ in range(40)]
    # Half of the slots are theirs; the others wait for these.
    assert [turn.waiting for turn in first] == [False] * 32 + [True] * 8
    others = [len(fill(turns, f"other{n}")) for n in range(3)]
    assert min(others) >= 1
    assert turns.running <= 128


def test_slots_beyond_the_slots_follow_the_weights() -> None:
    turns = AdmissionQueue(60, 1000)
    fill(turns, "greedy")
    entered = [enter(turns, "heavy", weight=2) for _ in range(50)]
    assert sum(not turn.waiting for turn in entered) == 40


def test_a_project_above_its_share_waits_until_slots_are_free() -> None:
    turns = AdmissionQueue(4, 100)
    greedy = fill(turns, "greedy")
    modest = [enter(turns, "modest") for _ in range(2)]
    assert turns.running == 6
    greedy[0].release(100)
    greedy[1].release(100)
    assert turns.running == 4
    modest[0].release(10)
    assert not greedy[4].waiting
    assert turns.running == 4


def test_many_projects_get_at_most_as_many_turns_again() -> None:
    turns = AdmissionQueue(4, 1000)
    fill(turns, "greedy")
    first = [enter(turns, f"p{n}") for n in range(20)]
    assert turns.running == 8
    assert sum(not turn.waiting for turn in first) == 4


def test_places_of_requests_that_are_prepared_count_for_their_project() -> None:
    turns = AdmissionQueue(1, 15)
    for _ in range(14):
        turns.check("greedy")
        turns.reserve("greedy")
    with pytest.raises(RequestError, match="14 requests are waiting"):
        turns.check("greedy")
    turns.check("modest")
    for _ in range(14):
        turns.cancel("greedy")
    turns.check("greedy")


def test_a_preflight_estimates_the_queue_ahead_of_its_project() -> None:
    turns = AdmissionQueue(4, 100)
    assert turns.estimate_next("greedy", 1) == (0, 0.0)
    waiting = len(fill(turns, "greedy")) - 4
    assert turns.estimate_next("greedy", 1)[0] == waiting
    assert turns.estimate_next("modest", 1) == (0, 0.0)
    while not enter(turns, "modest").waiting:
        pass
    ahead, seconds = turns.estimate_next("modest", 1)
    assert 0 < ahead < waiting
    assert seconds > 0


async def test_an_entry_is_released_once() -> None:
    turns = AdmissionQueue(1, 10)
    first, second = enter(turns, "a"), enter(turns, "a")
    first.release(50)
    first.release(100)
    await asyncio.wait_for(second.wait(), 60)
    assert (turns.running, turns.waiting) == (1, 0)


def test_the_estimate_matches_the_order() -> None:
    queue: FairQueue[str] = FairQueue(1, 1000)
    queue.add("a", 1, "running", 10)
    queue.start_next()
    for n in range(20):
        queue.add("abc"[n % 3], 1.0 + n % 3, f"{n}", 10 + n)
    expected = {item: queue.ahead(item) for item in map(str, range(20))}
    queue.finish("a", "running", 10, 10)
    count = tokens = 0
    while queue.waiting:
        item = queue.start_next()
        assert item is not None
        assert expected[item] == (count, tokens)
        count, tokens = count + 1, tokens + 10 + int(item)
        queue.finish("abc"[int(item) % 3], item, 10 + int(item), 10 + int(item))
