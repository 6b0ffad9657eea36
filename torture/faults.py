"""A store that cannot be written: requests get clear errors, and service resumes by itself."""

import asyncio
import os
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path

import sqlalchemy as sa

from forefront.gateway.keys.key_store import KeyStore
from forefront.wire.admin.records import Budget, NewKey
from tests.support.backends.instant import MODEL
from torture.client import Answer, Client
from torture.harness import Harness, entered
from torture.ledger_audit import audit_ledger, opened

Fault = Callable[[], AbstractContextManager[None]]
# Requests that wait for a commit wait some seconds longer: a short lock costs no answer.
# How long the store is gone, and how long it may take until requests are taken again, in seconds.
_GONE = 30.0
_RECOVERY = 10.0


async def run(harness: Harness) -> None:
    """The store locked, full and gone."""
    seconds = max(_GONE * harness.scale, 10.0)
    stores = [(kind, harness.new_store(kind)) for kind in harness.stores]
    done = f"store locked for {seconds:.0f} s"
    jobs = [_fault(harness, kind, store, done, partial(_locked, store), seconds) for kind, store in stores]
    if harness.postgres:
        store = harness.new_store("PostgreSQL")
        jobs.append(
            _fault(harness, "PostgreSQL", store, "store gone for 5 s", partial(_gone, harness.postgres, store), 5)
        )
    await asyncio.gather(*jobs)
    await _full(harness)


async def _full(harness: Harness) -> None:
    """Its own file system, which root alone can make."""
    folder = harness.new_folder()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False).returncode:
        harness.log("faults: the disk is NOT filled, since that takes a separate small file system, and so root")
        return
    try:
        store = f"sqlite:///{folder / 'forefront.db'}"
        await _fault(harness, "SQLite", store, "disk full for 5 s", partial(_filled, folder), 5)
    finally:
        subprocess.run(["umount", str(folder)], check=True)


async def _fault(harness: Harness, kind: str, store: str, done: str, fault: Fault, seconds: float) -> None:
    log, answers = harness.new_folder() / "log", list[tuple[float, Answer]]()
    key = await asyncio.to_thread(_make_key, store)
    async with entered(harness.nursery.serve(store, log, pause=0.001)) as server, _load(server.url, key, answers):
        await asyncio.sleep(0.5)
        async with entered(fault()):
            broken = time.monotonic()
            # Requests from before the server detects the fault may wait for a commit; later ones are refused.
            await asyncio.sleep(0.5)
            async with _load(server.url, key, answers):
                await asyncio.sleep(seconds - 0.5)
        mended = time.monotonic()
        while not (answers and answers[-1][0] > mended and answers[-1][1].whole):
            if time.monotonic() > mended + 30:
                break
            await asyncio.sleep(0.02)
        recovered = time.monotonic() - mended
        await asyncio.sleep(1)
        health = (await Client(server.url, key).send("GET", "/health")).status
    await asyncio.sleep(0.5)
    during = [answer for at, answer in answers if broken + 0.5 < at < mended]
    codes = Counter(f"{answer.status} {answer.code or ''}".strip() for answer in during)
    # On a full disk there may be room for a row now and then.
    clear = "503 store_unavailable" in codes and set(codes) <= {"503 store_unavailable", "200"}
    async with entered(harness.nursery.serve(store, log)):
        pass
    audit = await asyncio.to_thread(audit_ledger, store)
    missing = audit.missing({answer.completion or "": answer.tokens for _, answer in answers if answer.whole})
    slowest = max((answer.seconds for answer in during), default=0.0)
    kinds = ", ".join(f"{number} × {code}" for code, number in codes.items())
    found = (
        f"{kinds}, the slowest in {slowest:.1f} s; answers again after {recovered:.1f} s; {missing} without their row"
    )
    good = clear and recovered < _RECOVERY and not missing and audit.days_agree and not audit.held and health == 200
    harness.report("faults", kind, done, found, good=good)


@asynccontextmanager
async def _load(url: str, key: str, answers: list[tuple[float, Answer]]) -> AsyncIterator[None]:
    """Eight clients that ask all the time, and wait a little when they are refused."""

    async def ask() -> None:
        client = Client(url, key)
        while True:
            messages = [{"role": "user", "content": "Hello"}]
            answer = await client.chat(model=MODEL, messages=messages, max_tokens=5)
            answers.append((time.monotonic(), answer))
            if answer.status != 200:
                await asyncio.sleep(0.1)

    jobs = [asyncio.create_task(ask()) for _ in range(8)]
    try:
        yield
    finally:
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)


@contextmanager
def _locked(store: str) -> Iterator[None]:
    """Another process writes and does not end."""
    with opened(store) as database, database.write() as connection:
        if not database.is_sqlite:
            connection.execute(sa.text("LOCK TABLE completions, daily_usage, budget_leases IN ACCESS EXCLUSIVE MODE"))
        yield


@contextmanager
def _gone(server: str, store: str) -> Iterator[None]:
    """Every connection is cut, and no new one is let in."""
    name = store.rsplit("/", 1)[1]
    admin = sa.create_engine(sa.make_url(server).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    cut = sa.text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name")
    with admin.connect() as connection:
        connection.execute(sa.text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
        connection.execute(cut, {"name": name})
        try:
            yield
        finally:
            connection.execute(sa.text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"))
    admin.dispose()


@contextmanager
def _filled(folder: Path) -> Iterator[None]:
    """Not a byte is free."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
    try:
        yield
    finally:
        filler.unlink()


def _make_key(store: str) -> str:
    with opened(store) as database:
        return KeyStore(database).create(NewKey(name="load", budget=Budget(tokens=10**9))).key
