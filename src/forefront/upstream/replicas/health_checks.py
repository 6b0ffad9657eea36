"""Active health checks: a cheap request to each replica that has not answered recently."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final

from forefront.upstream.errors import UpstreamError
from forefront.upstream.replica import UpstreamReplica
from forefront.upstream.replicas.replica_state import UpstreamReplicaState

log = logging.getLogger(__name__)

# Returns if the replica is reachable and answers, else raises `UpstreamError`.
CheckReplica = Callable[[UpstreamReplica], Awaitable[None]]

# Seconds between two checks of a replica in use, and of one whose circuit is open. Each varies by a fifth, so that
# servers do not check at the same moment.
CHECK_SECONDS: Final = 10.0
RECOVERY_SECONDS: Final = 1.0
_JITTER: Final = 0.2


class HealthChecks:
    """A task for each replica, from `start` to `close`."""

    def __init__(
        self,
        check: CheckReplica,
        clock: Callable[[], float],
        seconds: float = CHECK_SECONDS,
        recovery_seconds: float = RECOVERY_SECONDS,
    ) -> None:
        self._check = check
        self._clock = clock
        self._seconds = seconds
        self._recovery_seconds = min(recovery_seconds, seconds)
        self._chance = random.Random()  # noqa: S311 - spreads checks over time
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, states: Sequence[UpstreamReplicaState]) -> None:
        """Begin to check, on the running event loop."""
        loop = asyncio.get_running_loop()
        self._tasks += [loop.create_task(self._repeat(state)) for state in states]

    async def close(self) -> None:
        """End the checks."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task

    async def check_once(self, state: UpstreamReplicaState) -> None:
        """Check one replica now."""
        try:
            await self._check(state.replica)
        except UpstreamError as failure:
            state.record(failure)
            state.circuit.check_failed(self._clock())
        except Exception:
            log.exception("the health check of %s itself failed", state.replica.name)
        else:
            state.circuit.check_passed(self._clock())

    async def _repeat(self, state: UpstreamReplicaState) -> None:
        checked_at = self._clock()
        while True:
            seconds = self._seconds if state.circuit.closed else self._recovery_seconds
            await asyncio.sleep(seconds * self._chance.uniform(1 - _JITTER, 1 + _JITTER))
            answered = state.answered_at is not None and state.answered_at > checked_at
            checked_at = self._clock()
            if not (answered and state.circuit.closed):
                await self.check_once(state)
