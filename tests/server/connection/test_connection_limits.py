"""Whose connections are closed when there are too many."""

import pytest

from forefront.server.connection.connection_limits import ConnectionLimits
from forefront.server.http.error_response import error_headers
from forefront.wire.errors import ERRORS, RequestError


class Held:
    """A connection that notes its end."""

    def __init__(self, *, idle: bool = True) -> None:
        self.idle = idle
        self.open = True

    def evict(self) -> None:
        assert self.open
        self.open = False


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, in seconds."""
    now = [100.0]
    monkeypatch.setattr("forefront.server.connection.connection_limits.time.monotonic", lambda: now[0])
    return now


def opened(limits: ConnectionLimits, address: str, count: int, *, idle: bool = True) -> list[Held]:
    held = [Held(idle=idle) for _ in range(count)]
    for one in held:
        limits.open(one, address)
    return held


def count(held: list[Held]) -> int:
    return sum(one.open for one in held)


def test_the_oldest_idle_connection_of_an_address_makes_room(clock: list[float]) -> None:
    limits = ConnectionLimits(400, 10)
    busy, idle = opened(limits, "192.0.2.1", 1, idle=False), opened(limits, "192.0.2.1", 9)
    other = opened(limits, "192.0.2.2", 9)
    clock[0] += 2
    new = opened(limits, "192.0.2.1", 3)
    assert [one.open for one in idle] == [False] * 3 + [True] * 6
    assert (count(busy), count(new), count(other)) == (1, 3, 9)


def test_a_burst_may_exceed_the_limit_for_a_second(clock: list[float]) -> None:
    limits = ConnectionLimits(400, 10)
    burst = opened(limits, "192.0.2.1", 100)
    assert count(burst) == 100
    clock[0] += 2
    new = opened(limits, "192.0.2.1", 1)
    assert (count(burst), count(new)) == (9, 1)


def test_one_address_never_takes_all_connections(clock: list[float]) -> None:
    limits = ConnectionLimits(40, 10)
    flood = opened(limits, "192.0.2.1", 500)
    assert count(flood) == 40
    others = [opened(limits, f"198.51.100.{number}", 1)[0] for number in range(20)]
    assert count(others) == 20
    more = opened(limits, "192.0.2.1", 100)
    assert count(others) == 20
    assert count(flood) + count(more) == 20


def test_busy_connections_without_a_key_make_room_too(clock: list[float]) -> None:
    limits = ConnectionLimits(40, 10)
    flood = opened(limits, "192.0.2.1", 60, idle=False)
    assert count(flood) == 40
    assert count(opened(limits, "192.0.2.2", 1)) == 1


def test_an_ipv6_network_is_one_address(clock: list[float]) -> None:
    limits = ConnectionLimits(400, 10)
    flood = [opened(limits, f"2001:db8::{number:x}", 1)[0] for number in range(1, 31)]
    other = opened(limits, "2001:db8:0:1::1", 5)
    clock[0] += 2
    new = opened(limits, "2001:db8::ffff", 1)
    assert (count(flood), count(other), count(new)) == (9, 5, 1)


def test_a_mapped_address_is_its_ipv4_address(clock: list[float]) -> None:
    limits = ConnectionLimits(400, 10)
    flood = opened(limits, "::ffff:192.0.2.1", 10)
    clock[0] += 2
    opened(limits, "192.0.2.1", 1)
    assert count(flood) == 9
    assert count(opened(limits, "::ffff:192.0.2.2", 10)) == 10


def test_connections_with_a_key_do_not_count_for_their_address(clock: list[float]) -> None:
    limits = ConnectionLimits(400, 10)
    proxied = opened(limits, "192.0.2.1", 200)
    for number, one in enumerate(proxied):
        limits.authenticate(one, f"project{number % 3}")
    clock[0] += 2
    new = opened(limits, "192.0.2.1", 10)
    assert (count(proxied), count(new)) == (200, 10)


def test_a_project_has_three_quarters(clock: list[float]) -> None:
    limits = ConnectionLimits(40, 10)
    first = opened(limits, "192.0.2.1", 30)
    for one in first:
        limits.authenticate(one, "a")
    second = opened(limits, "192.0.2.1", 1)[0]
    limits.authenticate(second, "a")
    assert [one.open for one in first[:2]] == [False, True]
    for one in [*first, second]:
        one.idle = False
    third = opened(limits, "192.0.2.1", 1)[0]
    with pytest.raises(RequestError) as refused:
        limits.authenticate(third, "a")
    assert (ERRORS[refused.value.code].status, error_headers(refused.value)["connection"]) == (503, "close")
    limits.authenticate(third, "b")
    assert count(first) == 29


def test_an_eighth_is_kept_for_connections_without_a_key(clock: list[float]) -> None:
    limits = ConnectionLimits(40, 10)
    for number in range(35):
        one = opened(limits, "192.0.2.1", 1, idle=False)[0]
        limits.authenticate(one, f"project{number % 2}")
    waiting = opened(limits, "192.0.2.2", 5)
    with pytest.raises(RequestError):
        limits.authenticate(waiting[0], "c")
    assert count(waiting) == 5
    assert count(opened(limits, "192.0.2.3", 1)) == 1
    assert count(waiting) == 4


def test_an_ended_connection_leaves_no_state(clock: list[float]) -> None:
    limits = ConnectionLimits(40, 10)
    for number in range(200):
        one = opened(limits, f"192.0.2.{number}", 1)[0]
        if number % 2:
            limits.authenticate(one, "a")
        limits.close(one)
        limits.close(one)
        limits.authenticate(one, "a")
    assert count(opened(limits, "192.0.2.1", 40)) == 40


@pytest.mark.parametrize("total", range(1, 20))
def test_a_small_connection_limit_is_usable(clock: list[float], total: int) -> None:
    limits = ConnectionLimits(total, 1)
    for number in range(50):
        one = opened(limits, f"192.0.2.{number % 7}", 1)[0]
        assert one.open
        limits.authenticate(one, f"project{number % 5}")
        assert one.open
        clock[0] += 2
