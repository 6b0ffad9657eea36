"""Turns among projects: slots beyond the slots for those below their share, and places that one cannot take alone."""

import asyncio

import pytest

from forefront.fairness.fair_queue import FairQueue
from forefront.gateway.admission_queue import Turn, Turns
from forefront.wire.errors import ApiError


def enter(turns: Turns, project: str, tokens: int = 100, weight: float = 1) -> Turn:
    turns.check(project)
    turns.come(project)
    return turns.enter(project, weight, tokens)


def fill(turns: Turns, project: str) -> list[Turn]:
    """As many as there is room for."""
    entered = []
    while True:
        try:
            entered.append(enter(turns, project))
        except ApiError as error:
            assert error.status == 503
            return entered


def test_one_project_has_all_slots_and_most_places() -> None:
    turns = Turns(64, 1024)
    entered = fill(turns, "greedy")
    assert turns.running == 64
    assert len(entered) == 952


def test_a_full_queue_of_one_project_is_open_to_others() -> None:
    turns = Turns(64, 1024)
    fill(turns, "greedy")
    first = [enter(turns, "modest") for _ in range(40)]
    # Half of the slots are theirs; the others wait for these.
    assert [turn.waits for turn in first] == [False] * 32 + [True] * 8
    others = [len(fill(turns, f"other{n}")) for n in range(3)]
    assert min(others) >= 1
    assert turns.running <= 128


def test_slots_beyond_the_slots_follow_the_weights() -> None:
    turns = Turns(60, 1000)
    fill(turns, "greedy")
    entered = [enter(turns, "heavy", weight=2) for _ in range(50)]
    assert sum(not turn.waits for turn in entered) == 40


def test_a_greedy_projects_next_turns_wait_until_the_slots_are_free_again() -> None:
    turns = Turns(4, 100)
    greedy = fill(turns, "greedy")
    modest = [enter(turns, "modest") for _ in range(2)]
    assert turns.running == 6
    greedy[0].leave(100)
    greedy[1].leave(100)
    assert turns.running == 4
    modest[0].leave(10)
    assert not greedy[4].waits
    assert turns.running == 4


def test_many_projects_get_at_most_as_many_turns_again() -> None:
    turns = Turns(4, 1000)
    fill(turns, "greedy")
    first = [enter(turns, f"p{n}") for n in range(20)]
    assert turns.running == 8
    assert sum(not turn.waits for turn in first) == 4


def test_places_of_requests_that_are_prepared_count_for_their_project() -> None:
    turns = Turns(1, 15)
    for _ in range(14):
        turns.check("greedy")
        turns.come("greedy")
    with pytest.raises(ApiError, match="14 requests are waiting"):
        turns.check("greedy")
    turns.check("modest")
    for _ in range(14):
        turns.stay_away("greedy")
    turns.check("greedy")


def test_a_preflight_hears_of_the_queue_before_its_own_project() -> None:
    turns = Turns(4, 100)
    assert turns.outlook_for_next("greedy", 1) == (0, 0.0)
    waiting = len(fill(turns, "greedy")) - 4
    assert turns.outlook_for_next("greedy", 1)[0] == waiting
    assert turns.outlook_for_next("modest", 1) == (0, 0.0)
    while not enter(turns, "modest").waits:
        pass
    ahead, seconds = turns.outlook_for_next("modest", 1)
    assert 0 < ahead < waiting
    assert seconds > 0


async def test_a_turn_that_is_left_early_is_left_once() -> None:
    turns = Turns(1, 10)
    first, second = enter(turns, "a"), enter(turns, "a")
    first.leave(50)
    first.leave(100)
    await asyncio.wait_for(second.granted(), 1)
    assert (turns.running, turns.waiting) == (1, 0)


def test_the_place_in_the_queue_is_true() -> None:
    queue: FairQueue[str] = FairQueue(1, 1000)
    queue.add("a", 1, "running", 10)
    queue.next()
    for n in range(20):
        queue.add("abc"[n % 3], 1.0 + n % 3, f"{n}", 10 + n)
    expected = {item: queue.ahead(item) for item in map(str, range(20))}
    queue.done("a", "running", 10, 10)
    count = tokens = 0
    while queue.waiting:
        item = queue.next()
        assert item is not None
        assert expected[item] == (count, tokens)
        count, tokens = count + 1, tokens + 10 + int(item)
        queue.done("abc"[int(item) % 3], item, 10 + int(item), 10 + int(item))
