"""Schema, migrations and transactions of the store, on both databases."""

import os
import shutil
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.schema import CreateIndex, CreateTable

from forefront.gateway.store import database as database_module
from forefront.gateway.store.bulk_insert import BulkInsert
from forefront.gateway.store.database import Database, StoreError, open_database
from forefront.gateway.store.schema import MIGRATIONS
from forefront.gateway.store.server_heartbeats import ServerHeartbeats, remove_server, send_heartbeat
from forefront.gateway.store.tables import REVISION, budget_leases, daily_usage, servers
from tests.support.programs.postgres import new_database


def contents(connection: sa.Connection) -> dict[str, object]:
    """All tables of a store: the statements that would create each, and its rows."""
    found = sa.MetaData()
    found.reflect(connection)
    made: dict[str, object] = {}
    for name, table in found.tables.items():
        indexes = sorted(str(CreateIndex(index).compile(connection)) for index in table.indexes)
        rows = connection.execute(sa.select(table)).all()
        lines = str(CreateTable(table).compile(connection)).splitlines()
        made[name] = (sorted(line.strip(", \t") for line in lines), indexes, rows)  # columns are in any order
    return made


def test_the_migrations_make_what_a_new_store_has(database: Database) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with database.write() as connection:
        new = contents(connection)
        found = sa.MetaData()
        found.reflect(connection)
        found.drop_all(connection)
        assert contents(connection) == {}
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        assert contents(connection) == new
    assert len(new) > 5


def test_the_steps_of_the_migrations_are_named_by_their_revisions() -> None:
    """A start compares the store's revision with the names, without Alembic."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    steps = list(ScriptDirectory.from_config(config).walk_revisions())
    assert [Path(step.path).stem for step in steps] == [f"step_{step.revision}" for step in steps]
    assert [step.revision for step in steps] == sorted((step.revision for step in steps), reverse=True)
    assert steps[0].revision == REVISION


def test_neither_a_new_nor_a_present_store_loads_alembic(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from forefront.gateway.store.database import open_database\n"
        "open_database(sys.argv[1]).close()\n"
        "assert 'alembic' not in sys.modules\n"
    )
    for _ in range(2):
        subprocess.run([sys.executable, "-c", program, f"sqlite:///{tmp_path / 'forefront.db'}"], check=True)


def test_a_table_of_another_program_is_not_adopted(database: Database, database_url: str) -> None:
    with database.write() as connection:
        connection.execute(sa.text("DROP TABLE alembic_version"))
    with pytest.raises(StoreError, match="already exists"):
        open_database(database_url)


_STEP_0002 = '''"""A later step, which exists in this test alone: a copy of the daily sums by month."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create a table and fill it from another."""
    op.create_table("tokens_by_month", sa.Column("month", sa.String(7)), sa.Column("tokens", sa.BigInteger))
    op.execute(
        "INSERT INTO tokens_by_month SELECT substr(day, 1, 7), sum(input_tokens + output_tokens) "
        "FROM daily_usage GROUP BY substr(day, 1, 7)"
    )
'''


@pytest.fixture
def next_version(tmp_path: Path) -> Path:
    """The migrations of a later version, with one more step."""
    folder = shutil.copytree(MIGRATIONS, tmp_path / "migrations", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / "step_0002.py").write_text(_STEP_0002)
    return folder


def add_servers(database: Database, *added: tuple[str, int, float]) -> None:
    """Register servers, each with a budget lease: host, process, seconds since its last heartbeat."""
    with database.write() as connection:
        for number, (host, pid, seconds) in enumerate(added):
            values = {"id": f"s{number}", "host": host, "pid": pid, "heartbeat_at": time.time() - seconds}
            connection.execute(servers.insert().values(values))
            connection.execute(budget_leases.insert().values((f"l{number}", f"s{number}", "k", "p", 10, 10)))


def this_host(database: Database) -> str:
    """The host name that this machine's servers register."""
    with database.write() as connection:
        send_heartbeat(connection, "temporary", ServerHeartbeats())
        host = connection.execute(sa.select(servers.c.host)).scalar_one()
        remove_server(connection, "temporary")
    return str(host)


def test_a_later_step_migrates_the_rows(database: Database, database_url: str, next_version: Path) -> None:
    sums = (1, 10, 0, 5, 0, 700, 0)
    with database.write() as connection:
        for day, key, model in (("2026-01-30", "k", "m"), ("2026-01-31", "k", "n"), ("2026-02-01", "l", "m")):
            connection.execute(daily_usage.insert().values((day, key, "p", model, *sums)))
    for _ in range(2):  # the second time there is nothing left to do
        open_database(database_url, next_version).close()
        with database.read() as connection:
            found = connection.execute(sa.text("SELECT month, tokens FROM tokens_by_month ORDER BY month")).all()
            assert list(map(tuple, found)) == [("2026-01", 30), ("2026-02", 15)]
            assert connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one() == "0002"
    with pytest.raises(StoreError, match=r"0002.*newer version"):
        open_database(database_url)


@pytest.mark.parametrize("here", [True, False])
def test_no_migration_while_a_server_of_the_old_version_runs(
    database: Database, database_url: str, next_version: Path, here: bool
) -> None:
    """Its writes would lack what the new schema adds."""
    add_servers(database, (this_host(database) if here else "elsewhere pid:[1]", os.getppid(), 30))
    with pytest.raises(StoreError, match=rf"older version.*process {os.getppid()} on .*0001; stop that server"):
        open_database(database_url, next_version)
    with database.read() as connection:
        assert connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one() == "0001"
        assert connection.execute(sa.select(sa.func.count()).select_from(budget_leases)).scalar_one() == 1


def test_a_migration_removes_dead_servers_and_their_leases(
    database: Database, database_url: str, next_version: Path
) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    host = this_host(database)
    add_servers(database, (host, ended.pid, 1), ("elsewhere pid:[1]", 1, 100), (host, os.getppid(), 100))
    open_database(database_url, next_version).close()
    with database.read() as connection:
        for table in (servers, budget_leases):
            assert connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() == 0


def test_the_statement_timeout_can_be_disabled(postgres: str) -> None:
    database = open_database(new_database(postgres))
    for timeout, allowed in ((False, "0"), (True, "10s")):
        with database.read(statement_timeout=timeout) as connection:
            assert connection.execute(sa.text("SHOW statement_timeout")).scalar_one() == allowed
    database.close()


def test_postgresql_plans_for_all_rows_and_not_for_the_first(postgres: str) -> None:
    database = open_database(new_database(postgres))
    with database.read() as connection:
        setting = sa.select(sa.func.current_setting("cursor_tuple_fraction").label("value"))
        assert [row["value"] for row in database.stream(connection, setting)] == ["1"]
    database.close()


def test_the_write_ahead_log_is_truncated_after_a_long_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "_WAL_SIZE_LIMIT", 300_000)
    path = tmp_path / "forefront.db"
    database, journal = open_database(f"sqlite:///{path}"), tmp_path / "forefront.db-wal"
    with database.read() as reader:
        reader.execute(sa.select(daily_usage)).all()
        for number in range(60):
            with database.write() as connection:
                values = [(f"{number}-{one}", "i", "k" * 32, "p" * 64, 1, 1) for one in range(100)]
                BulkInsert(budget_leases).insert(connection, values)
        assert journal.stat().st_size > 4_500_000  # more than SQLite writes before it would begin anew
    for number in range(2):
        with database.write() as connection:
            BulkInsert(budget_leases).insert(connection, [(f"last-{number}", "i", "k", "p", 1, 1)])
    assert journal.stat().st_size <= 300_000
    database.close()


def test_opening_again_changes_nothing(database: Database, database_url: str) -> None:
    open_database(database_url).close()
    with database.read() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM store_revision")).scalar_one() == 1


def test_a_newer_schema_is_refused_and_left_alone(database: Database, database_url: str) -> None:
    with database.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match=r"9999.*newer version"):
        open_database(database_url)
    with database.read() as connection:
        assert connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one() == "9999"


def test_a_store_without_a_table_is_refused(database: Database, database_url: str) -> None:
    with database.write() as connection:
        connection.execute(sa.text("DROP TABLE stored_responses"))
    with pytest.raises(StoreError, match=r"not complete: it has no table stored_responses"):
        open_database(database_url)


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
def test_a_new_database_can_be_opened_concurrently(tmp_path: Path) -> None:
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


def test_writers_exclude_each_other(database: Database) -> None:
    assert count_together(database) == 40


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_writers_exclude_each_other_at_any_default_isolation_level(postgres: str, level: str) -> None:
    url = new_database(postgres)
    opened = open_database(url)
    with opened.write() as connection:
        name = sa.make_url(url).database
        connection.execute(sa.text(f"ALTER DATABASE {name} SET default_transaction_isolation = '{level}'"))
    opened.close()
    database = open_database(url)
    assert count_together(database) == 40
    database.close()


def test_a_failed_transaction_writes_nothing(database: Database) -> None:
    def fail() -> None:
        with database.write() as connection:
            connection.execute(sa.text("UPDATE store_revision SET revision = 77"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with database.read() as connection:
        assert connection.execute(sa.text("SELECT revision FROM store_revision")).scalar_one() == 0


def test_a_sqlite_store_is_private(tmp_path: Path) -> None:
    path = tmp_path / "new" / "forefront.db"
    database = open_database(f"sqlite:///{path}")
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with database.read() as connection:
        assert connection.execute(sa.text("PRAGMA journal_mode")).scalar_one() == "wal"
    database.close()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense", "not a URL"),
        ("mysql://u:secret@h/d", "SQLite or PostgreSQL"),
        ("sqlite://", "needs a file"),
        ("postgresql://user@host:port/name", "is not a URL such as"),
        ("sqlite:////proc/none/forefront.db", "cannot be opened"),
        ("postgresql://u:secret@127.0.0.1:1/d", "refused"),
    ],
)
def test_an_invalid_url_is_refused_without_its_password(url: str, message: str) -> None:
    with pytest.raises(StoreError, match=message) as caught:
        open_database(url)
    assert "secret" not in str(caught.value)


def test_a_non_database_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "forefront.db").write_bytes(b"x" * 5000)
    with pytest.raises(StoreError, match="not a database"):
        open_database(f"sqlite:///{tmp_path / 'forefront.db'}")


def test_a_file_where_a_folder_belongs_is_named(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    for folder in (tmp_path / "home", tmp_path / "home" / "more"):
        with pytest.raises(StoreError, match=f"forefront.db cannot be opened: {folder} is not a directory"):
            open_database(f"sqlite:///{folder / 'forefront.db'}")


def test_the_ledgers_transactions_on_sqlite_keep_their_connection(tmp_path: Path) -> None:
    """Until one fails; the next one has a connection that works. None is left open at the end."""
    database, taken = open_database(f"sqlite:///{tmp_path / 'forefront.db'}"), 0

    @sa.event.listens_for(database.engine, "checkout")
    def count(*_: object) -> None:
        nonlocal taken
        taken += 1

    def write(tokens: int) -> None:
        with database.write(for_ledger=True) as connection:
            row = ("one", "i", "key", "p", tokens, 2)
            BulkInsert(budget_leases, replaced=("tokens",)).insert(connection, [row])
            if not tokens:
                connection.execute(sa.text("SELECT * FROM no_table"))

    for tokens in (1, 2, 3):
        write(tokens)
    assert taken == 1
    with pytest.raises(StoreError, match="no such table"):
        write(0)
    with database.read() as connection:
        assert connection.execute(sa.select(budget_leases.c.tokens)).scalar_one() == 3, "nothing of a failed one"
    write(4)
    taken_before = taken
    write(5)
    assert taken == taken_before
    database.close()
    open_files = [os.path.realpath(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd")]
    assert not [name for name in open_files if name.startswith(str(tmp_path))]


@pytest.mark.parametrize("rest", [0.0, 1.0])
def test_a_broken_connection_fails_at_most_one_request(
    postgres: str, monkeypatch: pytest.MonkeyPatch, rest: float
) -> None:
    """A connection that was idle is checked before use; one that was not raises at its first statement."""
    monkeypatch.setattr(database_module, "_TEST_AFTER", rest)
    database, other = (open_database(new_database(postgres)) for _ in range(2))
    name = sa.make_url(str(database.engine.url)).database
    with other.write() as connection:
        cut = sa.text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name")
        assert connection.execute(cut, {"name": name}).all()
    failed = 0
    for _ in range(3):
        try:
            with database.write() as connection:
                BulkInsert(budget_leases, replaced=("cost_nanos",)).insert(connection, [("one", "i", "key", "p", 1, 2)])
        except StoreError:
            failed += 1
    assert failed == (0 if rest == 0.0 else 1)
    with database.read() as connection:
        assert len(connection.execute(sa.select(budget_leases)).all()) == 1
    database.close()
    other.close()
