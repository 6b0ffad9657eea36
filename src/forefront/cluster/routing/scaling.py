"""How many replicas a model has: enough for the requests and tokens in flight, fewer after a quiet time."""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from forefront.cluster.routing.replica_state import ReplicaLoad
from forefront.cluster.routing.router import EXPECTED_OUTPUT


@dataclass(frozen=True, slots=True)
class ScalingSettings:
    """Bounds and reactions.

    `min_replicas` may be 0. `target_load`: the share of a replica's slots, and of the corresponding work, above which
    replicas are added. `shrink_seconds`: replicas are removed after fewer were needed for this long; `idle_seconds`:
    the last one, if the minimum is 0, after this long without a request.
    """

    min_replicas: int = 1
    max_replicas: int = 1
    target_load: float = 0.7
    shrink_seconds: float = 60.0
    idle_seconds: float = 300.0

    def __post_init__(self) -> None:
        if not 0 <= self.min_replicas <= self.max_replicas or self.max_replicas < 1:
            raise ValueError("replicas need 0 <= min <= max and max >= 1")
        if not 0 < self.target_load <= 1:
            raise ValueError("target_load must be above 0 and at most 1")


class ScalingPolicy:
    """Decides how many replicas one model has. It runs in Ray Serve's controller, about once a second.

    More replicas are wanted at once: what is in flight is known in absolute terms, so replicas that are starting are
    not counted twice. Fewer are wanted only if the highest number of the last `shrink_seconds` was lower. The policy
    may be recreated at any time; the current number then counts as wanted for the first window.
    """

    def __init__(self, settings: ScalingSettings) -> None:
        self._settings = settings
        self._slots = ReplicaLoad().slots
        # Times and wanted numbers of the window, the numbers falling: the first is the highest.
        self._window: deque[tuple[float, int]] = deque()
        self._active_at: float | None = None

    def target(self, now: float, current: int, loads: Sequence[ReplicaLoad], waiting: int) -> int:
        """The wanted number of replicas. `now`: monotonic seconds. `current`: replicas that run or start. `loads`: of
        those that report. `waiting`: requests in servers that have found no replica at all."""
        settings = self._settings
        if self._active_at is None:
            self._active_at = now
            self._note(now, current)
        demand = self._demand(loads, waiting)
        silent = max(current - len(loads), 0)
        if demand:
            self._active_at = now
        # The load of silent replicas is unknown: they count as full, but cause no growth.
        wanted = math.ceil(demand)
        self._note(now, max(wanted, min(wanted + silent, current)))
        highest = self._window[0][1]
        if not highest and now - self._active_at < settings.idle_seconds:
            highest = min(current, 1)
        return min(max(highest, settings.min_replicas), settings.max_replicas)

    def _demand(self, loads: Sequence[ReplicaLoad], waiting: int) -> float:
        """The replicas that all requests in flight would load to the target."""
        if loads:
            self._slots = max(load.slots for load in loads)
        sequences = waiting + sum(load.running + load.waiting for load in loads)
        work = sum(load.work for load in loads)
        slots = max(sequences, work / EXPECTED_OUTPUT)
        return slots / (self._slots * self._settings.target_load)

    def _note(self, now: float, wanted: int) -> None:
        window = self._window
        while window and window[-1][1] <= wanted:
            window.pop()
        window.append((now, wanted))
        while window[0][0] < now - self._settings.shrink_seconds:
            window.popleft()
