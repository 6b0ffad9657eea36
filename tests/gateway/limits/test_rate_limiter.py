"""Limits by the minute and at a time, their headers, and the order of turns."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forefront.fairness.fair_queue import FairQueue
from forefront.gateway.lease import Lease
from forefront.gateway.limits.sliding_window import TICK, WINDOW, Window
from forefront.gateway.store.database import open_database
from forefront.wire.admin import Limits, NewKey, ProjectSettings
from forefront.wire.errors import ApiError
from tests.gateway.helpers import answer, open_desk


@given(
    limit=st.integers(1, 20),
    steps=st.lists(st.tuples(st.floats(0, 50), st.integers(1, 12), st.integers(0, 12)), max_size=60),
)
def test_no_minute_holds_more_than_the_limit_and_waits_are_exact(
    limit: int, steps: list[tuple[float, int, int]]
) -> None:
    window, now = Window(limit), 0.0
    times: list[tuple[float, int]] = []

    def counted(now: float) -> int:
        """As the window does: until a minute after the last of a tick."""
        last = {at // TICK: at for at, _ in times}
        return sum(size for at, size in times if last[at // TICK] > now - WINDOW)

    for pause, amount, used in steps:
        now += pause
        wait = window.wait(now, amount)
        held = counted(now)
        if amount > limit:
            assert wait is None
        elif wait:
            assert held + amount > limit
            assert counted(now + wait * 1.0001) + amount <= limit
            assert wait <= WINDOW
        else:
            assert held + amount <= limit
            window.correct(window.take(now, amount), min(used, amount) - amount)
            times.append((now, min(used, amount)))
        assert window.used(now) == counted(now)
        assert sum(size for at, size in times if at > now - WINDOW) <= limit


def test_who_is_refused_in_the_same_moment_is_told_to_wait_for_a_minute_and_not_more() -> None:
    """Clients that are told of more than a minute give up at once."""
    window, now = Window(2), 1000.001
    window.take(now, 1)
    window.take(now + 0.0001, 1)
    for later in (0.0001, 0.001, 0.02):
        wait = window.wait(now + later, 1)
        assert wait is not None
        assert WINDOW - 0.03 < wait <= WINDOW
        assert window.reset(now + later) <= WINDOW


def test_a_window_keeps_little_of_many_requests() -> None:
    window = Window(10**6)
    for number in range(100_000):
        window.take(number / 50_000, 1)
    assert len(window._entries) < 150
    assert window.used(2) == 100_000


async def test_requests_per_minute(tmp_path: Path) -> None:
    async with open_desk(open_database(f"sqlite:///{tmp_path / 'f.db'}")) as desk:
        principal = await desk.principal(NewKey(name="r", limits=Limits(requests_per_minute=10)))
        passed = 0
        for n in range(200):
            try:
                await answer(desk.gateway.admit(principal, "m", f"c{n}"), 1, 1, 1)
                passed += 1
            except ApiError as error:
                assert (error.status, error.code) == (429, "rate_limit_exceeded")
                assert error.headers["retry-after"] == "60"
                assert error.headers["x-ratelimit-limit-requests"] == "10"
                assert error.headers["x-ratelimit-remaining-requests"] == "0"
        assert passed == 10
        desk.clock.now += 60
        await answer(desk.gateway.admit(principal, "m", "later"), 1, 1, 1)
        desk.database.close()


async def test_tokens_per_minute_are_reserved_and_given_back(tmp_path: Path) -> None:
    async with open_desk(open_database(f"sqlite:///{tmp_path / 'f.db'}")) as desk:
        desk.keys.set_project("default", ProjectSettings(limits=Limits(tokens_per_minute=100)))
        principal = await desk.principal()
        with desk.gateway.admit(principal, "m", "a") as lease:
            await lease.admit(20, 70)
            assert lease.headers()["x-ratelimit-remaining-tokens"] == "10"
            with pytest.raises(ApiError) as caught:
                await answer(desk.gateway.admit(principal, "m", "b"), 10, 1, 1)
            assert caught.value.headers["retry-after"] == "60"
            lease.output_tokens = 5
            await lease.settle("completed", "stop")
            assert lease.headers()["x-ratelimit-remaining-tokens"] == "75"
        await answer(desk.gateway.admit(principal, "m", "c"), 10, 65, 1)
        with pytest.raises(ApiError) as caught:
            await answer(desk.gateway.admit(principal, "m", "d"), 100, 1, 1)
        assert caught.value.headers["x-should-retry"] == "false"
        assert not {"retry-after", "retry-after-ms"} & caught.value.headers.keys()  # it will not fit later either
        desk.database.close()


async def test_concurrency_of_a_project_counts_all_its_keys(tmp_path: Path) -> None:
    async with open_desk(open_database(f"sqlite:///{tmp_path / 'f.db'}")) as desk:
        desk.keys.set_project("default", ProjectSettings(limits=Limits(concurrency=2)))
        one, two = await desk.principal(), await desk.principal()
        with (
            desk.gateway.admit(one, "m", "a"),
            desk.gateway.admit(two, "m", "b"),
            pytest.raises(ApiError, match="2 requests at a time"),
        ):
            desk.gateway.admit(two, "m", "c")
        with desk.gateway.admit(two, "m", "d"):
            pass
        desk.database.close()


async def test_limits_of_before_a_change_do_not_come_back(tmp_path: Path) -> None:
    """A request that began before the change is admitted after it."""
    async with open_desk(open_database(f"sqlite:///{tmp_path / 'f.db'}")) as desk:
        desk.keys.set_project("default", ProjectSettings(limits=Limits(requests_per_minute=1000)))
        before = await desk.principal()
        desk.keys.set_project("default", ProjectSettings(limits=Limits(requests_per_minute=3)))
        after = await desk.principal()
        for who in (after, before, after):
            with desk.gateway.admit(who, "m", "c"):
                pass
        for who in (after, before):
            with pytest.raises(ApiError, match="3 requests per minute"):
                desk.gateway.admit(who, "m", "c")
        desk.database.close()


async def test_a_limit_that_was_taken_away_and_set_again_counts_from_nothing(tmp_path: Path) -> None:
    async with open_desk(open_database(f"sqlite:///{tmp_path / 'f.db'}")) as desk:
        limits = ProjectSettings(limits=Limits(tokens_per_minute=1000))
        desk.keys.set_project("default", limits)
        with desk.gateway.admit(await desk.principal(), "m", "running") as lease:
            await lease.admit(10, 990)
            for settings in (ProjectSettings(), limits):
                desk.keys.set_project("default", settings)
                await answer(desk.gateway.admit(await desk.principal(), "m", "c"), 0, 0, 0)
        desk.clock.now += 120
        with desk.gateway.admit(await desk.principal(), "m", "later") as lease:
            assert lease.headers()["x-ratelimit-remaining-tokens"] == "1000"
        desk.database.close()


async def test_keys_that_ask_no_more_take_no_room(tmp_path: Path) -> None:
    async with open_desk(open_database(f"sqlite:///{tmp_path / 'f.db'}")) as desk:
        running = desk.gateway.admit(await desk.principal(NewKey(name="k", project="other")), "m", "c")
        for _ in range(50):
            who = await desk.principal(NewKey(name="k", limits=Limits(requests_per_minute=5)))
            with desk.gateway.admit(who, "m", "c"):
                pass
            desk.clock.now += 61
        assert len(desk.gateway._allowances) <= 6
        assert running._allowances[0] in desk.gateway._allowances.values()
        running.abandon("aborted")
        desk.database.close()


async def test_a_full_queue_refuses_with_a_computed_wait(tmp_path: Path) -> None:
    async with open_desk(open_database(f"sqlite:///{tmp_path / 'f.db'}"), slots=1, room=2) as desk:
        principal = await desk.principal()
        with desk.gateway.admit(principal, "m", "running") as lease:
            await lease.admit(10, 990)
            waiting = [
                asyncio.create_task(answer(desk.gateway.admit(principal, "m", f"w{n}"), 10, 990, 1)) for n in range(2)
            ]
            while desk.gateway.turns.waiting < 2:
                await asyncio.sleep(0.001)
            with pytest.raises(ApiError, match="2 requests are waiting") as caught:
                await answer(desk.gateway.admit(principal, "m", "refused"), 10, 10, 1)
            assert caught.value.status == 503
            assert int(caught.value.headers["retry-after"]) >= 1
            assert caught.value.headers["x-queue-position"] == "2"
        await asyncio.gather(*waiting)
        desk.database.close()


def test_one_request_beside_five_hundred_is_next() -> None:
    queue: FairQueue[str] = FairQueue(1, 1000)
    for n in range(500):
        queue.add("greedy", 1, f"g{n}", 100)
    assert queue.next() == "g0"
    queue.add("modest", 1, "m", 100)
    assert queue.ahead("m") == (0, 0)
    assert queue.ahead("g2") == (2, 200)
    queue.done("greedy", "g0", 100, 100)
    assert queue.next() == "m"


def test_a_weight_that_changes_meanwhile_gives_nobody_a_start() -> None:
    queue: FairQueue[str] = FairQueue(1, 1000)
    queue.add("a", 100, "a0", 10_000)
    queue.add("b", 1, "b0", 10)
    assert queue.next() == "a0"
    for n in (1, 2):
        queue.add("a", 0.01, f"a{n}", 10)
    queue.done("a", "a0", 10_000, 0)
    assert queue.next() == "a1"
    queue.done("a", "a1", 10, 10)
    assert queue.next() == "b0"


def test_shares_follow_the_weights_in_tokens_used() -> None:
    queue: FairQueue[tuple[str, int]] = FairQueue(1, 10_000)
    sizes = {"small": 10, "large": 100, "heavy": 50}
    weights = {"small": 1.0, "large": 1.0, "heavy": 2.0}
    for tenant, size in sizes.items():
        for n in range(3000):
            queue.add(tenant, weights[tenant], (tenant, n), size * 4)  # four times what will be used
    used = dict.fromkeys(sizes, 0)
    while sum(used.values()) < 40_000:
        item = queue.next()
        assert item is not None
        used[item[0]] += sizes[item[0]]
        queue.done(item[0], item, sizes[item[0]] * 4, sizes[item[0]])
    assert used["small"] == pytest.approx(10_000, rel=0.05)
    assert used["large"] == pytest.approx(10_000, rel=0.05)
    assert used["heavy"] == pytest.approx(20_000, rel=0.05)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["add", "next", "done", "remove"])), max_size=80))
def test_counts_of_the_queue_stay_true(steps: list[tuple[str, str]]) -> None:
    queue: FairQueue[int] = FairQueue(2, 100)
    waiting: dict[str, list[int]] = {name: [] for name in "abc"}
    running: dict[str, list[int]] = {name: [] for name in "abc"}
    for number, (tenant, step) in enumerate(steps):
        if step == "add":
            queue.add(tenant, 1, number, 5)
            waiting[tenant].append(number)
        elif step == "remove" and waiting[tenant]:
            queue.remove(tenant, waiting[tenant].pop())
        elif step == "done" and running[tenant]:
            queue.done(tenant, running[tenant].pop(), 5, 3)
        elif step == "next" and (item := queue.next()) is not None:
            [owner] = [name for name, items in waiting.items() if item in items]
            assert waiting[owner][0] == item
            waiting[owner].pop(0)
            running[owner].append(item)
        assert (queue.running, queue.waiting) == (sum(map(len, running.values())), sum(map(len, waiting.values())))
        assert queue.tokens_waiting == 5 * queue.waiting
        assert queue.running <= 2


async def test_no_more_requests_are_prepared_than_can_enter(tmp_path: Path) -> None:
    """Their prompts would be rendered and cut into tokens for nothing, when the server has least to spare."""
    async with open_desk(open_database(f"sqlite:///{tmp_path / 'f.db'}"), slots=1, room=1) as desk:
        principal = await desk.principal()

        def come() -> Lease:
            return desk.gateway.admit(principal, "m", "c")

        one, two = come(), come()
        with pytest.raises(ApiError, match="The server is busy: 2 requests"):
            come()
        two.abandon("aborted")
        three = come()
        await three.admit(1, 1)
        entering = asyncio.create_task(one.admit(1, 1))
        await asyncio.sleep(0)
        assert (desk.gateway.turns.running, desk.gateway.turns.waiting) == (1, 1)
        with pytest.raises(ApiError, match="The server is busy: 1 requests are waiting"):
            come()
        three.abandon("aborted")
        await entering
        come().abandon("aborted")
        one.abandon("aborted")
        assert desk.gateway.turns.running == 0
        desk.database.close()
