"""The store's schema: what the migrations make is what the tables say, on both databases."""

import os
import socket
import stat
import subprocess
import threading
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from forefront.gateway.store import database as database_module
from forefront.gateway.store.bulk_insert import Bulk
from forefront.gateway.store.database import Database, StoreError, open_database
from forefront.gateway.store.tables import days, instances, metadata, months, reservations
from tests.support.postgres import new_database


def test_the_migrations_make_exactly_the_tables(database: Database) -> None:
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def make_old(database: Database, *servers: tuple[str, int, float]) -> None:
    """Leave the store as schema 0001 had it, with servers: host, process, seconds since its last word."""
    with database.write() as connection:
        connection.execute(sa.text("DROP TABLE months"))
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0001'"))
        for number, (host, pid, seconds) in enumerate(servers):
            values = {"id": f"i{number}", "host": host, "pid": pid, "seen": time.time() - seconds}
            connection.execute(instances.insert().values(values))
            connection.execute(reservations.insert().values((f"r{number}", f"i{number}", "k", "p", 10, 10)))


def test_a_store_of_before_gets_its_sums_by_month(database: Database, database_url: str) -> None:
    sums = (1, 10, 0, 5, 0, 700)
    make_old(database)
    with database.write() as connection:
        for day, key, model in (("2026-01-30", "k", "m"), ("2026-01-31", "k", "n"), ("2026-02-01", "l", "m")):
            connection.execute(days.insert().values((day, key, "p", model, *sums)))
    open_database(database_url).close()
    with database.read() as connection:
        found = connection.execute(sa.select(months)).all()
    assert sorted(map(tuple, found)) == [
        ("key", "k", "2026-01", 30, 1400),
        ("key", "l", "2026-02", 15, 700),
        ("project", "p", "2026-01", 30, 1400),
        ("project", "p", "2026-02", 15, 700),
    ]


def old_host() -> str:
    """What this machine was called in schema 0001."""
    return f"{socket.gethostname()} {os.readlink('/proc/self/ns/pid')}"


@pytest.mark.parametrize("here", [True, False])
def test_a_store_is_not_changed_under_a_server_of_before(database: Database, database_url: str, here: bool) -> None:
    """It would go on writing days, and the months that budgets read would lack them for good."""
    make_old(database, (old_host() if here else "elsewhere pid:[1]", os.getppid(), 30))
    with pytest.raises(StoreError, match=rf"older version.*process {os.getppid()} on .*0001; stop that one"):
        open_database(database_url)
    with database.read() as connection:
        assert connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one() == "0001"
        assert connection.execute(sa.select(sa.func.count()).select_from(reservations)).scalar_one() == 1


def test_what_servers_of_before_left_is_given_back(database: Database, database_url: str) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    make_old(database, (old_host(), ended.pid, 1), ("elsewhere pid:[1]", 1, 100), (old_host(), os.getppid(), 100))
    open_database(database_url).close()
    with database.read() as connection:
        for table in (instances, reservations):
            assert connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() == 0


def test_a_statement_may_take_long_where_that_is_meant(postgres: str) -> None:
    database = open_database(new_database(postgres))
    for patient, allowed in ((True, "0"), (False, "10s")):
        with database.read(patient=patient) as connection:
            assert connection.execute(sa.text("SHOW statement_timeout")).scalar_one() == allowed
    database.close()


def test_postgresql_plans_for_all_rows_and_not_for_the_first(postgres: str) -> None:
    database = open_database(new_database(postgres))
    with database.read() as connection:
        setting = sa.select(sa.func.current_setting("cursor_tuple_fraction").label("value"))
        assert [row["value"] for row in database.stream(connection, setting)] == ["1"]
    database.close()


def test_a_journal_that_a_reader_let_grow_is_cut_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "_JOURNAL", 300_000)
    path = tmp_path / "forefront.db"
    database, journal = open_database(f"sqlite:///{path}"), tmp_path / "forefront.db-wal"
    with database.read() as reader:
        reader.execute(sa.select(days)).all()
        for number in range(60):
            with database.write() as connection:
                values = [(f"{number}-{one}", "i", "k" * 32, "p" * 64, 1, 1) for one in range(100)]
                Bulk(reservations).insert(connection, values)
        assert journal.stat().st_size > 4_500_000  # more than SQLite writes before it would begin anew
    for number in range(2):
        with database.write() as connection:
            Bulk(reservations).insert(connection, [(f"last-{number}", "i", "k", "p", 1, 1)])
    assert journal.stat().st_size <= 300_000
    database.close()


def test_opening_again_changes_nothing(database: Database, database_url: str) -> None:
    open_database(database_url).close()
    with database.read() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM state")).scalar_one() == 1


def test_a_newer_schema_is_refused_and_left_alone(database: Database, database_url: str) -> None:
    with database.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match=r"9999.*newer version"):
        open_database(database_url)
    with database.read() as connection:
        assert connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one() == "9999"


def start_at_once(url: str) -> list[Exception]:
    """What goes wrong when six programs open a store in the same moment."""
    failures: list[Exception] = []

    def start() -> None:
        try:
            open_database(url).close()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures


def test_two_programs_that_start_at_once_migrate_once(database_url: str) -> None:
    assert start_at_once(database_url) == []


@pytest.mark.slow
def test_a_new_file_can_be_opened_by_several_at_once(tmp_path: Path) -> None:
    """One in some sixty such moments made SQLite give up without waiting."""
    for number in range(60):
        assert start_at_once(f"sqlite:///{tmp_path / f'{number}.db'}") == []


def count_together(database: Database) -> int:
    """What four writers make of a number that each reads and writes ten times."""
    with database.write() as connection:
        connection.execute(sa.text("CREATE TABLE counted (n INTEGER)"))
        connection.execute(sa.text("INSERT INTO counted VALUES (0)"))

    def count() -> None:
        for _ in range(10):
            with database.write() as connection:
                n: int = connection.execute(sa.text("SELECT n FROM counted")).scalar_one()
                connection.execute(sa.text("UPDATE counted SET n = :n"), {"n": n + 1})

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as connection:
        return int(connection.execute(sa.text("SELECT n FROM counted")).scalar_one())


def test_writers_take_turns(database: Database) -> None:
    assert count_together(database) == 40


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_writers_take_turns_whatever_the_server_is_set_to(postgres: str, level: str) -> None:
    url = new_database(postgres)
    opened = open_database(url)
    with opened.write() as connection:
        name = sa.make_url(url).database
        connection.execute(sa.text(f"ALTER DATABASE {name} SET default_transaction_isolation = '{level}'"))
    opened.close()
    database = open_database(url)
    assert count_together(database) == 40
    database.close()


def test_what_failed_is_not_written(database: Database) -> None:
    def fail() -> None:
        with database.write() as connection:
            connection.execute(sa.text("UPDATE state SET revision = 77"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with database.read() as connection:
        assert connection.execute(sa.text("SELECT revision FROM state")).scalar_one() == 0


def test_only_its_owner_can_read_a_sqlite_store(tmp_path: Path) -> None:
    path = tmp_path / "new" / "forefront.db"
    database = open_database(f"sqlite:///{path}")
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with database.read() as connection:
        assert connection.execute(sa.text("PRAGMA journal_mode")).scalar_one() == "wal"
    database.close()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("nonsense", "not a URL"),
        ("mysql://u:secret@h/d", "SQLite or PostgreSQL"),
        ("sqlite://", "needs a file"),
        ("postgresql://user@host:port/name", "is not a URL such as"),
        ("sqlite:////proc/none/forefront.db", "cannot be opened"),
        ("postgresql://u:secret@127.0.0.1:1/d", "refused"),
    ],
)
def test_an_unfit_url_is_refused_without_its_password(url: str, says: str) -> None:
    with pytest.raises(StoreError, match=says) as caught:
        open_database(url)
    assert "secret" not in str(caught.value)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "forefront.db").write_bytes(b"x" * 5000)
    with pytest.raises(StoreError, match="not a database"):
        open_database(f"sqlite:///{tmp_path / 'forefront.db'}")


@pytest.mark.parametrize("rest", [0.0, 1.0])
def test_a_connection_that_was_cut_fails_once_at_most(
    postgres: str, monkeypatch: pytest.MonkeyPatch, rest: float
) -> None:
    """After a rest it is asked before it is used; before that, whoever is first is told."""
    monkeypatch.setattr(database_module, "_REST", rest)
    database, other = (open_database(new_database(postgres)) for _ in range(2))
    name = sa.make_url(str(database.engine.url)).database
    with other.write() as connection:
        cut = sa.text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name")
        assert connection.execute(cut, {"name": name}).all()
    failed = 0
    for _ in range(3):
        try:
            with database.write() as connection:
                Bulk(reservations, replaced=("cost",)).insert(connection, [("one", "i", "key", "p", 1, 2)])
        except StoreError:
            failed += 1
    assert failed == (0 if rest == 0.0 else 1)
    with database.read() as connection:
        assert len(connection.execute(sa.select(reservations)).all()) == 1
    database.close()
    other.close()
