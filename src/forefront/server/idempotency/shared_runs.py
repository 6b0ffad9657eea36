"""The runs that can be joined: running ones, and the results of finished ones, within bounds.

When the bounds are reached, the project that holds the most loses the entry that is least likely to be retried. So a
project within its share (the bounds divided by the number of projects with entries) loses nothing because of others.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from forefront.fairness.fair_semaphore import FairSemaphore
from forefront.fairness.holdings import Holdings
from forefront.fairness.tenant import NO_TENANT, Tenant
from forefront.server.idempotency.shared_run import Application, SharedRun
from forefront.wire.errors import RequestError

# Bytes of an entry beside its response: a task, a buffer, a timer.
_ENTRY_OVERHEAD: Final = 1024


@dataclass(frozen=True, slots=True)
class Retention:
    """Bounds of kept results: seconds, entries, bytes in total, and bytes of the largest one.

    A run without connections continues for `grace` seconds, or for `grace_begun` once a part of the response is sent: a
    client that disconnects mid-stream rarely returns. At most `deserted` runs of one owner continue without
    connections.
    """

    seconds: float = 86_400.0
    entries: int = 10_000
    memory: int = 64 * 2**20
    largest: int = 8 * 2**20
    grace: float = 30.0
    grace_begun: float = 5.0
    deserted: int = 16


class _Stage(IntEnum):
    """The likelihood of a retry, lowest first. An owner's entries are dropped in this order."""

    DELIVERED = 0  # a client has received the whole response
    ATTACHED = 1  # it is running, and a client is connected
    LOST = 2  # every client has disconnected before the end of the response


@dataclass(slots=True)
class _Entry:
    """A run that can be joined."""

    name: Hashable
    owner: str
    fingerprint: bytes
    detached: bool = False
    stage: _Stage = _Stage.ATTACHED
    size: int = _ENTRY_OVERHEAD
    expiry: asyncio.TimerHandle | None = None


@dataclass(slots=True)
class _Owner:
    """The entries of one project: by stage, least recently used first, and the runs without connections."""

    stages: tuple[OrderedDict[SharedRun, None], ...] = field(
        default_factory=lambda: tuple(OrderedDict[SharedRun, None]() for _ in _Stage)
    )
    deserted: OrderedDict[SharedRun, None] = field(default_factory=OrderedDict)

    def first(self) -> SharedRun:
        """The entry to drop first."""
        return next(run for stage in self.stages for run in stage)


class SharedRuns:
    """Runs and results by name. One for each server, on its event loop."""

    def __init__(self, retention: Retention | None = None) -> None:
        self._retention = retention or Retention()
        self._runs: dict[Hashable, SharedRun] = {}
        self._entries: dict[SharedRun, _Entry] = {}
        self._owners: dict[str, _Owner] = {}
        self._tasks: dict[asyncio.Task[None], SharedRun] = {}
        self._memory = Holdings()
        self._counts = Holdings()
        self._sending = FairSemaphore(1)

    def join(self, owner: str, name: Hashable, fingerprint: bytes, application: Application) -> tuple[SharedRun, bool]:
        """`owner`'s run of that name, and whether it existed before. A new one starts `application`.

        Raises `RequestError` 422 if the run of that name belongs to another request.
        """
        if (run := self._runs.get(name)) is None:
            return self._begin(_Entry(name, owner, fingerprint), application), False
        entry = self._entries[run]
        if entry.fingerprint != fingerprint:
            text = "This `Idempotency-Key` was used for another request; a new request needs a new key."
            raise RequestError("idempotency_key_reused", text, param="Idempotency-Key")
        self._move(run, entry, entry.stage if run.buffer.done else _Stage.ATTACHED)
        self._owners[owner].deserted.pop(run, None)
        return run, True

    def find(self, name: Hashable) -> SharedRun | None:
        """The run of that name."""
        return self._runs.get(name)

    def start(self, owner: str, name: Hashable, application: Application) -> SharedRun:
        """A new run of `owner` that continues without connections."""
        return self._begin(_Entry(name, owner, b"", detached=True), application)

    async def close(self) -> None:
        """Cancel running runs, and drop all entries."""
        working = list(self._tasks)
        for run in list(self._tasks.values()):
            run.cancel()
        if working:
            await asyncio.wait(working)
        for run in list(self._entries):
            self._drop(run)

    def hold(self, run: SharedRun, size: int) -> bool:
        """See `RunOwner`."""
        entry = self._entries.get(run)
        if entry is None:
            return False
        entry.size += size
        self._memory.add(entry.owner, size)
        if entry.size > self._retention.largest:
            self._drop(run)
        self._make_room()
        return run in self._entries

    async def wait_for_turn(self, run: SharedRun) -> None:
        """See `RunOwner`. One connection gets messages in an iteration of the event loop, projects in turns. What is
        held is sent to a client that reads fast without any wait, which would fill the loop."""
        entry = self._entries.get(run)
        async with self._sending.slot(NO_TENANT if entry is None else Tenant(entry.owner)):
            await asyncio.sleep(0)

    def deserted(self, run: SharedRun) -> None:
        """See `RunOwner`. A run that cannot be joined any more is cancelled."""
        entry = self._entries.get(run)
        if entry is None:
            run.cancel()
            return
        run.cancel_in(self._retention.grace_begun if run.buffer.begun else self._retention.grace)
        self._move(run, entry, _Stage.LOST)
        deserted = self._owners[entry.owner].deserted
        deserted[run] = None
        if len(deserted) > self._retention.deserted:
            next(iter(deserted)).cancel()

    def ended(self, run: SharedRun) -> None:
        """See `RunOwner`. Only whole successful responses are kept, since a retry may succeed."""
        entry = self._entries.get(run)
        if entry is None:
            return
        if not (run.buffer.complete or (entry.detached and run.buffer.whole and run.buffer.last_event >= 0)):
            self._drop(run)
            return
        self._owners[entry.owner].deserted.pop(run, None)
        entry.expiry = asyncio.get_running_loop().call_later(self._retention.seconds, self._drop, run)
        self._move(run, entry, _Stage.LOST)  # until a client has been sent the end

    def delivered(self, run: SharedRun) -> None:
        """See `RunOwner`."""
        entry = self._entries.get(run)
        if entry is not None:
            self._move(run, entry, _Stage.DELIVERED)

    def _begin(self, entry: _Entry, application: Application) -> SharedRun:
        run = SharedRun(self, application, detached=entry.detached)
        self._runs[entry.name] = run
        self._entries[run] = entry
        self._tasks[run.task] = run
        run.task.add_done_callback(self._tasks.pop)
        self._owners.setdefault(entry.owner, _Owner()).stages[entry.stage][run] = None
        self._counts.add(entry.owner, 1)
        self._memory.add(entry.owner, entry.size)
        self._make_room()
        return run

    def _move(self, run: SharedRun, entry: _Entry, stage: _Stage) -> None:
        """Make the entry the most recently used of that stage."""
        stages = self._owners[entry.owner].stages
        del stages[entry.stage][run]
        stages[stage][run] = None
        entry.stage = stage

    def _make_room(self) -> None:
        while self._counts.total > self._retention.entries:
            self._drop(self._owners[self._counts.largest()].first())
        while self._memory.total > self._retention.memory:
            self._drop(self._owners[self._memory.largest()].first())

    def _drop(self, run: SharedRun) -> None:
        """Drop the entry. A running run continues for its connections; without any, it is cancelled."""
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
        run.buffer.release()
        if deserted:
            run.cancel()
