"""The runs that can be joined: those under way, and the results of those that are over, within bounds.

Projects share the room as evenly as they use it. When it is full, the project that holds the most loses its entry that
is least likely to be retried, so a project within its share (the bounds divided by the number of projects that hold
anything) loses nothing because of others.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from forefront.fairness.holdings import Holdings
from forefront.server.idempotency.shared_run import Application, SharedRun
from forefront.wire.errors import ApiError

# Bytes that an entry takes beside its answer: a task, a tape, a timer.
_EACH: Final = 1024


@dataclass(frozen=True, slots=True)
class Keeping:
    """How much is kept, in bytes and entries, and how long, in seconds.

    A run whose connections have all gone goes on for `grace`, or for `grace_begun` if they had been sent a part of the
    answer: who leaves in the middle has mostly seen enough. At most `deserted` runs of one owner do.
    """

    seconds: float = 86_400.0
    entries: int = 10_000
    memory: int = 64 * 2**20
    largest: int = 8 * 2**20
    grace: float = 30.0
    grace_begun: float = 5.0
    deserted: int = 16


class _Stage(IntEnum):
    """How likely an entry is to be retried. An owner's entries are given up in this order."""

    DELIVERED = 0  # a client has been sent the whole answer
    ATTACHED = 1  # it runs, and a client is connected
    LOST = 2  # every client has left before the end of the answer


@dataclass(slots=True)
class _Entry:
    """What is known of a run that can be joined."""

    name: Hashable
    owner: str
    fingerprint: bytes
    stage: _Stage = _Stage.ATTACHED
    size: int = _EACH
    expiry: asyncio.TimerHandle | None = None


@dataclass(slots=True)
class _Owner:
    """The entries of one project: by stage, the least recently used first, and the runs that no client waits for."""

    stages: tuple[OrderedDict[SharedRun, None], ...] = field(
        default_factory=lambda: tuple(OrderedDict[SharedRun, None]() for _ in _Stage)
    )
    deserted: OrderedDict[SharedRun, None] = field(default_factory=OrderedDict)

    def first(self) -> SharedRun:
        """The entry to give up."""
        return next(run for stage in self.stages for run in stage)


class SharedRuns:
    """Runs and results by name. One for a server; on its event loop."""

    def __init__(self, keeping: Keeping | None = None) -> None:
        self._keeping = keeping or Keeping()
        self._runs: dict[Hashable, SharedRun] = {}
        self._entries: dict[SharedRun, _Entry] = {}
        self._owners: dict[str, _Owner] = {}
        self._working: dict[asyncio.Task[None], SharedRun] = {}
        self._memory = Holdings()
        self._counts = Holdings()

    def join(self, owner: str, name: Hashable, fingerprint: bytes, application: Application) -> tuple[SharedRun, bool]:
        """`owner`'s run of that name, and whether it was there before. Where it was not, `application` begins.

        Raises `ApiError` 422 when the run of that name is of another request.
        """
        if (run := self._runs.get(name)) is None:
            return self._begin(_Entry(name, owner, fingerprint), application), False
        entry = self._entries[run]
        if entry.fingerprint != fingerprint:
            text = "This `Idempotency-Key` came with another request before; a new request needs a new key."
            raise ApiError("idempotency_key_reused", text, param="Idempotency-Key")
        self._move(run, entry, entry.stage if run.tape.done else _Stage.ATTACHED)
        self._owners[owner].deserted.pop(run, None)
        return run, True

    async def close(self) -> None:
        """End what still runs, and forget everything."""
        working = list(self._working)
        for run in list(self._working.values()):
            run.cancel()
        if working:
            await asyncio.wait(working)
        for run in list(self._entries):
            self._forget(run)

    def hold(self, run: SharedRun, size: int) -> bool:
        """See `Keeper`."""
        entry = self._entries.get(run)
        if entry is None:
            return False
        entry.size += size
        self._memory.add(entry.owner, size)
        if entry.size > self._keeping.largest:
            self._forget(run)
        self._make_room()
        return run in self._entries

    def left(self, run: SharedRun) -> None:
        """See `Keeper`. What cannot be joined any more need not go on."""
        entry = self._entries.get(run)
        if entry is None:
            run.cancel()
            return
        run.cancel_in(self._keeping.grace_begun if run.tape.begun else self._keeping.grace)
        self._move(run, entry, _Stage.LOST)
        deserted = self._owners[entry.owner].deserted
        deserted[run] = None
        if len(deserted) > self._keeping.deserted:
            next(iter(deserted)).cancel()

    def ended(self, run: SharedRun) -> None:
        """See `Keeper`. Only whole successes are kept: whatever else it was, another try may mend it."""
        entry = self._entries.get(run)
        if entry is None:
            return
        if not run.tape.complete:
            self._forget(run)
            return
        self._owners[entry.owner].deserted.pop(run, None)
        entry.expiry = asyncio.get_running_loop().call_later(self._keeping.seconds, self._forget, run)
        self._move(run, entry, _Stage.LOST)  # until a client has been sent the end

    def delivered(self, run: SharedRun) -> None:
        """See `Keeper`."""
        entry = self._entries.get(run)
        if entry is not None:
            self._move(run, entry, _Stage.DELIVERED)

    def _begin(self, entry: _Entry, application: Application) -> SharedRun:
        run = SharedRun(self, application)
        self._runs[entry.name] = run
        self._entries[run] = entry
        self._working[run.task] = run
        run.task.add_done_callback(self._working.pop)
        self._owners.setdefault(entry.owner, _Owner()).stages[entry.stage][run] = None
        self._counts.add(entry.owner, 1)
        self._memory.add(entry.owner, entry.size)
        self._make_room()
        return run

    def _move(self, run: SharedRun, entry: _Entry, stage: _Stage) -> None:
        """Make it the most recently used of that stage."""
        stages = self._owners[entry.owner].stages
        del stages[entry.stage][run]
        stages[stage][run] = None
        entry.stage = stage

    def _make_room(self) -> None:
        while self._counts.total > self._keeping.entries:
            self._forget(self._owners[self._counts.largest()].first())
        while self._memory.total > self._keeping.memory:
            self._forget(self._owners[self._memory.largest()].first())

    def _forget(self, run: SharedRun) -> None:
        """Drop the entry. A run that goes on serves the clients that it has; without any, it ends."""
        entry = self._entries.pop(run, None)
        if entry is None:
            return
        del self._runs[entry.name]
        owner = self._owners[entry.owner]
        del owner.stages[entry.stage][run]
        deserted = run in owner.deserted
        owner.deserted.pop(run, None)
        if not any((*owner.stages, owner.deserted)):
            del self._owners[entry.owner]
        self._counts.add(entry.owner, -1)
        self._memory.add(entry.owner, -entry.size)
        if entry.expiry is not None:
            entry.expiry.cancel()
        run.tape.release()
        if deserted:
            run.cancel()
