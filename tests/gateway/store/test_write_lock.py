"""Turns of writers to one SQLite file."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from forefront.gateway.store.database import StoreError, open_database
from forefront.gateway.store.write_lock import WriteLock


def _wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_order() -> None:
    lock, order, threads = WriteLock(), list[str](), list[threading.Thread]()

    def write(name: str, for_ledger: bool) -> None:
        with lock.held(30, for_ledger=for_ledger):
            order.append(name)

    with lock.held(30):
        for name in ("a", "b", "c", "ledger 1", "ledger 2"):
            for_ledger = name.startswith("ledger")
            waiters = lock._ledger if for_ledger else lock._others
            count = len(waiters)
            threads.append(threading.Thread(target=write, args=(name, for_ledger)))
            threads[-1].start()
            _wait_for(lambda waiters=waiters, count=count: len(waiters) > count)  # type: ignore[misc]
    for thread in threads:
        thread.join(30)
    assert order == ["ledger 1", "a", "ledger 2", "b", "c"]
    with lock.held(0):
        pass


def test_a_waiter_that_gives_up_blocks_no_other() -> None:
    lock = WriteLock()
    with lock.held(1), pytest.raises(TimeoutError), lock.held(0.01):
        pass
    with lock.held(0):
        pass


def test_the_ledger_writes_before_others_that_wait(tmp_path: Path) -> None:
    database, order, threads = open_database(f"sqlite:///{tmp_path / 'a.db'}"), list[bool](), list[threading.Thread]()
    lock = database._write_lock

    def write(for_ledger: bool) -> None:
        with database.write(for_ledger=for_ledger) as connection:
            connection.execute(sa.text("CREATE TABLE IF NOT EXISTS t (a)"))
            order.append(for_ledger)

    with database.write():
        for for_ledger in (False, False, True):
            threads.append(threading.Thread(target=write, args=(for_ledger,)))
            threads[-1].start()
            _wait_for(lambda: len(lock._others) + len(lock._ledger) == len(threads))
    for thread in threads:
        thread.join(30)
    database.close()
    assert order == [True, False, False]


def test_a_locked_database_is_a_store_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forefront.gateway.store.database._LOCK_TIMEOUT", 0.05)
    database = open_database(f"sqlite:///{tmp_path / 'a.db'}")
    with database.write():
        thread_error: list[StoreError] = []

        def write() -> None:
            try:
                with database.write():
                    pass
            except StoreError as error:
                thread_error.append(error)

        thread = threading.Thread(target=write)
        thread.start()
        thread.join(30)
    database.close()
    assert len(thread_error) == 1
