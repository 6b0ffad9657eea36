"""The replicas of one model as a server sees them: their loads, and which of them get new requests."""

import random
from collections.abc import Iterator
from hashlib import blake2b
from typing import Final

import numpy as np
import numpy.typing as npt

from forefront.cluster.routing.replica_state import ReplicaState

# Draws for each replica of a random sample, before the table is searched instead.
_DRAWS: Final = 4
_FIRST_CAPACITY: Final = 16


class RoutedReplica:
    """One replica. Times are those of the router's clock.

    `own_work`: tokens of this server's requests. `other_work`: those of other servers, by the last heartbeat.
    `present`: false once the replica is forgotten. `available`: it may get new requests. `evicted_before`: blocks last
    used before this time are no longer cached.
    """

    __slots__ = (
        "available",
        "draining",
        "evicted_before",
        "other_work",
        "own_work",
        "present",
        "requests",
        "slot",
        "state",
    )

    def __init__(self, state: ReplicaState, slot: int) -> None:
        self.state = state
        self.slot = slot
        self.own_work = self.other_work = self.requests = 0
        self.present = True
        self.available = self.draining = False
        self.evicted_before = float("-inf")

    @property
    def work(self) -> int:
        """Tokens of work in progress, as far as this server knows."""
        return self.own_work + self.other_work


class ReplicaTable:
    """Replicas by name. What decisions read of all replicas is in arrays, so that thousands cost microseconds.

    A replica without a heartbeat for `silence_seconds` is lost until its next one.
    """

    def __init__(self, silence_seconds: float, chance: random.Random) -> None:
        self.total_work = self.available_count = 0  # of the available replicas
        self._silence_seconds = silence_seconds
        self._chance = chance
        self._by_name: dict[str, RoutedReplica] = {}
        self._by_slot: list[RoutedReplica] = []
        self._seeds: npt.NDArray[np.uint64] = np.zeros(_FIRST_CAPACITY, np.uint64)
        self._available: npt.NDArray[np.bool_] = np.zeros(_FIRST_CAPACITY, np.bool_)
        self._heard_at: npt.NDArray[np.float64] = np.zeros(_FIRST_CAPACITY)

    def __len__(self) -> int:
        return len(self._by_slot)

    def __iter__(self) -> Iterator[RoutedReplica]:
        return iter(self._by_slot)

    def update(self, state: ReplicaState, now: float) -> None:
        """Take a heartbeat that arrived at `now`; the first one adds the replica."""
        replica = self._by_name.get(state.name)
        if replica is None:
            replica = self._insert(state)
        self._set_available(replica, False)
        replica.state = state
        replica.draining = replica.draining or state.draining
        replica.other_work = max(state.load.work - replica.own_work, 0)
        replica.evicted_before = max(replica.evicted_before, now - state.load.retained_seconds)
        self._heard_at[replica.slot] = now
        self._set_available(replica, not replica.draining)

    def drain(self, name: str) -> None:
        """Give the replica no new requests."""
        if replica := self._by_name.get(name):
            replica.draining = True
            self._set_available(replica, False)

    def lose(self, name: str) -> None:
        """Give the replica no new requests until its next heartbeat."""
        if replica := self._by_name.get(name):
            self._set_available(replica, False)

    def remove(self, name: str) -> None:
        """Forget the replica."""
        replica = self._by_name.pop(name, None)
        if replica is None:
            return
        self._set_available(replica, False)
        replica.present = False
        last = self._by_slot.pop()
        if last is not replica:
            self._by_slot[replica.slot] = last
            for values in (self._seeds, self._available, self._heard_at):
                values[replica.slot] = values[last.slot]
            last.slot = replica.slot

    def add_work(self, replica: RoutedReplica, tokens: int) -> None:
        """Add `tokens`, which may be negative, to this server's work at the replica."""
        replica.own_work += tokens
        if replica.available:
            self.total_work += tokens

    def lose_silent(self, now: float) -> None:
        """Lose the replicas that have been silent for too long."""
        count = len(self._by_slot)
        silent = self._available[:count] & (self._heard_at[:count] < now - self._silence_seconds)
        for slot in np.flatnonzero(silent):
            self.lose(self._by_slot[slot].state.name)

    def preference(self, key: int) -> Iterator[RoutedReplica]:
        """The available replicas in the order of rendezvous hashing for a key of 64 bits.

        All servers have the same order, and without one of the replicas the order of the others stays the same.
        """
        count = len(self._by_slot)
        scores = _mix(self._seeds[:count] ^ np.uint64(key))
        scores[~self._available[:count]] = 0
        for _ in range(self.available_count):
            slot = int(scores.argmax())
            yield self._by_slot[slot]
            scores[slot] = 0

    def sample(self, count: int) -> list[RoutedReplica]:
        """At most `count` different available replicas at random, at least one if there is one."""
        if self.available_count <= count:
            return [replica for replica in self._by_slot if replica.available]
        chosen: set[RoutedReplica] = set()
        for _ in range(_DRAWS * count):
            replica = self._by_slot[self._chance.randrange(len(self._by_slot))]
            if replica.available:
                chosen.add(replica)
                if len(chosen) == count:
                    break
        if not chosen:
            slots = np.flatnonzero(self._available[: len(self._by_slot)])
            chosen.add(self._by_slot[slots[self._chance.randrange(len(slots))]])
        return sorted(chosen, key=lambda replica: replica.slot)

    def _insert(self, state: ReplicaState) -> RoutedReplica:
        slot = len(self._by_slot)
        if slot == len(self._seeds):
            self._seeds = np.resize(self._seeds, 2 * slot)
            self._available = np.resize(self._available, 2 * slot)
            self._heard_at = np.resize(self._heard_at, 2 * slot)
        replica = RoutedReplica(state, slot)
        self._by_slot.append(replica)
        self._by_name[state.name] = replica
        self._seeds[slot] = int.from_bytes(blake2b(state.name.encode(), digest_size=8).digest(), "little")
        self._available[slot] = False  # the slot of a removed replica may have been reused
        return replica

    def _set_available(self, replica: RoutedReplica, available: bool) -> None:
        if replica.available != available:
            replica.available = self._available[replica.slot] = available
            self.available_count += 1 if available else -1
            self.total_work += replica.work if available else -replica.work


def _mix(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The finalizer of SplitMix64: every bit of the input changes about half of the bits of the output."""
    values ^= values >> np.uint64(30)
    values *= np.uint64(0xBF58476D1CE4E5B9)
    values ^= values >> np.uint64(27)
    values *= np.uint64(0x94D049BB133111EB)
    values ^= values >> np.uint64(31)
    return values
