"""The runs that can be joined: those under way, and the results of those that are over, within bounds."""

import asyncio
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

from forefront.server.shared_run import Application, SharedRun
from forefront.wire.errors import ApiError


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


@dataclass(slots=True)
class _Entry:
    """What is known of a run that can be joined."""

    name: Hashable
    owner: str
    fingerprint: bytes
    size: int = 0
    expiry: asyncio.TimerHandle | None = None


class SharedRuns:
    """Runs and results by name. One for a server; on its event loop. What was used last is kept longest."""

    def __init__(self, keeping: Keeping | None = None) -> None:
        self._keeping = keeping or Keeping()
        self._runs: dict[Hashable, SharedRun] = {}
        self._entries: dict[SharedRun, _Entry] = {}
        self._results: OrderedDict[SharedRun, None] = OrderedDict()  # the least recently used first
        self._deserted: dict[str, OrderedDict[SharedRun, None]] = {}  # by owner, the longest deserted first
        self._working: dict[asyncio.Task[None], SharedRun] = {}
        self._memory = 0

    def join(self, owner: str, name: Hashable, fingerprint: bytes, application: Application) -> tuple[SharedRun, bool]:
        """`owner`'s run of that name, and whether it was there before. Where it was not, `application` begins.

        Raises `ApiError` 422 when the run of that name is of another request.
        """
        if (run := self._runs.get(name)) is None:
            return self._begin(_Entry(name, owner, fingerprint), application), False
        if self._entries[run].fingerprint != fingerprint:
            text = "This `Idempotency-Key` came with another request before; a new request needs a new key."
            raise ApiError("idempotency_key_reused", text, param="Idempotency-Key")
        if run in self._results:
            self._results.move_to_end(run)
        self._no_longer_deserted(owner, run)
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
        """See `Keeper`. Results make room for runs."""
        entry = self._entries.get(run)
        if entry is None:
            return False
        entry.size += size
        self._memory += size
        self._make_room()
        if entry.size <= self._keeping.largest and self._memory <= self._keeping.memory:
            return True
        self._forget(run)
        return False

    def left(self, run: SharedRun) -> None:
        """See `Keeper`. What nobody can join any more need not go on."""
        entry = self._entries.get(run)
        if entry is None:
            run.cancel()
            return
        run.cancel_in(self._keeping.grace_begun if run.tape.begun else self._keeping.grace)
        deserted = self._deserted.setdefault(entry.owner, OrderedDict())
        deserted[run] = None
        if len(deserted) > self._keeping.deserted:
            next(iter(deserted)).cancel()

    def ended(self, run: SharedRun) -> None:
        """See `Keeper`. Only whole successes are kept: whatever else it was, another try may mend it."""
        entry = self._entries.get(run)
        if entry is None:
            return
        self._no_longer_deserted(entry.owner, run)
        if not run.tape.complete:
            self._forget(run)
            return
        entry.expiry = asyncio.get_running_loop().call_later(self._keeping.seconds, self._forget, run)
        self._results[run] = None

    def _begin(self, entry: _Entry, application: Application) -> SharedRun:
        run = SharedRun(self, application)
        self._runs[entry.name] = run
        self._entries[run] = entry
        self._working[run.task] = run
        run.task.add_done_callback(self._working.pop)
        self._make_room()
        return run

    def _make_room(self) -> None:
        while self._results and (len(self._runs) > self._keeping.entries or self._memory > self._keeping.memory):
            self._forget(next(iter(self._results)))

    def _forget(self, run: SharedRun) -> None:
        entry = self._entries.pop(run, None)
        if entry is None:
            return
        del self._runs[entry.name]
        self._results.pop(run, None)
        self._memory -= entry.size
        self._no_longer_deserted(entry.owner, run)
        if entry.expiry is not None:
            entry.expiry.cancel()

    def _no_longer_deserted(self, owner: str, run: SharedRun) -> None:
        runs = self._deserted.get(owner)
        if runs is not None:
            runs.pop(run, None)
            if not runs:
                del self._deserted[owner]
