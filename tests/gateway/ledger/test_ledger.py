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

from forefront.gateway.ledger import budget_transaction as transaction_module
from forefront.gateway.ledger import ledger as ledger_module
from forefront.gateway.ledger import ledger_writer as thread_module
from forefront.gateway.ledger.budget_lease import BudgetHold, BudgetLease
from forefront.gateway.ledger.budget_transaction import BudgetTransaction
from forefront.gateway.ledger.pricing import Price
from forefront.gateway.ledger.settlement import write_rows
from forefront.gateway.store import server_heartbeats as liveness
from forefront.gateway.store.database import Database, open_database
from forefront.gateway.store.server_heartbeats import ServerHeartbeats, send_heartbeat
from forefront.gateway.store.tables import budget_leases, completions, daily_usage, monthly_usage, servers
from forefront.server.http.error_response import error_headers
from forefront.wire.admin.parse import ReportQuery
from forefront.wire.admin.records import Budget, Limits, NewKey, ProjectSettings
from forefront.wire.errors import ERRORS, RequestError
from tests.gateway.helpers import answer, open_gateway, rename, stale_liveness

PRICES = {"m": Price.per_million(1.0, 4.0, cached=0.5)}


def count(database: Database, table: sa.Table) -> int:
    with database.read() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


async def test_a_completion_is_one_row_with_its_cost(database: Database) -> None:
    async with open_gateway(database, prices=PRICES) as fixture:
        principal = await fixture.principal()
        with fixture.gateway.admit(principal, "m", "chatcmpl-1") as lease:
            await lease.admit(100, 50)
            lease.cached_tokens, lease.started = 40, time.time()
            lease.output_tokens = 10
            await lease.settle("completed", "stop")
            row = fixture.usage.completion("chatcmpl-1")  # there before the context, and so the request, has ended
        assert row is not None
        assert (row.key, row.project, row.model) == (principal.key.id, "default", "m")
        assert (row.status, row.finish_reason) == ("completed", "stop")
        assert (row.input_tokens, row.cached_tokens, row.output_tokens) == (100, 40, 10)
        assert row.cost == pytest.approx((60 * 1.0 + 40 * 0.5 + 10 * 4.0) / 1e6, abs=1e-12)
        assert row.started is not None
        assert row.received <= row.started <= row.finished
        assert fixture.usage.completion("chatcmpl-2") is None
    assert count(database, completions) == 1


async def test_aborted_requests_have_a_row_and_unstarted_ones_have_none(database: Database) -> None:
    async with open_gateway(database, prices=PRICES) as fixture:
        principal = await fixture.principal()
        with fixture.gateway.admit(principal, "m", "left") as lease:
            await lease.admit(10, 50)
            lease.output_tokens = 7
        with pytest.raises(RuntimeError), fixture.gateway.admit(principal, "m", "broke") as lease:
            await lease.admit(10, 50)
            lease.output_tokens = 3
            raise RuntimeError
        with fixture.gateway.admit(principal, "m", "nothing"):
            pass
    left, broke = fixture.usage.completion("left"), fixture.usage.completion("broke")
    assert left is not None
    assert broke is not None
    assert (left.status, left.output_tokens) == ("aborted", 7)
    assert left.cost == pytest.approx(38e-6)
    assert (broke.status, broke.output_tokens, broke.cost) == ("failed", 3, 0)
    assert count(database, completions) == 2


async def test_reports_are_the_sums_of_the_rows(database: Database) -> None:
    async with open_gateway(database, prices=PRICES) as fixture:
        one, two = await fixture.principal(), await fixture.principal(NewKey(name="b", project="shop"))
        jobs = [
            answer(fixture.gateway.admit(principal, model, f"{model}-{principal.key.id}-{n}"), 10, 20, n)
            for principal in (one, two)
            for model in ("m", "free")
            for n in range(10)
        ]
        await asyncio.gather(*jobs)
    by_model = list(fixture.usage.rows(ReportQuery(by=["model"])))
    assert [(row.group["model"], row.requests, row.output_tokens) for row in by_model] == [
        ("free", 20, 90),
        ("m", 20, 90),
    ]
    assert by_model[0].cost == 0
    assert by_model[1].cost == pytest.approx(20 * 10e-6 + 90 * 4e-6)
    assert len(list(fixture.usage.rows(ReportQuery(by=["day", "key", "project", "model"])))) == 4
    [shop] = fixture.usage.rows(ReportQuery(by=["project"], project="shop"))
    assert shop.requests == 20
    assert list(fixture.usage.rows(ReportQuery(until="2020-01-01"))) == []


@pytest.mark.parametrize("budget", [Budget(tokens=1000), Budget(money=0.001, period="ever"), Budget(money=0.001)])
@pytest.mark.parametrize("owner", ["key", "project"])
async def test_a_limit_of_ten_admits_exactly_ten_of_200_concurrent_requests(
    database: Database, budget: Budget, owner: str
) -> None:
    prices = {"m": Price.per_million(1.0, 1.0)}
    async with open_gateway(database, prices=prices) as fixture:
        if owner == "project":
            fixture.keys.set_project("default", ProjectSettings(budget=budget))
        principal = await fixture.principal(NewKey(name="b", budget=budget if owner == "key" else None))
        jobs = (answer(fixture.gateway.admit(principal, "m", f"c{n}"), 60, 40, 40) for n in range(200))
        outcomes = await asyncio.gather(*jobs, return_exceptions=True)
        refused = [outcome for outcome in outcomes if isinstance(outcome, RequestError)]
        assert len(refused) == 190
        assert {(ERRORS[error.code].status, error.code) for error in refused} == {(403, "insufficient_credits")}
        assert error_headers(refused[0])["x-should-retry"] == "false"
        [total] = fixture.usage.rows(ReportQuery(by=["key"]))
        assert (total.requests, total.input_tokens + total.output_tokens) == (10, 1000)
    assert count(database, budget_leases) == 0


async def test_two_servers_share_one_budget(database: Database, database_url: str) -> None:
    other = open_database(database_url)
    async with open_gateway(database) as one, open_gateway(other) as two:
        principal = await one.principal(NewKey(name="b", budget=Budget(tokens=1000)))
        jobs = (answer((one, two)[n % 2].gateway.admit(principal, "m", f"c{n}"), 60, 40, 40) for n in range(60))
        outcomes = await asyncio.gather(*jobs, return_exceptions=True)
    other.close()
    assert sum(outcome is None for outcome in outcomes) == 10
    assert all(
        outcome is None or (isinstance(outcome, RequestError) and ERRORS[outcome.code].status == 403)
        for outcome in outcomes
    )


async def test_unused_reservations_return(database: Database) -> None:
    async with open_gateway(database) as fixture:
        principal = await fixture.principal(NewKey(name="b", budget=Budget(tokens=1000)))
        for n in range(9):  # each may take 900, and takes 100
            await answer(fixture.gateway.admit(principal, "m", f"c{n}"), 90, 810 - 100 * n, 10)
        with pytest.raises(RequestError, match="100 are left"):
            await answer(fixture.gateway.admit(principal, "m", "c9"), 90, 11, 1)
        await answer(fixture.gateway.admit(principal, "m", "c10"), 90, 10, 10)


async def test_reservations_of_a_dead_server_return(database: Database) -> None:
    """At once on the same machine; from elsewhere, by one that would have heard of it."""
    async with open_gateway(database) as fixture:
        principal = await fixture.principal(NewKey(name="b", budget=Budget(tokens=100)))
        with database.read() as connection:
            here = connection.execute(sa.select(servers.c.host)).scalar_one()
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "")
    await process.wait()

    def leave_behind(host: str) -> None:
        with database.write() as connection:
            dead = {
                "server_id": host[:32],
                "key_id": principal.key.id,
                "project": "default",
                "tokens": 100,
                "cost_nanos": 0,
            }
            connection.execute(sa.insert(servers).values(id=host[:32], host=host, pid=process.pid, heartbeat_at=0.0))
            connection.execute(sa.insert(budget_leases).values(id=f"lost {host[:32]}", **dead))

    leave_behind(here)
    async with open_gateway(database) as fixture:
        await answer(fixture.gateway.admit(principal, "m", "c1"), 25, 75, 25)
        await answer(fixture.gateway.admit(principal, "m", "c2"), 25, 25, 0)
    leave_behind("elsewhere")
    async with open_gateway(database) as fixture:
        with pytest.raises(RequestError, match="0 are left"):
            await answer(fixture.gateway.admit(principal, "m", "c3"), 10, 10, 10)
        with database.write() as connection:
            send_heartbeat(connection, "another", stale_liveness(connection))
        await answer(fixture.gateway.admit(principal, "m", "c4"), 10, 10, 10)


async def test_a_removed_server_restores_its_leases(database: Database) -> None:
    async with open_gateway(database) as fixture:
        principal = await fixture.principal(NewKey(name="b", budget=Budget(tokens=100)))
        with fixture.gateway.admit(principal, "m", "c") as lease:
            await lease.admit(50, 50)
            with database.write() as connection:
                connection.execute(sa.update(servers).values(host="elsewhere", heartbeat_at=0.0))
                assert not send_heartbeat(connection, "hasty", stale_liveness(connection))
            assert count(database, budget_leases) == 0
            fixture.ledger._thread._next_heartbeat = 0.0
            with pytest.raises(RequestError, match="0 are left"):
                await answer(fixture.gateway.admit(principal, "m", "d"), 1, 1, 1)
            assert count(database, budget_leases) == 1


async def test_leases_of_an_unregistered_server_return(database: Database) -> None:
    with database.write() as connection:
        held = {"key_id": "k", "project": "default", "tokens": 100, "cost_nanos": 0}
        connection.execute(sa.insert(budget_leases).values(id="lost", server_id="gone", **held))
        send_heartbeat(connection, "another", stale_liveness(connection, 80))
    assert count(database, budget_leases) == 1  # it may yet say that it lives
    with database.write() as connection:
        send_heartbeat(connection, "another", stale_liveness(connection))
    assert count(database, budget_leases) == 0


async def test_liveness_restarts_after_an_outage_of_the_store(database: Database) -> None:
    async with open_gateway(database) as fixture:
        with database.write() as connection:
            connection.execute(sa.insert(servers).values(id="silent", host="elsewhere", pid=1, heartbeat_at=0.0))
        thread = fixture.ledger._thread
        with database.read() as connection:
            thread._liveness = stale_liveness(connection)
        for valid_until, left in ((0.0, 2), (time.monotonic() + 60, 2), (time.monotonic() + 60, 1)):
            thread.leases_valid_until, thread._next_heartbeat = valid_until, 0.0
            principal = await fixture.principal(NewKey(name="b", budget=Budget(tokens=100)))
            await answer(fixture.gateway.admit(principal, "m", f"c{valid_until}-{left}"), 1, 1, 1)
            assert count(database, servers) == left
            if valid_until:
                with database.read() as connection:
                    thread._liveness = stale_liveness(connection)


async def test_a_failed_answer_costs_nothing(database: Database) -> None:
    """Its row had been committed, though that could not be known."""
    async with open_gateway(database, prices=PRICES) as fixture:
        principal = await fixture.principal()
        cost = 0
        for name, before in (("c1", "completed"), ("c2", "aborted")):
            with fixture.gateway.admit(principal, "m", name) as lease:
                await lease.admit(10, 10)
                lease.output_tokens = 5
                row = lease._close(before, "stop" if before == "completed" else None)  # type: ignore[arg-type]
                assert row is not None
                with database.write() as connection:
                    write_rows(connection, [row], retry=False)
                cost = row.cost_nanos
                assert cost > 0
                late = row.as_failed()
                for _ in range(2):
                    with database.write() as connection:
                        write_rows(connection, [row, late], retry=True)
                found = fixture.usage.completion(name)
                assert found is not None
                assert (found.status, found.cost) == (
                    ("failed", 0) if before == "completed" else ("aborted", pytest.approx(cost / 1e9))
                )
        with database.read() as connection:
            [sums] = connection.execute(sa.select(daily_usage.c.requests, daily_usage.c.cost_nanos)).all()
            monthly = connection.execute(
                sa.select(monthly_usage.c.subject_type, monthly_usage.c.tokens, monthly_usage.c.cost_nanos)
            ).all()
        assert tuple(sums) == (2, cost)
        assert sorted(map(tuple, monthly)) == [("key", 30, cost), ("project", 30, cost)]


async def test_a_store_that_hangs_times_out(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    hangs = threading.Event()
    write = database.write

    @contextmanager
    def slow(*, for_ledger: bool = False) -> Iterator[sa.Connection]:
        if hangs.is_set():
            while hangs.is_set():
                time.sleep(0.01)
        with write(for_ledger=for_ledger) as connection:
            yield connection

    monkeypatch.setattr(database, "write", slow)
    async with open_gateway(database, prices=PRICES) as fixture:
        principal = await fixture.principal(NewKey(name="b", budget=Budget(tokens=10_000)))
        await answer(fixture.gateway.admit(principal, "m", "before"), 10, 10, 5)
        monkeypatch.setattr(thread_module, "WRITE_GRACE", 0.2)
        monkeypatch.setattr(ledger_module, "STORE_TIMEOUT", 0.5)
        monkeypatch.setattr(thread_module, "STORE_TIMEOUT", 0.5)
        hangs.set()
        with pytest.raises(RequestError, match="not charged"):
            await answer(fixture.gateway.admit(principal, "m", "during"), 10, 10, 5)
        with pytest.raises(RequestError, match="cannot write its ledger"):
            fixture.gateway.admit(principal, "m", "refused")
        begin = time.monotonic()
        await fixture.ledger.close()
        assert time.monotonic() - begin < 60
        hangs.clear()
        while (row := fixture.usage.completion("during")) is None or row.status != "failed":
            await asyncio.sleep(0.01)
        assert row.cost == 0


@pytest.mark.parametrize("kind", ["key", "project"])
@pytest.mark.parametrize("period", ["day", "month", "ever"])
def test_reading_a_budget_uses_an_index(database: Database, kind: str, period: str) -> None:
    query = transaction_module._USAGE_QUERIES[kind, period].params(subject="n", since="2026-01-01")
    explain = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"
    with database.read() as connection:
        if not database.is_sqlite:
            connection.execute(sa.text("SET LOCAL enable_seqscan = off"))  # which it prefers while a table is empty
        text = f"{explain} {query.compile(connection, compile_kwargs={'literal_binds': True})}"
        plan = "\n".join(str(row) for row in connection.execute(sa.text(text)))
    column = {"key": "key_id", "project": "project"}[kind]
    table, index = ("daily_usage", f"daily_usage_{column}") if period == "day" else ("monthly_usage", "")
    assert ("daily_usage" in plan) == (period == "day")
    if database.is_sqlite:
        assert f"SEARCH {table} USING {f'INDEX {index}' if index else 'PRIMARY KEY'}" in plan
    else:
        index = index or "monthly_usage_pkey"
        assert f"using {index} on {table}" in plan or f"on {index}" in plan


async def test_a_period_that_begins_within_a_commit_is_separate(database: Database) -> None:
    async with open_gateway(database) as fixture:
        principal = await fixture.principal(NewKey(name="b", budget=Budget(tokens=1000)))
        await answer(fixture.gateway.admit(principal, "m", "c"), 450, 450, 450)
    budgets = Budget(tokens=1000, period="day"), Budget(tokens=1000, period="ever")
    new, old = (BudgetLease(one.period, principal.key.id, "default", (one, None)) for one in budgets)
    with database.write() as connection:
        connection.execute(sa.update(daily_usage).values(day="2020-01-01"))
        transaction = BudgetTransaction(connection, "i")
        assert transaction.take(BudgetHold(new, 300, 0)) is None
        assert transaction.take(BudgetHold(old, 1, 0)) is not None
        assert transaction.take(BudgetHold(new, 701, 0)) is not None
        assert transaction.take(BudgetHold(new, 700, 0)) is None


async def test_reservations_of_a_live_server_stay(database: Database) -> None:
    async with open_gateway(database) as fixture:
        principal = await fixture.principal(NewKey(name="b", budget=Budget(tokens=100)))
        with fixture.gateway.admit(principal, "m", "c") as lease:
            await lease.admit(50, 50)
            with database.write() as connection:
                send_heartbeat(connection, "another", stale_liveness(connection))
            # On this machine a process of our own number is taken for dead, unless it is the very same one.
            assert count(database, servers) == 1
        with database.write() as connection:
            connection.execute(sa.update(servers).values(host="elsewhere"))
            send_heartbeat(connection, "third", stale_liveness(connection, 80))
        assert count(database, servers) == 2


async def test_processes_are_looked_up_on_their_own_machine_only(
    database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    boot = tmp_path / "boot_id"
    boot.write_text("another\n")
    monkeypatch.setattr(liveness, "_process_exists", lambda _pid: False)
    with monkeypatch.context() as patch, database.write() as connection:
        patch.setattr(liveness, "_BOOT_ID", boot)
        send_heartbeat(connection, "theirs", ServerHeartbeats())
    with database.write() as connection:
        send_heartbeat(connection, "ours", ServerHeartbeats())
    assert count(database, servers) == 2


@pytest.mark.parametrize("step", [-86_400.0, 3600.0])
async def test_a_changed_clock_makes_no_server_dead(
    database: Database, database_url: str, step: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a machine has slept, or between machines whose clocks differ."""
    monkeypatch.setattr(liveness, "_process_exists", lambda _pid: True)
    other = open_database(database_url)
    async with open_gateway(database) as ours, open_gateway(other) as theirs:
        principal = await ours.principal(NewKey(name="b", budget=Budget(tokens=100)))
        with ours.gateway.admit(principal, "m", "c") as lease:
            await lease.admit(50, 50)
            real = time.time
            monkeypatch.setattr(time, "time", lambda: real() + step)
            theirs.ledger._thread._next_heartbeat = 0.0
            with pytest.raises(RequestError, match="0 are left"):
                await answer(theirs.gateway.admit(principal, "m", "d"), 1, 1, 1)
            assert count(database, budget_leases) == 1
    other.close()


async def test_a_cancelled_waiting_request_releases_everything(database: Database) -> None:
    async with open_gateway(database, slots=1) as fixture:
        bounded = NewKey(name="b", budget=Budget(tokens=1000), limits=Limits(concurrency=2, tokens_per_minute=2000))
        principal = await fixture.principal(bounded)
        with fixture.gateway.admit(principal, "m", "first") as lease:
            await lease.admit(10, 90)
            waiting = asyncio.create_task(answer(fixture.gateway.admit(principal, "m", "second"), 10, 90, 5))
            while not fixture.gateway.queue.waiting:
                await asyncio.sleep(0.001)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert fixture.gateway.queue.waiting == 0
        await answer(fixture.gateway.admit(principal, "m", "third"), 10, 885, 5)
    assert count(database, budget_leases) == 0
    assert fixture.usage.completion("second") is None


@pytest.mark.slow
@pytest.mark.parametrize("budget", [None, Budget(tokens=100_000)])
async def test_a_store_that_cannot_be_written_refuses_requests_until_it_works(
    database: Database, budget: Budget | None
) -> None:
    async with open_gateway(database) as fixture:
        principal = await fixture.principal(NewKey(name="b", budget=budget, limits=Limits(requests_per_minute=100)))
        await answer(fixture.gateway.admit(principal, "m", "before"), 10, 10, 10)
        with fixture.gateway.admit(principal, "m", "during") as lease:
            await lease.admit(10, 10)
            lease.output_tokens = 4
            rename(database, "completions", "hidden")
            with pytest.raises(RequestError) as caught:
                await lease.settle("completed", "stop")
            assert caught.value.code == "store_unavailable"
        with pytest.raises(RequestError) as caught:
            fixture.gateway.admit(principal, "m", "refused")
        assert (ERRORS[caught.value.code].status, error_headers(caught.value)["retry-after"]) == (503, "1")
        assert error_headers(caught.value)["x-ratelimit-remaining-requests"] == "98"
        rename(database, "hidden", "completions")
        while not fixture.ledger.healthy:
            await asyncio.sleep(0.01)
        await answer(fixture.gateway.admit(principal, "m", "after"), 10, 10, 10)
    during = fixture.usage.completion("during")
    assert during is not None
    # It was worked on, but its end was never shown: counted and free.
    assert (during.status, during.output_tokens, during.cost) == ("failed", 4, 0)
    [total] = fixture.usage.rows(ReportQuery(by=["key"]))
    assert total.requests == 3
    assert count(database, budget_leases) == 0


async def test_a_duplicate_row_fails_alone(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    """A group of commits with one completion twice: a bug, of which only that one request may suffer."""
    async with open_gateway(database) as fixture:
        principal = await fixture.principal(NewKey(name="b", budget=Budget(tokens=100_000)))
        ids = ["a", "b", "b", "c", "d"]
        with database.write():  # so that all of them are in one group
            jobs = [asyncio.create_task(answer(fixture.gateway.admit(principal, "m", n), 10, 10, 4)) for n in ids]
            await asyncio.sleep(0.2)
        outcomes = await asyncio.gather(*jobs, return_exceptions=True)
        assert [isinstance(outcome, RequestError) for outcome in outcomes].count(True) == 1
        await answer(fixture.gateway.admit(principal, "m", "after"), 10, 10, 10)
        assert fixture.ledger.healthy
    assert count(database, completions) == 5
    assert count(database, budget_leases) == 0
    assert "could not be written" in caplog.text
