"""The ledger and the budgets that are read from it: exact under concurrency and failure, on both databases."""

import asyncio
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from forefront.gateway.ledger import budget_transaction as books_module
from forefront.gateway.ledger import ledger as writer_module
from forefront.gateway.ledger import ledger_thread as clerk_module
from forefront.gateway.ledger import statements as ledger
from forefront.gateway.ledger.budget_lease import Allotment, Hold
from forefront.gateway.ledger.budget_transaction import Books
from forefront.gateway.ledger.liveness import Silence
from forefront.gateway.ledger.pricing import Price
from forefront.gateway.ledger.statements import report_alive, settle
from forefront.gateway.store.database import Database, open_database
from forefront.gateway.store.tables import completions, days, instances, months, reservations
from forefront.wire.admin import Budget, Limits, NewKey, ProjectSettings
from forefront.wire.errors import ApiError
from forefront.wire.parse_admin import ReportQuery
from tests.gateway.helpers import answer, open_desk, rename, waited

PRICES = {"m": Price.per_million(1.0, 4.0, cached=0.5)}


def count(database: Database, table: sa.Table) -> int:
    with database.read() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


async def test_a_completion_is_one_row_with_its_cost(database: Database) -> None:
    async with open_desk(database, prices=PRICES) as desk:
        principal = await desk.principal()
        with desk.gateway.admit(principal, "m", "chatcmpl-1") as lease:
            await lease.admit(100, 50)
            lease.begin(40)
            lease.output_tokens = 10
            await lease.settle("completed", "stop")
            row = desk.usage.of("chatcmpl-1")  # there before the context, and so the request, has ended
        assert row is not None
        assert (row.key, row.project, row.model) == (principal.key.id, "default", "m")
        assert (row.status, row.finish_reason) == ("completed", "stop")
        assert (row.input_tokens, row.cached_tokens, row.output_tokens) == (100, 40, 10)
        assert row.cost == pytest.approx((60 * 1.0 + 40 * 0.5 + 10 * 4.0) / 1e6, abs=1e-12)
        assert row.started is not None
        assert row.received <= row.started <= row.finished
        assert desk.usage.of("chatcmpl-2") is None
    assert count(database, completions) == 1


async def test_what_is_broken_off_is_a_row_and_what_never_began_is_none(database: Database) -> None:
    async with open_desk(database, prices=PRICES) as desk:
        principal = await desk.principal()
        with desk.gateway.admit(principal, "m", "left") as lease:
            await lease.admit(10, 50)
            lease.output_tokens = 7
        with pytest.raises(RuntimeError), desk.gateway.admit(principal, "m", "broke") as lease:
            await lease.admit(10, 50)
            lease.output_tokens = 3
            raise RuntimeError
        with desk.gateway.admit(principal, "m", "nothing"):
            pass
    left, broke = desk.usage.of("left"), desk.usage.of("broke")
    assert left is not None
    assert broke is not None
    assert (left.status, left.output_tokens) == ("aborted", 7)
    assert left.cost == pytest.approx(38e-6)
    assert (broke.status, broke.output_tokens, broke.cost) == ("failed", 3, 0)
    assert count(database, completions) == 2


async def test_reports_are_the_sums_of_the_rows(database: Database) -> None:
    async with open_desk(database, prices=PRICES) as desk:
        one, two = await desk.principal(), await desk.principal(NewKey(name="b", project="shop"))
        jobs = [
            answer(desk.gateway.admit(principal, model, f"{model}-{principal.key.id}-{n}"), 10, 20, n)
            for principal in (one, two)
            for model in ("m", "free")
            for n in range(10)
        ]
        await asyncio.gather(*jobs)
    by_model = list(desk.usage.rows(ReportQuery(by=["model"])))
    assert [(row.group["model"], row.requests, row.output_tokens) for row in by_model] == [
        ("free", 20, 90),
        ("m", 20, 90),
    ]
    assert by_model[0].cost == 0
    assert by_model[1].cost == pytest.approx(20 * 10e-6 + 90 * 4e-6)
    assert len(list(desk.usage.rows(ReportQuery(by=["day", "key", "project", "model"])))) == 4
    [shop] = desk.usage.rows(ReportQuery(by=["project"], project="shop"))
    assert shop.requests == 20
    assert list(desk.usage.rows(ReportQuery(until="2020-01-01"))) == []


@pytest.mark.parametrize("budget", [Budget(tokens=1000), Budget(money=0.001, period="ever"), Budget(money=0.001)])
@pytest.mark.parametrize("owner", ["key", "project"])
async def test_of_200_requests_at_once_exactly_ten_fit(database: Database, budget: Budget, owner: str) -> None:
    prices = {"m": Price.per_million(1.0, 1.0)}
    async with open_desk(database, prices=prices) as desk:
        if owner == "project":
            desk.keys.set_project("default", ProjectSettings(budget=budget))
        principal = await desk.principal(NewKey(name="b", budget=budget if owner == "key" else None))
        jobs = (answer(desk.gateway.admit(principal, "m", f"c{n}"), 60, 40, 40) for n in range(200))
        outcomes = await asyncio.gather(*jobs, return_exceptions=True)
        refused = [outcome for outcome in outcomes if isinstance(outcome, ApiError)]
        assert len(refused) == 190
        assert {(error.status, error.code) for error in refused} == {(403, "insufficient_credits")}
        assert refused[0].headers["x-should-retry"] == "false"
        [total] = desk.usage.rows(ReportQuery(by=["key"]))
        assert (total.requests, total.input_tokens + total.output_tokens) == (10, 1000)
    assert count(database, reservations) == 0


async def test_two_servers_share_one_budget(database: Database, database_url: str) -> None:
    other = open_database(database_url)
    async with open_desk(database) as one, open_desk(other) as two:
        principal = await one.principal(NewKey(name="b", budget=Budget(tokens=1000)))
        jobs = (answer((one, two)[n % 2].gateway.admit(principal, "m", f"c{n}"), 60, 40, 40) for n in range(60))
        outcomes = await asyncio.gather(*jobs, return_exceptions=True)
    other.close()
    assert sum(outcome is None for outcome in outcomes) == 10
    assert all(outcome is None or (isinstance(outcome, ApiError) and outcome.status == 403) for outcome in outcomes)


async def test_what_was_reserved_and_not_used_can_be_used(database: Database) -> None:
    async with open_desk(database) as desk:
        principal = await desk.principal(NewKey(name="b", budget=Budget(tokens=1000)))
        for n in range(9):  # each may take 900, and takes 100
            await answer(desk.gateway.admit(principal, "m", f"c{n}"), 90, 810 - 100 * n, 10)
        with pytest.raises(ApiError, match="100 are left"):
            await answer(desk.gateway.admit(principal, "m", "c9"), 90, 11, 1)
        await answer(desk.gateway.admit(principal, "m", "c10"), 90, 10, 10)


async def test_what_a_dead_server_had_reserved_is_given_back(database: Database) -> None:
    """At once on the same machine; from elsewhere, by one that would have heard of it."""
    async with open_desk(database) as desk:
        principal = await desk.principal(NewKey(name="b", budget=Budget(tokens=100)))
        with database.read() as connection:
            here = connection.execute(sa.select(instances.c.host)).scalar_one()
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "")
    await process.wait()

    def leave_behind(host: str) -> None:
        with database.write() as connection:
            dead = {"instance": host[:32], "key": principal.key.id, "project": "default", "tokens": 100, "cost": 0}
            connection.execute(sa.insert(instances).values(id=host[:32], host=host, pid=process.pid, seen=0.0))
            connection.execute(sa.insert(reservations).values(completion=f"lost {host[:32]}", **dead))

    leave_behind(here)
    async with open_desk(database) as desk:
        await answer(desk.gateway.admit(principal, "m", "c1"), 25, 75, 25)
        await answer(desk.gateway.admit(principal, "m", "c2"), 25, 25, 0)
    leave_behind("elsewhere")
    async with open_desk(database) as desk:
        with pytest.raises(ApiError, match="0 are left"):
            await answer(desk.gateway.admit(principal, "m", "c3"), 10, 10, 10)
        with database.write() as connection:
            report_alive(connection, "another", waited(connection))
        await answer(desk.gateway.admit(principal, "m", "c4"), 10, 10, 10)


async def test_a_server_that_was_taken_for_dead_holds_again_what_it_holds(database: Database) -> None:
    async with open_desk(database) as desk:
        principal = await desk.principal(NewKey(name="b", budget=Budget(tokens=100)))
        with desk.gateway.admit(principal, "m", "c") as lease:
            await lease.admit(50, 50)
            with database.write() as connection:
                connection.execute(sa.update(instances).values(host="elsewhere", seen=0.0))
                assert not report_alive(connection, "hasty", waited(connection))
            assert count(database, reservations) == 0
            desk.writer._clerk._next_heartbeat = 0.0
            with pytest.raises(ApiError, match="0 are left"):
                await answer(desk.gateway.admit(principal, "m", "d"), 1, 1, 1)
            assert count(database, reservations) == 1


async def test_what_one_held_that_came_back_and_died_is_given_back(database: Database) -> None:
    with database.write() as connection:
        held = {"key": "k", "project": "default", "tokens": 100, "cost": 0}
        connection.execute(sa.insert(reservations).values(completion="lost", instance="gone", **held))
        report_alive(connection, "another", waited(connection, 80))
    assert count(database, reservations) == 1  # it may yet say that it lives
    with database.write() as connection:
        report_alive(connection, "another", waited(connection))
    assert count(database, reservations) == 0


async def test_after_a_failure_nobody_is_judged_by_silence(database: Database) -> None:
    async with open_desk(database) as desk:
        with database.write() as connection:
            connection.execute(sa.insert(instances).values(id="silent", host="elsewhere", pid=1, seen=0.0))
        clerk = desk.writer._clerk
        with database.read() as connection:
            clerk._silence = waited(connection)
        for known_until, left in ((0.0, 2), (time.monotonic() + 60, 2), (time.monotonic() + 60, 1)):
            clerk.known_until, clerk._next_heartbeat = known_until, 0.0
            principal = await desk.principal(NewKey(name="b", budget=Budget(tokens=100)))
            await answer(desk.gateway.admit(principal, "m", f"c{known_until}-{left}"), 1, 1, 1)
            assert count(database, instances) == left
            if known_until:
                with database.read() as connection:
                    clerk._silence = waited(connection)


async def test_an_answer_that_was_refused_after_all_costs_nothing(database: Database) -> None:
    """Its row had been committed, though that could not be known."""
    async with open_desk(database, prices=PRICES) as desk:
        principal = await desk.principal()
        cost = 0
        for name, before in (("c1", "completed"), ("c2", "aborted")):
            with desk.gateway.admit(principal, "m", name) as lease:
                await lease.admit(10, 10)
                lease.output_tokens = 5
                row = lease._close(before, "stop" if before == "completed" else None)  # type: ignore[arg-type]
                assert row is not None
                with database.write() as connection:
                    settle(connection, [row], again=False)
                cost = row.cost
                assert cost > 0
                late = row.withheld()
                for _ in range(2):
                    with database.write() as connection:
                        settle(connection, [row, late], again=True)
                found = desk.usage.of(name)
                assert found is not None
                assert (found.status, found.cost) == (
                    ("failed", 0) if before == "completed" else ("aborted", pytest.approx(cost / 1e9))
                )
        with database.read() as connection:
            [sums] = connection.execute(sa.select(days.c.requests, days.c.cost)).all()
            monthly = connection.execute(sa.select(months.c.kind, months.c.tokens, months.c.cost)).all()
        assert tuple(sums) == (2, cost)
        assert sorted(map(tuple, monthly)) == [("key", 30, cost), ("project", 30, cost)]


async def test_a_store_that_does_not_answer_is_given_up(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clerk_module, "PATIENCE", 0.2)
    monkeypatch.setattr(writer_module, "HUNG", 0.5)
    monkeypatch.setattr(clerk_module, "HUNG", 0.5)
    hangs = threading.Event()
    write = database.write

    @contextmanager
    def slow() -> Iterator[sa.Connection]:
        if hangs.is_set():
            while hangs.is_set():
                time.sleep(0.01)
        with write() as connection:
            yield connection

    monkeypatch.setattr(database, "write", slow)
    async with open_desk(database, prices=PRICES) as desk:
        principal = await desk.principal(NewKey(name="b", budget=Budget(tokens=10_000)))
        await answer(desk.gateway.admit(principal, "m", "before"), 10, 10, 5)
        hangs.set()
        with pytest.raises(ApiError, match="costs nothing"):
            await answer(desk.gateway.admit(principal, "m", "during"), 10, 10, 5)
        with pytest.raises(ApiError, match="cannot write its ledger"):
            desk.gateway.admit(principal, "m", "refused")
        begin = time.monotonic()
        await desk.writer.close()
        assert time.monotonic() - begin < 5
        hangs.clear()
        while (row := desk.usage.of("during")) is None or row.status != "failed":
            await asyncio.sleep(0.01)
        assert row.cost == 0


@pytest.mark.parametrize("kind", ["key", "project"])
@pytest.mark.parametrize("period", ["day", "month", "ever"])
def test_a_budgets_read_takes_as_long_after_years(database: Database, kind: str, period: str) -> None:
    wanted = {"name": "n", "since": "2026-01-01"}
    read, before = books_module._USED[kind, period], "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"
    with database.read() as connection:
        if not database.is_sqlite:
            connection.execute(sa.text("SET LOCAL enable_seqscan = off"))  # which it prefers while a table is empty
        text = f"{before} {read.params(wanted).compile(connection, compile_kwargs={'literal_binds': True})}"
        plan = "\n".join(str(row) for row in connection.execute(sa.text(text)))
    table, index = ("days", f"days_{kind}") if period == "day" else ("months", "")
    assert ("days" in plan) == (period == "day")
    if database.is_sqlite:
        assert f"SEARCH {table} USING {f'INDEX {index}' if index else 'PRIMARY KEY'}" in plan
    else:
        assert f"using {index or 'months_pkey'} on {table}" in plan or f"on {index or 'months_pkey'}" in plan


async def test_a_period_that_begins_within_a_commit_is_another(database: Database) -> None:
    async with open_desk(database) as desk:
        principal = await desk.principal(NewKey(name="b", budget=Budget(tokens=1000)))
        await answer(desk.gateway.admit(principal, "m", "c"), 450, 450, 450)
    budgets = Budget(tokens=1000, period="day"), Budget(tokens=1000, period="ever")
    new, old = (Allotment(one.period, principal.key.id, "default", (one, None)) for one in budgets)
    with database.write() as connection:
        connection.execute(sa.update(days).values(day="2020-01-01"))
        books = Books(connection, "i")
        assert books.take(Hold(new, 300, 0)) is None
        assert books.take(Hold(old, 1, 0)) is not None
        assert books.take(Hold(new, 701, 0)) is not None
        assert books.take(Hold(new, 700, 0)) is None


async def test_a_living_servers_reservations_stay(database: Database) -> None:
    async with open_desk(database) as desk:
        principal = await desk.principal(NewKey(name="b", budget=Budget(tokens=100)))
        with desk.gateway.admit(principal, "m", "c") as lease:
            await lease.admit(50, 50)
            with database.write() as connection:
                report_alive(connection, "another", waited(connection))
            # On this machine a process of our own number is taken for dead, unless it is the very same one.
            assert count(database, instances) == 1
        with database.write() as connection:
            connection.execute(sa.update(instances).values(host="elsewhere"))
            report_alive(connection, "third", waited(connection, 80))
        assert count(database, instances) == 2


async def test_a_server_on_another_machine_of_our_name_is_not_looked_for_here(
    database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    boot = tmp_path / "boot_id"
    boot.write_text("another\n")
    monkeypatch.setattr(ledger, "_runs", lambda _pid: False)
    with monkeypatch.context() as patch, database.write() as connection:
        patch.setattr(ledger, "_BOOT", boot)
        report_alive(connection, "theirs", Silence())
    with database.write() as connection:
        report_alive(connection, "ours", Silence())
    assert count(database, instances) == 2


@pytest.mark.parametrize("step", [-86_400.0, 3600.0])
async def test_a_clock_that_is_set_makes_nobody_dead(
    database: Database, database_url: str, step: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a machine has slept, or between machines whose clocks differ."""
    monkeypatch.setattr(ledger, "_runs", lambda _pid: True)
    other = open_database(database_url)
    async with open_desk(database) as ours, open_desk(other) as theirs:
        principal = await ours.principal(NewKey(name="b", budget=Budget(tokens=100)))
        with ours.gateway.admit(principal, "m", "c") as lease:
            await lease.admit(50, 50)
            real = time.time
            monkeypatch.setattr(time, "time", lambda: real() + step)
            theirs.writer._clerk._next_heartbeat = 0.0
            with pytest.raises(ApiError, match="0 are left"):
                await answer(theirs.gateway.admit(principal, "m", "d"), 1, 1, 1)
            assert count(database, reservations) == 1
    other.close()


async def test_a_client_that_leaves_while_it_waits_gives_everything_back(database: Database) -> None:
    async with open_desk(database, slots=1) as desk:
        bounded = NewKey(name="b", budget=Budget(tokens=1000), limits=Limits(concurrency=2, tokens_per_minute=2000))
        principal = await desk.principal(bounded)
        with desk.gateway.admit(principal, "m", "first") as lease:
            await lease.admit(10, 90)
            waiting = asyncio.create_task(answer(desk.gateway.admit(principal, "m", "second"), 10, 90, 5))
            while not desk.gateway.turns.waiting:
                await asyncio.sleep(0.001)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert desk.gateway.turns.waiting == 0
        await answer(desk.gateway.admit(principal, "m", "third"), 10, 885, 5)
    assert count(database, reservations) == 0
    assert desk.usage.of("second") is None


@pytest.mark.slow
@pytest.mark.parametrize("budget", [None, Budget(tokens=100_000)])
async def test_a_store_that_cannot_be_written_closes_the_door_and_opens_it_again(
    database: Database, budget: Budget | None
) -> None:
    async with open_desk(database) as desk:
        principal = await desk.principal(NewKey(name="b", budget=budget, limits=Limits(requests_per_minute=100)))
        await answer(desk.gateway.admit(principal, "m", "before"), 10, 10, 10)
        with desk.gateway.admit(principal, "m", "during") as lease:
            await lease.admit(10, 10)
            lease.output_tokens = 4
            rename(database, "completions", "hidden")
            with pytest.raises(ApiError) as caught:
                await lease.settle("completed", "stop")
            assert caught.value.code == "store_unavailable"
        with pytest.raises(ApiError) as caught:
            desk.gateway.admit(principal, "m", "refused")
        assert (caught.value.status, caught.value.headers["retry-after"]) == (503, "1")
        assert caught.value.headers["x-ratelimit-remaining-requests"] == "98"
        rename(database, "hidden", "completions")
        while not desk.writer.healthy:
            await asyncio.sleep(0.01)
        await answer(desk.gateway.admit(principal, "m", "after"), 10, 10, 10)
    during = desk.usage.of("during")
    assert during is not None
    # It was worked on, but its end was never shown: counted and free.
    assert (during.status, during.output_tokens, during.cost) == ("failed", 4, 0)
    [total] = desk.usage.rows(ReportQuery(by=["key"]))
    assert total.requests == 3
    assert count(database, reservations) == 0


async def test_a_row_that_does_not_fit_fails_alone(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    """A group of commits with one completion twice: a bug, of which only that one request may suffer."""
    async with open_desk(database) as desk:
        principal = await desk.principal(NewKey(name="b", budget=Budget(tokens=100_000)))
        ids = ["a", "b", "b", "c", "d"]
        with database.write():  # so that all of them are in one group
            jobs = [asyncio.create_task(answer(desk.gateway.admit(principal, "m", n), 10, 10, 4)) for n in ids]
            await asyncio.sleep(0.2)
        outcomes = await asyncio.gather(*jobs, return_exceptions=True)
        assert [isinstance(outcome, ApiError) for outcome in outcomes].count(True) == 1
        await answer(desk.gateway.admit(principal, "m", "after"), 10, 10, 10)
        assert desk.writer.healthy
    assert count(database, completions) == 5
    assert count(database, reservations) == 0
    assert "could not be written" in caplog.text
