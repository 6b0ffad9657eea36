"""Requests of two servers on one store, with events in any order: no budget is exceeded, nothing stays held, and the
ledger agrees with the responses.

The servers are real except for their threads: a step of the state machine is one batch of the ledger thread.
"""

import asyncio
import shutil
import tempfile
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import pytest
import sqlalchemy as sa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from forefront.gateway import request_lease as lease_module
from forefront.gateway.admission_queue import AdmissionQueue
from forefront.gateway.gateway import Gateway
from forefront.gateway.keys.key_store import KeyStore
from forefront.gateway.keys.principal import Principal
from forefront.gateway.ledger import budget_transaction as transaction_module
from forefront.gateway.ledger import ledger as ledger_module
from forefront.gateway.ledger.ledger import Ledger
from forefront.gateway.ledger.pricing import Price, PriceList
from forefront.gateway.request_lease import Lease
from forefront.gateway.store import server_heartbeats as liveness
from forefront.gateway.store.database import StoreError, open_database
from forefront.gateway.store.tables import budget_leases, completions, daily_usage
from forefront.wire.admin.records import Budget, Key, NewKey, ProjectSettings
from forefront.wire.errors import RequestError

Fault = Literal["none", "refused", "unknown"]
End = Literal["answered", "left", "broken"]

_PRICES = PriceList({"m": Price.per_million(1000.0, 2000.0)})
_TOKENS = (5000, 2500)  # what the project's budget is set to, now and then
_MONEY = 5.0
_DAY = 86_400


@dataclass(eq=False)
class Request:
    """A running request, and how it ends."""

    id: str
    server: "Server"
    lease: Lease
    maximum: int
    task: asyncio.Task[None]
    ending: "asyncio.Future[tuple[End, int]]"

    @property
    def answering(self) -> bool:
        """Whether it was admitted and has not ended."""
        turn = self.lease.queue_entry
        return turn is not None and not turn.waiting and not self.task.done() and not self.ending.done()


class Server:
    """A gateway whose ledger is written when `step` is called."""

    def __init__(self, url: str, pid: int) -> None:
        self.pid, self.fault, self.alive = pid, "none", True
        self.database = open_database(url)
        self._write = self.database.write
        self.database.write = self.write  # type: ignore[method-assign]
        self.ledger = Ledger(self.database)
        self.thread = self.ledger._thread
        self.thread._thread = SimpleNamespace(start=lambda: None)  # type: ignore[assignment]
        self.gateway = Gateway(self.ledger, _PRICES, AdmissionQueue(4, 3))
        self.ledger.start()

    @contextmanager
    def write(self, *, for_ledger: bool = False) -> Iterator[sa.Connection]:
        if self.fault == "refused":
            raise StoreError("it is locked")
        with self._write(for_ledger=for_ledger) as connection:
            yield connection
        if self.fault == "unknown":
            raise StoreError("the connection was lost before COMMIT was answered")

    def step(self, fault: Fault, *, late: bool = False) -> None:
        settlements, reservations = self.ledger._queue.take(0.0)
        if late:
            for one in (*self.thread._unwritten, *settlements):
                one.deadline = 0.0
        self.fault = fault
        self.thread._commit(settlements, reservations)
        self.fault = "none"

    def sweep(self, *, idle: bool) -> None:
        for one in self.ledger._leases._all:
            one.used_at -= 10.0 if idle else 0.0
        self.ledger._sweep()


@dataclass
class ClientView:
    """The outcomes that clients saw."""

    answered: dict[str, int] = field(default_factory=dict)  # with the tokens sampled
    withheld: dict[str, Server] = field(default_factory=dict)


class AnyOrder(RuleBasedStateMachine):
    """Two servers, two keys of one project with a budget a day, one key with its own budget."""

    def __init__(self) -> None:
        super().__init__()
        self.servers: list[Server] = []
        self.killed: list[Server] = []
        self.requests: list[Request] = []

    @initialize()
    def begin(self) -> None:
        self.patch = pytest.MonkeyPatch()
        self.folder = Path(tempfile.mkdtemp())
        self.url = f"sqlite:///{self.folder / 'f.db'}"
        self.loop = asyncio.new_event_loop()
        self.wall, self.made, self.pid = 20_000.0 * _DAY, 0, 100
        self.seen = ClientView()
        self.patch.setattr(lease_module, "time", SimpleNamespace(time=lambda: self.wall))
        self.patch.setattr(transaction_module, "period_start", self.period_start)
        self.patch.setattr(
            liveness, "_process_exists", lambda pid: any(one.pid == pid and one.alive for one in self.servers)
        )
        self.patch.setattr(liveness, "os", SimpleNamespace(getpid=lambda: self.pid, readlink=lambda _: "here"))
        for _ in range(2):
            self.servers.append(self.new_server())
        self.keys = KeyStore(self.servers[0].database)
        wanted = NewKey(name="a"), NewKey(name="b", budget=Budget(money=_MONEY))
        self.holders: list[Key] = [self.keys.create(one) for one in wanted]
        self.set_budget(_TOKENS[0])

    def new_server(self) -> Server:
        self.pid += 1

        async def start() -> Server:
            return Server(self.url, self.pid)

        return self.loop.run_until_complete(start())

    def period_start(self, budget: Budget) -> str:
        return self.today if budget.period == "day" else ""

    @property
    def today(self) -> str:
        return datetime.fromtimestamp(self.wall, UTC).date().isoformat()

    def run(self, work: Coroutine[Any, Any, None] | None = None) -> None:
        """Run the event loop until every task waits."""

        async def for_a_while() -> None:
            if work is not None:
                await work
            for _ in range(12):
                await asyncio.sleep(0)

        self.loop.run_until_complete(for_a_while())
        self.look_at_ends()

    def look_at_ends(self) -> None:
        for request in [one for one in self.requests if one.task.done()]:
            self.requests.remove(request)
            if request.task.cancelled():
                continue
            error = request.task.exception()
            if error is not None:
                assert isinstance(error, RequestError | RuntimeError), error
                if isinstance(error, RequestError) and request.ending.done():
                    self.seen.withheld[request.id] = request.server
            elif request.ending.result()[0] == "answered":
                self.seen.answered[request.id] = request.ending.result()[1]
                assert self.row(request.id) is not None  # written before the client sees the end

    def row(self, id_: str) -> Any:
        with self.servers[0].database.read() as connection:
            return connection.execute(sa.select(completions).where(completions.c.id == id_)).first()

    # Clients.

    @rule(
        place=st.integers(0, 1),
        sizes=st.lists(st.integers(2, 60) | st.integers(500, 2500), min_size=1, max_size=4),
        hurry=st.sampled_from([0, 0, 0, 1]),
        commits=st.booleans(),
    )
    def ask(self, place: int, sizes: list[int], hurry: int, commits: bool) -> None:
        server = self.servers[place]
        if not server.ledger.healthy:  # every request would be refused
            server.step("none")
            self.run()
        with self.impatient(hurry):
            for size in sizes:
                self.ask_one(server, size)
            self.run()
        if commits:
            server.step("none")
            self.run()

    def ask_one(self, server: Server, size: int) -> None:
        self.made += 1
        name = f"c{self.made}"
        try:
            lease = server.gateway.admit(Principal(self.holders[size % 2], self.project), "m", name)
        except RequestError as error:
            assert error.code == "overloaded"
            return
        ending: asyncio.Future[tuple[End, int]] = self.loop.create_future()
        prompt = max(size // 3, 1)
        task = self.loop.create_task(self.answer(lease, prompt, size - prompt, ending))
        self.requests.append(Request(name, server, lease, size - prompt, task, ending))

    async def answer(self, lease: Lease, prompt: int, maximum: int, ending: "asyncio.Future[tuple[End, int]]") -> None:
        with lease:
            await lease.admit(prompt, maximum)
            lease.started = time.time()
            end, lease.output_tokens = await asyncio.shield(ending)
            if end == "broken":
                raise RuntimeError
            if end == "answered":
                await lease.settle("completed", "stop")

    @contextmanager
    def impatient(self, hurry: int) -> Iterator[None]:
        """No request waits for a store that does not respond at once."""
        with pytest.MonkeyPatch.context() as patch:
            if hurry:
                patch.setattr(ledger_module, "STORE_TIMEOUT", 0.0)
            yield

    @precondition(lambda self: any(one.answering for one in self.requests))
    @rule(
        data=st.data(),
        end=st.sampled_from(["answered", "answered", "answered", "left", "broken"]),
        share=st.floats(0, 1),
        hurry=st.sampled_from([0, 0, 0, 1]),
    )
    def end(self, data: st.DataObject, end: End, share: float, hurry: int) -> None:
        request = data.draw(st.sampled_from([one for one in self.requests if one.answering]))
        request.ending.set_result((end, int(share * request.maximum)))
        with self.impatient(hurry):
            self.run()

    @precondition(lambda self: self.requests)
    @rule(data=st.data(), moment=st.sampled_from(["any", "ending", "behind"]))
    def leave(self, data: st.DataObject, moment: str) -> None:
        """Cancel a request at any await, also at the moment of its result and right after."""
        request = data.draw(st.sampled_from(self.requests))
        if moment != "any":
            request.server.step("none")

        async def cancel() -> None:
            if moment == "behind":
                await asyncio.sleep(0)
            request.task.cancel()

        self.run(cancel())

    # Servers and their store.

    @rule(
        place=st.integers(0, 1),
        fault=st.sampled_from(["none", "none", "refused", "unknown"]),
        late=st.booleans(),
    )
    def commit(self, place: int, fault: Fault, late: bool) -> None:
        self.servers[place].step(fault, late=late)
        self.run()

    @rule(place=st.integers(0, 1), idle=st.booleans())
    def sweep(self, place: int, idle: bool) -> None:
        self.swept(place, idle=idle)

    def swept(self, place: int, *, idle: bool) -> None:
        async def work() -> None:
            self.servers[place].sweep(idle=idle)

        self.run(work())

    @precondition(lambda self: self.made >= 5 * (len(self.killed) + 1))
    @rule(place=st.integers(0, 1), committed=st.booleans())
    def kill(self, place: int, committed: bool) -> None:
        """Kill a server and start another. Its last commit may be unknown to its clients."""
        dead = self.servers[place]
        if committed:
            dead.step("unknown")
        dead.alive = False
        self.killed.append(dead)
        lost = [one for one in self.requests if one.server is dead]
        self.requests = [one for one in self.requests if one.server is not dead]
        for request in lost:
            request.task.cancel()
        self.run()
        dead.database.close()
        self.servers[place] = self.new_server()
        self.keys = KeyStore(self.servers[place].database)

    @rule(tokens=st.sampled_from(_TOKENS))
    def set_budget(self, tokens: int) -> None:
        settings_ = ProjectSettings(budget=Budget(tokens=tokens, period="day"))
        self.project = self.keys.set_project("default", settings_)

    @rule()
    def midnight(self) -> None:
        self.wall += _DAY

    @invariant()
    def no_budget_is_exceeded(self) -> None:
        if not self.servers:
            return
        with self.servers[0].database.read() as connection:
            held = connection.execute(sa.select(sa.func.coalesce(sa.func.sum(budget_leases.c.tokens), 0))).scalar_one()
            used = sa.func.sum(daily_usage.c.input_tokens + daily_usage.c.output_tokens)
            by_day = connection.execute(sa.select(daily_usage.c.day, used).group_by(daily_usage.c.day)).all()
            tokens = {row[0]: int(row[1]) for row in by_day}
            mine = self.holders[1].id
            held_money = connection.execute(
                sa.select(sa.func.coalesce(sa.func.sum(budget_leases.c.cost_nanos), 0)).where(
                    budget_leases.c.key_id == mine
                )
            ).scalar_one()
            money = connection.execute(
                sa.select(sa.func.coalesce(sa.func.sum(daily_usage.c.cost_nanos), 0)).where(
                    daily_usage.c.key_id == mine
                )
            ).scalar_one()
        assert all(spent <= _TOKENS[0] for spent in tokens.values())
        assert tokens.get(self.today, 0) + held <= _TOKENS[0]
        assert money + held_money <= _MONEY * 1e9

    def teardown(self) -> None:
        if not self.servers:
            return
        try:
            self.come_to_rest()
            self.compare()
        finally:
            for server in self.servers:
                server.database.close()
            self.loop.close()
            self.patch.undo()
            shutil.rmtree(self.folder)

    def come_to_rest(self) -> None:
        for _ in range(100):
            for request in self.requests:
                if not request.ending.done():
                    request.ending.set_result(("answered", 1))
            for server in self.servers:
                server.step("none")
            self.run()
            if not self.requests:
                break
        assert not self.requests
        for _ in range(2):
            for place, server in enumerate(self.servers):
                self.swept(place, idle=True)
                server.step("none")
                self.run()

    def compare(self) -> None:
        for server in self.servers:
            assert (server.gateway.queue.running, server.gateway.queue.waiting) == (0, 0)
            assert len(server.ledger._leases) == 0
            assert not server.thread._holding
        with self.servers[0].database.read() as connection:
            assert not connection.execute(sa.select(budget_leases)).all()
            rows = {row.id: row for row in connection.execute(sa.select(completions)).all()}
            sums = connection.execute(
                sa.select(
                    sa.func.sum(daily_usage.c.requests),
                    sa.func.sum(daily_usage.c.output_tokens),
                    sa.func.sum(daily_usage.c.cost_nanos),
                )
            ).one()
        found = [
            len(rows),
            sum(row.output_tokens for row in rows.values()),
            sum(row.cost_nanos for row in rows.values()),
        ]
        assert [int(one or 0) for one in sums] == found
        for name, tokens in self.seen.answered.items():
            assert (rows[name].status, rows[name].output_tokens) == ("completed", tokens)
        # A server that is killed may have had no time to take back what was committed after all.
        for name in [one for one, server in self.seen.withheld.items() if server not in self.killed]:
            assert name not in rows or (rows[name].status, rows[name].cost_nanos) == ("failed", 0)


TestAnyOrder = pytest.mark.slow(AnyOrder.TestCase)
TestAnyOrder.settings = settings(max_examples=30, stateful_step_count=60, deadline=None)
