"""Active health checks, against a check that the tests control."""

import asyncio

from forefront.upstream.errors import AttemptFailure, UpstreamError
from forefront.upstream.replica import UpstreamReplica
from forefront.upstream.replicas.circuit import Circuit, CircuitPolicy
from forefront.upstream.replicas.health_checks import HealthChecks
from forefront.upstream.replicas.replica_state import UpstreamReplicaState


class Checked:
    """A replica that passes its checks or not, and how often it was checked."""

    def __init__(self) -> None:
        self.works, self.checks, self.now = True, 0, 0.0
        self.state = UpstreamReplicaState(
            UpstreamReplica("big/1", "http://gpu-1/v1"), Circuit(CircuitPolicy()), self.clock
        )

    def clock(self) -> float:
        self.now += 1
        return self.now

    async def check(self, replica: UpstreamReplica) -> None:
        assert replica.name == "big/1"
        self.checks += 1
        if not self.works:
            raise UpstreamError(AttemptFailure("unreachable"), "engine_failed", "It is away.")


async def until_checked(checked: Checked, count: int) -> None:
    async with asyncio.timeout(60):
        while checked.checks < count:
            await asyncio.sleep(0.001)


async def test_a_replica_that_fails_its_checks_is_ejected_and_returns() -> None:
    checked = Checked()
    checks = HealthChecks(checked.check, checked.clock, seconds=0.001)
    checks.start([checked.state])
    await until_checked(checked, 3)
    assert not checked.state.circuit.openings
    checked.works = False
    await until_checked(checked, checked.checks + 4)
    assert not checked.state.circuit.closed
    assert not checked.state.circuit.admits_trial(1e9)
    assert checked.state.status().last_error == "unreachable: engine_failed"
    checked.works = True
    await until_checked(checked, checked.checks + 2)
    assert checked.state.circuit.admits_trial(1e9)
    await checks.close()


async def test_no_checks_run_after_closing() -> None:
    checked = Checked()
    checks = HealthChecks(checked.check, checked.clock, seconds=0.001)
    checks.start([checked.state])
    await until_checked(checked, 1)
    await checks.close()
    await checks.close()
    before = checked.checks
    await asyncio.sleep(0.02)
    assert checked.checks == before
    assert [task for task in asyncio.all_tasks() if "_repeat" in str(task)] == []


async def test_an_answering_replica_is_not_checked() -> None:
    checked = Checked()
    checks = HealthChecks(checked.check, checked.clock, seconds=0.001)
    checks.start([checked.state])
    async with asyncio.timeout(60):
        for _ in range(50):
            checked.state.answered()
            await asyncio.sleep(0)
    answering = asyncio.get_running_loop().time() + 0.05
    while asyncio.get_running_loop().time() < answering:
        checked.state.answered()
        await asyncio.sleep(0)
    assert checked.checks <= 2
    await checks.close()
