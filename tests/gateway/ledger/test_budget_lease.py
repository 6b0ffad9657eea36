"""Shares of budgets that a server hands out from memory: never more than the budget, and nothing remains."""

import asyncio

import pytest
import sqlalchemy as sa

from forefront.gateway.ledger.pricing import Price
from forefront.gateway.store.database import Database, open_database
from forefront.gateway.store.server_heartbeats import send_heartbeat
from forefront.gateway.store.tables import budget_leases, completions, servers
from forefront.wire.admin.records import Budget, NewKey, ProjectSettings
from forefront.wire.errors import ERRORS, RequestError
from tests.gateway.helpers import answer, open_gateway, rename, stale_liveness

PRICES = {"m": Price.per_million(1.0, 1.0)}


def held(database: Database) -> int:
    """Tokens that are held by all servers."""
    with database.read() as connection:
        return int(connection.execute(sa.select(sa.func.coalesce(sa.func.sum(budget_leases.c.tokens), 0))).scalar_one())


def spent(database: Database) -> int:
    """Tokens in the ledger."""
    both = completions.c.input_tokens + completions.c.output_tokens
    with database.read() as connection:
        return int(connection.execute(sa.select(sa.func.coalesce(sa.func.sum(both), 0))).scalar_one())


async def test_a_request_is_admitted_from_memory(database: Database) -> None:
    async with open_gateway(database) as fixture:
        principal = await fixture.principal(NewKey(name="b", budget=Budget(tokens=100_000)))
        await answer(fixture.gateway.admit(principal, "m", "first"), 60, 40, 10)
        before = held(database)
        assert 200 <= before <= 100_000 // 16
        # No other transaction can commit within this one.
        with database.write(), fixture.gateway.admit(principal, "m", "second") as lease:
            await asyncio.wait_for(lease.admit(60, 40), 10)
        assert spent(database) + held(database) <= 100_000


@pytest.mark.parametrize("budget", [Budget(tokens=30_000), Budget(money=0.03)])
@pytest.mark.parametrize("owner", ["key", "project"])
async def test_a_budget_can_be_used_up_but_not_exceeded(database: Database, budget: Budget, owner: str) -> None:
    async with open_gateway(database, prices=PRICES) as fixture:
        if owner == "project":
            fixture.keys.set_project("default", ProjectSettings(budget=budget))
        wanted = NewKey(name="b", budget=budget if owner == "key" else None)
        principals = [await fixture.principal(wanted)]
        if owner == "project":
            principals.append(await fixture.principal(wanted))
        outcomes: list[BaseException | None] = []
        for start in range(0, 350, 50):
            jobs = (
                answer(fixture.gateway.admit(principals[n % len(principals)], "m", f"c{n}"), 60, 40, 40)
                for n in range(start, start + 50)
            )
            outcomes += await asyncio.gather(*jobs, return_exceptions=True)
            assert spent(database) + held(database) <= 30_000
        assert sum(outcome is None for outcome in outcomes) == 300
        assert all(
            outcome is None or (isinstance(outcome, RequestError) and ERRORS[outcome.code].status == 403)
            for outcome in outcomes
        )
    assert (spent(database), held(database)) == (30_000, 0)


async def test_two_servers_never_exceed_the_budget(database: Database, database_url: str) -> None:
    other = open_database(database_url)
    async with open_gateway(database) as one, open_gateway(other) as two:
        principal = await one.principal(NewKey(name="b", budget=Budget(tokens=20_000)))
        fitted = 0
        for start in range(0, 300, 30):
            jobs = [
                answer((one, two)[n % 2].gateway.admit(principal, "m", f"c{n}"), 60, 40, n % 41)
                for n in range(start, start + 30)
            ]
            fitted += [outcome is None for outcome in await asyncio.gather(*jobs, return_exceptions=True)].count(True)
            with database.write():  # between the two servers' commits
                assert spent(database) + held(database) <= 20_000
        assert fitted >= 200
    other.close()
    assert spent(database) <= 20_000
    assert held(database) == 0


async def test_the_leases_of_a_killed_server_return(database: Database) -> None:
    async with open_gateway(database) as fixture:
        principal = await fixture.principal(NewKey(name="b", budget=Budget(tokens=10_000)))
        await answer(fixture.gateway.admit(principal, "m", "first"), 60, 40, 40)
        taken = held(database)
        assert taken
        with database.read() as connection:
            rows = [dict(row) for row in connection.execute(sa.select(budget_leases)).mappings()]
    with database.write() as connection:  # as kill -9 leaves it
        connection.execute(sa.insert(budget_leases), rows)
        dead = rows[0]["server_id"]
        connection.execute(sa.insert(servers).values(id=dead, host="elsewhere", pid=1, heartbeat_at=0.0))
        send_heartbeat(connection, "next", stale_liveness(connection))
    assert held(database) == 0
    async with open_gateway(database) as fixture:
        await answer(fixture.gateway.admit(principal, "m", "rest"), 60, 9840, 9840)
    assert spent(database) == 10_000


async def test_an_idle_server_returns_its_budget_leases(database: Database) -> None:
    async with open_gateway(database) as fixture:
        principal = await fixture.principal(NewKey(name="b", budget=Budget(tokens=100_000)))
        await answer(fixture.gateway.admit(principal, "m", "c"), 60, 40, 40)
        assert held(database)
        async with asyncio.timeout(60):
            while held(database):
                await asyncio.sleep(0.05)
        await answer(fixture.gateway.admit(principal, "m", "d"), 60, 40, 40)


async def test_a_reduced_budget_applies_to_existing_leases(database: Database) -> None:
    async with open_gateway(database) as fixture:
        principal = await fixture.principal(NewKey(name="b"))
        settings = ProjectSettings(budget=Budget(tokens=100_000))
        first = principal.__class__(principal.key, fixture.keys.set_project("default", settings))
        await answer(fixture.gateway.admit(first, "m", "c"), 60, 40, 40)
        assert held(database)
        less = principal.__class__(
            principal.key, fixture.keys.set_project("default", ProjectSettings(budget=Budget(tokens=150)))
        )
        with pytest.raises(RequestError) as caught:
            await answer(fixture.gateway.admit(less, "m", "d"), 60, 40, 40)
        assert ERRORS[caught.value.code].status == 403
        await answer(fixture.gateway.admit(less, "m", "e"), 30, 20, 20)


@pytest.mark.slow
async def test_a_store_outage_loses_no_budget(database: Database) -> None:
    async with open_gateway(database) as fixture:
        principal = await fixture.principal(NewKey(name="b", budget=Budget(tokens=10_000)))
        await answer(fixture.gateway.admit(principal, "m", "before"), 60, 40, 40)
        with fixture.gateway.admit(principal, "m", "during") as lease:
            await lease.admit(60, 40)
            lease.output_tokens = 40
            rename(database, "completions", "hidden")
            with pytest.raises(RequestError):
                await lease.settle("completed", "stop")
        rename(database, "hidden", "completions")
        while not fixture.ledger.healthy:
            await asyncio.sleep(0.01)
        await answer(fixture.gateway.admit(principal, "m", "rest"), 60, 9740, 9740)
    assert (spent(database), held(database)) == (10_000, 0)
