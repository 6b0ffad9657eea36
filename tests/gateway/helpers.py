"""A gateway on a real store, and requests that pretend to be answered."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import sqlalchemy as sa

from forefront.gateway.admission_queue import Turns
from forefront.gateway.gateway import Gateway
from forefront.gateway.keys.key_cache import KeyRing
from forefront.gateway.keys.key_store import KeyStore
from forefront.gateway.keys.principal import Principal
from forefront.gateway.lease import Lease
from forefront.gateway.ledger.ledger import Writer
from forefront.gateway.ledger.liveness import Silence
from forefront.gateway.ledger.pricing import Price, Prices
from forefront.gateway.ledger.statements import DEAD_AFTER
from forefront.gateway.ledger.usage_reports import Usage
from forefront.gateway.limits.redis_limiter import SharedLimits
from forefront.gateway.store.database import Database
from forefront.gateway.store.tables import instances, reservations
from forefront.wire.admin import NewKey


class Hands:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Desk:
    """Everything that a test of the gateway touches."""

    gateway: Gateway
    writer: Writer
    keys: KeyStore
    usage: Usage
    database: Database
    clock: Hands

    async def principal(self, wanted: NewKey | None = None) -> Principal:
        """The holder of a new key."""
        found = await KeyRing(self.database).find(self.keys.create(wanted or NewKey(name="test")).key)
        assert found is not None
        return found


@asynccontextmanager
async def open_desk(
    database: Database,
    *,
    slots: int = 1000,
    room: int = 1000,
    prices: Mapping[str, Price] | None = None,
    shared: SharedLimits | None = None,
) -> AsyncIterator[Desk]:
    """A running gateway."""
    clock, writer = Hands(), Writer(database)
    gateway = Gateway(writer, Prices(prices or {}), Turns(slots, room, clock), clock, shared)
    writer.start()
    try:
        yield Desk(gateway, writer, KeyStore(database), Usage(database), database, clock)
    finally:
        await writer.close()


def waited(connection: sa.Connection, seconds: float = DEAD_AFTER + 1) -> Silence:
    """The ear of a server that has heard nothing new for so long."""
    clock = Hands()
    silence = Silence(clock)
    holders = connection.execute(sa.select(reservations.c.instance)).scalars()
    known = {row.id: row.seen for row in connection.execute(sa.select(instances)).all()}
    silence.listen(dict.fromkeys(holders, 0.0) | known)
    clock.now += seconds
    return silence


def rename(database: Database, table: str, to: str) -> None:
    """Give a table another name: statements about it fail until it has its own again."""
    with database.write() as connection:
        connection.execute(sa.text(f"ALTER TABLE {table} RENAME TO {to}"))


async def answer(lease: Lease, prompt: int, most: int, sampled: int) -> None:
    """Be admitted, sample and settle, as a backend and the server do."""
    with lease:
        await lease.admit(prompt, most)
        lease.begin(0)
        lease.output_tokens = sampled
        await lease.settle("completed", "stop")
