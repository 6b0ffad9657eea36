"""The store's database: SQLite in one file, or PostgreSQL. Brought to this program's schema when it is opened."""

import logging
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import QueuePool

from forefront.gateway.ledger.statements import find_living, forget_all

log = logging.getLogger(__name__)

# Any number would do: all servers that share a PostgreSQL database take this lock for a moment to write.
_LOCK = 0x666F7265
# How long a statement may wait for another program that holds the database, in seconds.
_PATIENCE = 2
# Seconds: a connection whose other end has gone without a word is given up about as soon as a statement is.
_ALIVE = {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3, "tcp_user_timeout": 10_000}
# Bytes that SQLite's journal keeps of what it needed while somebody read for long.
_JOURNAL = 64 * 2**20
# Rows at a time, of many.
_GROUP = 1000
# After so many seconds without use a connection is asked whether it still works.
_REST = 1.0


class StoreError(Exception):
    """The store cannot be used; the text says why, and holds no password."""


class Database:
    """Short transactions, to read or to write. Writers take turns, also between programs."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self.is_sqlite = engine.dialect.name == "sqlite"

    @contextmanager
    def read(self, *, patient: bool = False) -> Iterator[sa.Connection]:
        """A transaction that only reads. Raises `StoreError`, also for a statement that takes more than 10 seconds on
        PostgreSQL, unless it is `patient`: a command's long report."""
        with self._named(), self.engine.begin() as connection:
            if patient:
                self.take_time(connection)
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that no other writer interleaves with: what it reads stays true until it has been committed.

        Raises `StoreError`, with nothing written.
        """
        with self._named(), self.engine.connect() as raw:
            connection = raw.execution_options(writes=True)
            with connection.begin():
                if not self.is_sqlite:
                    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
                yield connection

    def stream(self, connection: sa.Connection, query: sa.Select[Any]) -> Iterator[sa.RowMapping]:
        """Rows while they are read, so that there may be any number of them."""
        if not self.is_sqlite:
            # Or PostgreSQL makes a plan that is good for the first tenth of the rows, and takes ten times as long.
            connection.execute(sa.text("SET LOCAL cursor_tuple_fraction = 1"))
        yield from connection.execute(query, execution_options={"yield_per": _GROUP}).mappings()

    def take_time(self, connection: sa.Connection) -> None:
        """Let this transaction's statements take as long as they need."""
        if not self.is_sqlite:
            connection.execute(sa.text("SET LOCAL statement_timeout = 0"))

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Whatever the database says, as a `StoreError`. A row that contradicts another, or that no column can hold, is
        a bug and stays what it is: trying again will not help."""
        driver: Any = self.engine.dialect.dbapi
        try:
            yield
        except (DBAPIError, sa.exc.TimeoutError, driver.Error) as error:
            cause = error.orig if isinstance(error, DBAPIError) else error
            if isinstance(cause, driver.IntegrityError | driver.DataError):
                raise
            first = str(cause).strip().splitlines()
            raise StoreError(first[0] if first else "the database failed") from error


def default_url(home: Path) -> str:
    """The SQLite file of `home`."""
    return f"sqlite:///{home.absolute() / 'forefront.db'}"


def open_database(url: str) -> Database:
    """Connect and migrate. Raises `StoreError`: not a URL, no connection, no permission, a newer schema, an older one
    which a server still uses."""
    database = Database(_engine(url))
    try:
        with database.write() as connection:
            database.take_time(connection)  # the store may be large
            _migrate(connection)
    except BaseException:
        database.close()
        raise
    return database


def parse_url(url: str) -> sa.URL:
    """The address of a store, with the driver's name as SQLAlchemy has it. Raises `StoreError` for any other text."""
    try:
        parsed = sa.make_url(url)
    except (ArgumentError, ValueError):  # ValueError: a port that is no number
        raise StoreError("the database's address is not a URL such as postgresql://user@host/name") from None
    if parsed.drivername in ("postgresql", "postgres"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in ("sqlite", "postgresql+psycopg"):
        raise StoreError(f"{parsed.drivername} is not supported: the store is SQLite or PostgreSQL")
    if parsed.port is not None and not 0 < parsed.port < 2**16:
        raise StoreError("the port of the database's address is no port")
    if parsed.drivername == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise StoreError("SQLite needs a file, as in sqlite:////var/lib/forefront/forefront.db")
    return parsed


def _engine(url: str) -> sa.Engine:
    parsed = parse_url(url)
    if parsed.drivername == "sqlite":
        return _sqlite(parsed)
    try:
        options = f"-c statement_timeout={_PATIENCE * 5000} -c lock_timeout={_PATIENCE * 1000}"
        arguments = {"connect_timeout": 5, "options": options, **_ALIVE}
        # Whatever the server's own settings are: what a transaction reads must be no older than its lock.
        return _postgres(
            sa.create_engine(parsed, pool_timeout=_PATIENCE, connect_args=arguments, isolation_level="READ COMMITTED")
        )
    except (NoSuchModuleError, ModuleNotFoundError):
        raise StoreError("PostgreSQL needs one more package: pip install 'forefront[postgres]'") from None


def _postgres(engine: sa.Engine) -> sa.Engine:
    """The engine, which asks a connection that has rested whether it still is one. SQLAlchemy's own way asks every
    time, which costs each commit a round trip."""

    @sa.event.listens_for(engine, "checkin")
    def rest(_connection: Any, record: Any) -> None:
        record.info["rests_since"] = time.monotonic()

    @sa.event.listens_for(engine, "checkout")
    def ask(connection: Any, record: Any, _proxy: Any) -> None:
        if time.monotonic() - record.info.get("rests_since", time.monotonic()) > _REST:
            try:
                connection.execute("SELECT 1")
                connection.rollback()
            except engine.dialect.dbapi.Error as error:  # type: ignore[union-attr]
                raise sa.exc.DisconnectionError from error

    return engine


def _sqlite(url: sa.URL) -> sa.Engine:
    assert url.database is not None  # `parse_url` has seen to it
    path = Path(url.database)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Made here so that only its owner can read it; SQLite gives its side files the same mode.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise StoreError(f"{path} cannot be opened: {error.strerror}") from None
    engine = sa.create_engine(url, poolclass=QueuePool, pool_timeout=_PATIENCE, connect_args={"timeout": _PATIENCE})

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions begin where `begin` says, and nowhere else
        cursor = connection.cursor()
        _write_ahead(cursor)
        cursor.execute("PRAGMA synchronous = FULL")  # a commit survives a power cut
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute(f"PRAGMA journal_size_limit = {_JOURNAL}")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _write_ahead(cursor: sqlite3.Cursor) -> None:
    """Set the journal's mode. SQLite does not wait by itself for others that open a new file at the same time."""
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.005)
        else:
            return


def _migrate(connection: sa.Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    current = MigrationContext.configure(connection).get_current_revision()
    scripts = ScriptDirectory.from_config(config)
    try:
        known = current is None or scripts.get_revision(current) is not None
    except CommandError:
        known = False
    if not known:
        raise StoreError(f"the schema of the store ({current}) is of a newer version of forefront; install that one")
    if current != scripts.get_current_head():
        if current is not None:
            _take_over(connection, current)
        command.upgrade(config, "head")
        log.info("the store has been brought to schema %s", scripts.get_current_head())


def _take_over(connection: sa.Connection, schema: str) -> None:
    """Make sure that no server writes any more as that schema is: what it would write is missing in what comes with the
    next one, for good. Where none lives, nothing is held."""
    if living := find_living(connection):
        text = f"a server of an older version uses it (process {living[1]} on {living[0]}), with schema {schema}"
        raise StoreError(f"{text}; stop that one first. One that was killed may count for 90 seconds")
    forget_all(connection)
