"""A gateway on a real store, and requests without an engine."""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import sqlalchemy as sa

from forefront.gateway.admission_queue import AdmissionQueue
from forefront.gateway.gateway import Gateway
from forefront.gateway.keys.key_cache import KeyCache
from forefront.gateway.keys.key_store import KeyStore
from forefront.gateway.keys.principal import Principal
from forefront.gateway.ledger.ledger import Ledger
from forefront.gateway.ledger.pricing import Price, PriceList
from forefront.gateway.ledger.usage_reports import UsageReports
from forefront.gateway.limits.local_limiter import LocalLimiter
from forefront.gateway.limits.redis_limiter import RedisLimiter
from forefront.gateway.request_lease import Lease
from forefront.gateway.store.database import Database
from forefront.gateway.store.server_heartbeats import DEAD_AFTER, ServerHeartbeats
from forefront.gateway.store.tables import budget_leases, servers
from forefront.wire.admin.records import NewKey


class FakeClock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class GatewayFixture:
    """A running gateway and its parts."""

    gateway: Gateway
    ledger: Ledger
    keys: KeyStore
    usage: UsageReports
    database: Database
    clock: FakeClock

    async def principal(self, wanted: NewKey | None = None) -> Principal:
        """The principal of a new key."""
        found = await KeyCache(self.database).find(self.keys.create(wanted or NewKey(name="test")).key)
        assert found is not None
        return found


@asynccontextmanager
async def open_gateway(
    database: Database,
    *,
    slots: int = 1000,
    max_waiting: int = 1000,
    prices: Mapping[str, Price] | None = None,
    shared: RedisLimiter | None = None,
) -> AsyncIterator[GatewayFixture]:
    """A running gateway."""
    clock, ledger = FakeClock(), Ledger(database)
    queue, limiter = AdmissionQueue(slots, max_waiting, clock), shared or LocalLimiter(clock)
    gateway = Gateway(ledger, PriceList(prices or {}), queue, limiter)
    ledger.start()
    try:
        yield GatewayFixture(gateway, ledger, KeyStore(database), UsageReports(database), database, clock)
    finally:
        await ledger.close()


def stale_liveness(connection: sa.Connection, seconds: float = DEAD_AFTER + 1) -> ServerHeartbeats:
    """The timers of a server that has seen no new heartbeat for so long."""
    clock = FakeClock()
    liveness = ServerHeartbeats(clock)
    holders = connection.execute(sa.select(budget_leases.c.server_id)).scalars()
    known = {row.id: row.heartbeat_at for row in connection.execute(sa.select(servers)).all()}
    liveness.update(dict.fromkeys(holders, 0.0) | known)
    clock.now += seconds
    return liveness


def rename(database: Database, table: str, to: str) -> None:
    """Rename a table: statements that use it fail until it has its own name again."""
    with database.write() as connection:
        connection.execute(sa.text(f"ALTER TABLE {table} RENAME TO {to}"))


async def answer(lease: Lease, prompt: int, maximum: int, sampled: int) -> None:
    """Admit, begin and settle a request, as a backend and the server do."""
    with lease:
        await lease.admit(prompt, maximum)
        lease.started = time.time()
        lease.output_tokens = sampled
        await lease.settle("completed", "stop")
