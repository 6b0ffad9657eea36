"""Rate and concurrency limits, their headers, and a full queue."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forefront.gateway.limits.local_limiter import LocalLimiter
from forefront.gateway.limits.sliding_window import BUCKET, WINDOW, SlidingWindow
from forefront.gateway.request_lease import Lease
from forefront.gateway.store.database import open_database
from forefront.server.http.error_response import error_headers, rate_limit_headers
from forefront.wire.admin.records import Limits, NewKey, ProjectSettings
from forefront.wire.errors import ERRORS, RequestError
from tests.gateway.helpers import answer, open_gateway


@given(
    limit=st.integers(1, 20),
    steps=st.lists(st.tuples(st.floats(0, 50), st.integers(1, 12), st.integers(0, 12)), max_size=60),
)
def test_no_minute_exceeds_the_limit_and_waits_are_exact(limit: int, steps: list[tuple[float, int, int]]) -> None:
    window, now = SlidingWindow(limit), 0.0
    times: list[tuple[float, int]] = []

    def counted(now: float) -> int:
        """The rule of the window: until a minute after the last amount of a bucket."""
        last = {at // BUCKET: at for at, _ in times}
        return sum(size for at, size in times if last[at // BUCKET] > now - WINDOW)

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
            window.adjust(window.add(now, amount), min(used, amount) - amount)
            times.append((now, min(used, amount)))
        assert window.used(now) == counted(now)
        assert sum(size for at, size in times if at > now - WINDOW) <= limit


def test_concurrent_refusals_wait_a_minute_at_most() -> None:
    """Clients give up at once if `retry-after` is above a minute."""
    window, now = SlidingWindow(2), 1000.001
    window.add(now, 1)
    window.add(now + 0.0001, 1)
    for later in (0.0001, 0.001, 0.02):
        wait = window.wait(now + later, 1)
        assert wait is not None
        assert WINDOW - 0.03 < wait <= WINDOW
        assert window.reset(now + later) <= WINDOW


def test_a_window_keeps_little_of_many_requests() -> None:
    window = SlidingWindow(10**6)
    for number in range(100_000):
        window.add(number / 50_000, 1)
    assert len(window._entries) < 150
    assert window.used(2) == 100_000


async def test_requests_per_minute(tmp_path: Path) -> None:
    async with open_gateway(open_database(f"sqlite:///{tmp_path / 'f.db'}")) as fixture:
        principal = await fixture.principal(NewKey(name="r", limits=Limits(requests_per_minute=10)))
        passed = 0
        for n in range(200):
            try:
                await answer(fixture.gateway.admit(principal, "m", f"c{n}"), 1, 1, 1)
                passed += 1
            except RequestError as error:
                assert (ERRORS[error.code].status, error.code) == (429, "rate_limit_exceeded")
                assert error_headers(error)["retry-after"] == "60"
                assert error_headers(error)["x-ratelimit-limit-requests"] == "10"
                assert error_headers(error)["x-ratelimit-remaining-requests"] == "0"
        assert passed == 10
        fixture.clock.now += 60
        await answer(fixture.gateway.admit(principal, "m", "later"), 1, 1, 1)
        fixture.database.close()


async def test_tokens_per_minute_are_reserved_and_given_back(tmp_path: Path) -> None:
    async with open_gateway(open_database(f"sqlite:///{tmp_path / 'f.db'}")) as fixture:
        fixture.keys.set_project("default", ProjectSettings(limits=Limits(tokens_per_minute=100)))
        principal = await fixture.principal()
        with fixture.gateway.admit(principal, "m", "a") as lease:
            await lease.admit(20, 70)
            assert rate_limit_headers(lease.rate_limits())["x-ratelimit-remaining-tokens"] == "10"
            with pytest.raises(RequestError) as caught:
                await answer(fixture.gateway.admit(principal, "m", "b"), 10, 1, 1)
            assert error_headers(caught.value)["retry-after"] == "60"
            lease.output_tokens = 5
            await lease.settle("completed", "stop")
            assert rate_limit_headers(lease.rate_limits())["x-ratelimit-remaining-tokens"] == "75"
        await answer(fixture.gateway.admit(principal, "m", "c"), 10, 65, 1)
        with pytest.raises(RequestError) as caught:
            await answer(fixture.gateway.admit(principal, "m", "d"), 100, 1, 1)
        assert error_headers(caught.value)["x-should-retry"] == "false"
        assert (
            not {"retry-after", "retry-after-ms"} & error_headers(caught.value).keys()
        )  # it will not fit later either
        fixture.database.close()


async def test_concurrency_of_a_project_counts_all_its_keys(tmp_path: Path) -> None:
    async with open_gateway(open_database(f"sqlite:///{tmp_path / 'f.db'}")) as fixture:
        fixture.keys.set_project("default", ProjectSettings(limits=Limits(concurrency=2)))
        one, two = await fixture.principal(), await fixture.principal()
        with (
            fixture.gateway.admit(one, "m", "a"),
            fixture.gateway.admit(two, "m", "b"),
            pytest.raises(RequestError, match="2 requests at a time"),
        ):
            fixture.gateway.admit(two, "m", "c")
        with fixture.gateway.admit(two, "m", "d"):
            pass
        fixture.database.close()


async def test_stale_limits_do_not_overwrite_newer_ones(tmp_path: Path) -> None:
    """A request that began before the change is admitted after it."""
    async with open_gateway(open_database(f"sqlite:///{tmp_path / 'f.db'}")) as fixture:
        fixture.keys.set_project("default", ProjectSettings(limits=Limits(requests_per_minute=1000)))
        before = await fixture.principal()
        fixture.keys.set_project("default", ProjectSettings(limits=Limits(requests_per_minute=3)))
        after = await fixture.principal()
        for who in (after, before, after):
            with fixture.gateway.admit(who, "m", "c"):
                pass
        for who in (after, before):
            with pytest.raises(RequestError, match="3 requests per minute"):
                fixture.gateway.admit(who, "m", "c")
        fixture.database.close()


async def test_a_limit_removed_and_set_again_starts_at_zero(tmp_path: Path) -> None:
    async with open_gateway(open_database(f"sqlite:///{tmp_path / 'f.db'}")) as fixture:
        limits = ProjectSettings(limits=Limits(tokens_per_minute=1000))
        fixture.keys.set_project("default", limits)
        with fixture.gateway.admit(await fixture.principal(), "m", "running") as lease:
            await lease.admit(10, 990)
            for settings in (ProjectSettings(), limits):
                fixture.keys.set_project("default", settings)
                await answer(fixture.gateway.admit(await fixture.principal(), "m", "c"), 0, 0, 0)
        fixture.clock.now += 120
        with fixture.gateway.admit(await fixture.principal(), "m", "later") as lease:
            assert rate_limit_headers(lease.rate_limits())["x-ratelimit-remaining-tokens"] == "1000"
        fixture.database.close()


async def test_idle_keys_take_no_memory(tmp_path: Path) -> None:
    async with open_gateway(open_database(f"sqlite:///{tmp_path / 'f.db'}")) as fixture:
        running = fixture.gateway.admit(await fixture.principal(NewKey(name="k", project="other")), "m", "c")
        for _ in range(50):
            who = await fixture.principal(NewKey(name="k", limits=Limits(requests_per_minute=5)))
            with fixture.gateway.admit(who, "m", "c"):
                pass
            fixture.clock.now += 61
        limiter = fixture.gateway._limiter
        assert isinstance(limiter, LocalLimiter)
        assert len(limiter._limiters) <= 6
        assert running._reservation._limiters[0] in limiter._limiters.values()  # type: ignore[union-attr]
        running.abandon("aborted")
        fixture.database.close()


async def test_a_full_queue_refuses_with_a_computed_wait(tmp_path: Path) -> None:
    async with open_gateway(open_database(f"sqlite:///{tmp_path / 'f.db'}"), slots=1, max_waiting=2) as fixture:
        principal = await fixture.principal()
        with fixture.gateway.admit(principal, "m", "running") as lease:
            await lease.admit(10, 990)
            waiting = [
                asyncio.create_task(answer(fixture.gateway.admit(principal, "m", f"w{n}"), 10, 990, 1))
                for n in range(2)
            ]
            while fixture.gateway.queue.waiting < 2:
                await asyncio.sleep(0.001)
            with pytest.raises(RequestError, match="2 requests are waiting") as caught:
                await answer(fixture.gateway.admit(principal, "m", "refused"), 10, 10, 1)
            assert ERRORS[caught.value.code].status == 503
            assert int(error_headers(caught.value)["retry-after"]) >= 1
            assert error_headers(caught.value)["x-queue-position"] == "2"
        await asyncio.gather(*waiting)
        fixture.database.close()


async def test_no_more_requests_are_prepared_than_can_enter(tmp_path: Path) -> None:
    """Their prompts would be rendered and cut into tokens for nothing, when the server has least to spare."""
    async with open_gateway(open_database(f"sqlite:///{tmp_path / 'f.db'}"), slots=1, max_waiting=1) as fixture:
        principal = await fixture.principal()

        def come() -> Lease:
            return fixture.gateway.admit(principal, "m", "c")

        one, two = come(), come()
        with pytest.raises(RequestError, match="The server is busy: 2 requests"):
            come()
        two.abandon("aborted")
        three = come()
        await three.admit(1, 1)
        entering = asyncio.create_task(one.admit(1, 1))
        await asyncio.sleep(0)
        assert (fixture.gateway.queue.running, fixture.gateway.queue.waiting) == (1, 1)
        with pytest.raises(RequestError, match="The server is busy: 1 requests are waiting"):
            come()
        three.abandon("aborted")
        await entering
        come().abandon("aborted")
        one.abandon("aborted")
        assert fixture.gateway.queue.running == 0
        fixture.database.close()
