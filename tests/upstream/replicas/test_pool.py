"""Which replica gets a request, and which failures are tried again elsewhere."""

import random
from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forefront.fairness.tenant import Tenant
from forefront.upstream.errors import AttemptFailure, FailureKind, UpstreamError
from forefront.upstream.replica import RoutedRequest, UpstreamReplica
from forefront.upstream.replicas.circuit import CircuitPolicy
from forefront.upstream.replicas.pool import MAX_ATTEMPTS, UpstreamPool
from forefront.upstream.replicas.replica_state import ReplicaAttempt
from forefront.wire.completions.message import Message
from forefront.wire.completions.request import ChatRequest
from forefront.wire.errors import RequestError

POLICY = CircuitPolicy(failures=3)


@dataclass
class Clock:
    """A time that tests set."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Bench:
    """A pool and its time."""

    count: int = 2
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        replicas = [
            UpstreamReplica(f"big/{number}", f"http://gpu-{number}:8000/v1") for number in range(1, self.count + 1)
        ]
        self.pool = UpstreamPool(replicas, policy=POLICY, clock=self.clock)

    async def fail_until_open(self, name: str, kind: FailureKind = "unreachable") -> None:
        """Let requests to a replica fail until it is not chosen any more."""
        for _ in range(200):
            attempt = await self.pool.choose(routed(random.random()), [])
            attempt.end(failure(kind) if attempt.replica.name == name else None)
            if self.state(name) == "open":
                return
        raise AssertionError

    def state(self, name: str) -> str:
        """The state of a replica's circuit."""
        return next(status.state for status in self.pool.status() if status.name == name)


def routed(text: object = "Hello", tokens: int = 100, tenant: str = "team") -> RoutedRequest:
    request = ChatRequest(model="big", messages=[Message(role="user", content=str(text))])
    return RoutedRequest(request, Tenant(tenant), tokens)


def failure(kind: FailureKind, retry_after: float | None = None) -> UpstreamError:
    return UpstreamError(AttemptFailure(kind), "engine_failed", "It failed.", retry_after=retry_after)


async def tried(bench: Bench, kinds: list[FailureKind]) -> tuple[list[str], RequestError | None]:
    """The replicas of one request whose attempts fail so, and what the client gets if no further one follows."""
    names: list[str] = []
    failures: list[UpstreamError] = []
    for kind in kinds:
        try:
            attempt = await bench.pool.choose(routed(), failures)
        except RequestError as error:
            return names, error
        names.append(attempt.replica.name)
        failed = failure(kind)
        attempt.end(failed)
        failures.append(failed)
    try:
        (await bench.pool.choose(routed(), failures)).end(None)
    except RequestError as error:
        return names, error
    return names, None


async def test_outstanding_tokens_decide() -> None:
    bench = Bench(3)
    attempts = [await bench.pool.choose(routed(number, 1000), []) for number in range(30)]
    assert sorted(status.outstanding_tokens for status in bench.pool.status()) == pytest.approx([10_000] * 3, abs=5500)
    for attempt in attempts:
        attempt.begin()
        attempt.end(None)
    assert [(status.outstanding_tokens, status.running) for status in bench.pool.status()] == [(0, 0)] * 3


async def test_a_conversation_stays_with_its_replica() -> None:
    bench, names = Bench(4), Counter[str]()
    for _ in range(20):
        attempt = await bench.pool.choose(routed("The same"), [])
        names[attempt.replica.name] += 1
        attempt.end(None)
    assert len(names) == 1


@pytest.mark.parametrize("kind", ["unreachable", "broken", "overloaded"])
async def test_a_failure_is_tried_on_another_replica(kind: FailureKind) -> None:
    names, error = await tried(Bench(3), [kind])
    assert error is None
    names, error = await tried(Bench(3), [kind] * 3)
    assert len(set(names)) == len(names) == MAX_ATTEMPTS
    assert isinstance(error, UpstreamError)
    assert error.kind == kind


async def test_the_number_of_attempts_is_bounded() -> None:
    names, error = await tried(Bench(8), ["broken"] * 8)
    assert len(names) == MAX_ATTEMPTS
    assert error is not None


async def test_a_refused_request_is_not_tried_again() -> None:
    bench = Bench(3)
    names, error = await tried(bench, ["request"])
    assert len(names) == 1
    assert error is not None
    assert [status.failures for status in bench.pool.status()] == [0, 0, 0]


async def test_a_replica_may_get_a_request_again_but_not_at_once() -> None:
    """As when the second replica dies after the first has come back."""
    names, error = await tried(Bench(2), ["broken", "unreachable"])
    assert error is None
    assert len(set(names)) == 2
    names, error = await tried(Bench(2), ["broken", "unreachable", "broken"])
    assert names[2] == names[0]
    assert error is not None
    names, error = await tried(Bench(1), ["broken"])
    assert (len(names), error is None) == (1, False)


async def test_an_overload_response_of_all_replicas_is_final() -> None:
    bench = Bench(2)
    names, error = await tried(bench, ["overloaded", "overloaded"])
    assert (len(names), error is None) == (2, False)
    # Both have no room now: the next request is tried on one of them only.
    names, error = await tried(bench, ["overloaded"])
    assert (len(names), error is None) == (1, False)
    assert [bench.state(f"big/{number}") for number in (1, 2)] == ["closed", "closed"]


async def test_a_replica_with_retry_after_comes_last_until_it_expires() -> None:
    bench = Bench(2)
    attempt = await bench.pool.choose(routed(), [])
    attempt.end(failure("overloaded", retry_after=5))
    full, names = attempt.replica.name, []
    for _ in range(6):
        other = await bench.pool.choose(routed(), [])
        names.append(other.replica.name)
        other.end(None)
        bench.clock.now += 1
    assert full not in names[:5]
    assert names[5] == full


async def test_an_open_replica_gets_nothing_until_its_trial() -> None:
    bench = Bench(2)
    await bench.fail_until_open("big/1")
    for number in range(20):
        attempt = await bench.pool.choose(routed(number), [])
        assert attempt.replica.name == "big/2"
        attempt.end(None)
    bench.clock.now += 2
    trial = await bench.pool.choose(routed(), [])
    assert trial.replica.name == "big/1"
    assert (await bench.pool.choose(routed(), [])).replica.name == "big/2"
    trial.begin()
    assert bench.state("big/1") == "closed"
    assert bench.pool.status()[0].share == POLICY.first_share
    assert bench.pool.status()[0].ejections == 1


async def test_an_abandoned_trial_is_followed_by_another() -> None:
    bench = Bench(2)
    await bench.fail_until_open("big/1")
    bench.clock.now += 2
    for _ in range(3):
        trial = await bench.pool.choose(routed(), [])
        assert trial.replica.name == "big/1"
        trial.end(None)


async def test_without_any_replica_the_error_has_a_retry_after() -> None:
    bench = Bench(2)
    await bench.fail_until_open("big/1")
    await bench.fail_until_open("big/2")
    with pytest.raises(RequestError) as caught:
        await bench.pool.choose(routed(), [])
    assert caught.value.code == "upstream_unavailable"
    assert caught.value.retry_after is not None
    assert 1 <= caught.value.retry_after < 2


async def test_one_tenant_cannot_eject_the_replicas_of_others() -> None:
    bench = Bench(2)
    for _ in range(20):
        failures: list[UpstreamError] = []
        for _ in range(2):
            try:
                attempt = await bench.pool.choose(routed(tenant="bad"), failures)
            except RequestError:
                break
            attempt.end(failed := failure("broken"))
            failures.append(failed)
    with pytest.raises(RequestError):
        await bench.pool.choose(routed(tenant="bad"), [])
    for number in range(20):
        attempt = await bench.pool.choose(routed(number, tenant="good"), [])
        attempt.begin()
        attempt.end(None)


async def test_the_status_shows_neither_keys_nor_passwords() -> None:
    pool = UpstreamPool([UpstreamReplica("big/1", "http://user:secret@gpu-1:8000/v1?key=secret", "secret")])
    (await pool.choose(routed(), [])).end(failure("unreachable"))
    (status,) = pool.status()
    assert "secret" not in str(status)
    assert status.address == "http://gpu-1:8000/v1"
    assert status.last_error == "unreachable: engine_failed"
    assert status.last_error_at is not None


STEPS = st.lists(
    st.tuples(
        st.sampled_from(("choose", "begin", "end", "request", "overloaded", "unreachable", "broken", "wait")),
        st.integers(0, 5),
    ),
    max_size=60,
)


@settings(max_examples=100, deadline=None)
@given(STEPS, st.integers(1, 4))
async def test_accounts_balance(steps: list[tuple[str, int]], count: int) -> None:
    """After any order of attempts nothing is outstanding, and a pool that works again answers again."""
    bench, running = Bench(count), list[ReplicaAttempt]()
    for step, number in steps:
        if step == "choose":
            try:
                running.append(await bench.pool.choose(routed(number, number + 1, f"t{number % 3}"), []))
            except RequestError as error:
                assert error.code == "upstream_unavailable"
        elif step == "wait":
            bench.clock.now += number
        elif running:
            attempt = running[number % len(running)]
            if step == "begin":
                attempt.begin()
                continue
            running.remove(attempt)
            attempt.end(None if step == "end" else failure(step))  # type: ignore[arg-type]
        assert sum(status.running for status in bench.pool.status()) == len(running)
    for attempt in running:
        attempt.end(None)
    assert all(status.outstanding_tokens == 0 for status in bench.pool.status())
    bench.clock.now += POLICY.max_pause_seconds * 1.2
    for _ in range(count):
        attempt = await bench.pool.choose(routed(), [])
        attempt.begin()
        attempt.end(None)
    assert {status.state for status in bench.pool.status()} <= {"closed", "half_open"}
