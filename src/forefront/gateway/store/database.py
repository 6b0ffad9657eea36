"""The store's database: SQLite in one file, or PostgreSQL. Opening it applies pending migrations."""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import QueuePool

from forefront.gateway.store.kept_connection import KeptConnection
from forefront.gateway.store.schema import MIGRATIONS, SchemaError, prepare_schema
from forefront.gateway.store.write_lock import WriteLock

# The advisory lock of PostgreSQL under which servers write. The number is arbitrary.
_WRITE_LOCK = 0x666F7265
# Seconds that a statement waits for another program's lock on the database.
_LOCK_TIMEOUT = 2
# Seconds, except for milliseconds of `tcp_user_timeout`: a dead connection is detected about as soon as a statement
# times out.
_KEEPALIVE = {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3, "tcp_user_timeout": 10_000}
# Bytes to which SQLite truncates its write-ahead log after a long read transaction.
_WAL_SIZE_LIMIT = 64 * 2**20
# Rows that `Database.stream` fetches at a time.
_FETCH_SIZE = 1000
# Seconds of disuse after which a connection is tested before its next use.
_TEST_AFTER = 1.0
# Seconds for which `close` waits for a transaction that is under way.
_CLOSE_TIMEOUT = 1.0


class StoreError(Exception):
    """The store cannot be used. The text gives the reason and contains no password."""


class Database:
    """Short read and write transactions. Write transactions exclude each other, also between programs."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self.is_sqlite = engine.dialect.name == "sqlite"
        self._write_lock = WriteLock()
        self._ledger_connection = KeptConnection(engine)  # of SQLite; used by the holder of the lock

    @contextmanager
    def read(self, *, statement_timeout: bool = True) -> Iterator[sa.Connection]:
        """A read-only transaction. Raises `StoreError`.

        PostgreSQL cancels statements after 10 seconds, unless `statement_timeout` is off, as for long reports.
        """
        with self._store_errors(), self.engine.connect() as connection, connection.begin():
            if self.is_sqlite:
                _begin(connection, "BEGIN")
            if not statement_timeout:
                self.disable_statement_timeout(connection)
            yield connection

    @contextmanager
    def write(self, *, for_ledger: bool = False) -> Iterator[sa.Connection]:
        """A transaction that excludes other writers until its commit. The ledger's goes before others of this process.

        Raises `StoreError`, with nothing written.
        """
        with (
            self._store_errors(),
            self._turn(for_ledger),
            self._connection(for_ledger) as connection,
            connection.begin(),
        ):
            if self.is_sqlite:
                _begin(connection, "BEGIN IMMEDIATE")
            else:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_WRITE_LOCK)))
            yield connection

    def _turn(self, for_ledger: bool) -> AbstractContextManager[None]:
        """The context in which this thread may write."""
        return self._write_lock.held(_LOCK_TIMEOUT, for_ledger=for_ledger) if self.is_sqlite else nullcontext()

    def _connection(self, for_ledger: bool) -> AbstractContextManager[sa.Connection]:
        """A connection to write. PostgreSQL's come from the pool, which tests them after idle time."""
        return self._ledger_connection if for_ledger and self.is_sqlite else self.engine.connect()

    def stream(self, connection: sa.Connection, query: sa.Select[Any]) -> Iterator[sa.RowMapping]:
        """The rows of a query in batches, for results of any size."""
        if not self.is_sqlite:
            # By default PostgreSQL plans a cursor for its first tenth of rows, which is ten times slower for all rows.
            connection.execute(sa.text("SET LOCAL cursor_tuple_fraction = 1"))
        yield from connection.execute(query, execution_options={"yield_per": _FETCH_SIZE}).mappings()

    def disable_statement_timeout(self, connection: sa.Connection) -> None:
        """Allow statements of this transaction any duration."""
        if not self.is_sqlite:
            connection.execute(sa.text("SET LOCAL statement_timeout = 0"))

    def close(self) -> None:
        """Close every connection, except one that is stuck in a transaction of another thread."""
        with suppress(TimeoutError), self._write_lock.held(_CLOSE_TIMEOUT):
            self._ledger_connection.close()
        self.engine.dispose()

    @contextmanager
    def _store_errors(self) -> Iterator[None]:
        """Convert database errors to `StoreError`, except integrity and data errors, which are bugs that a retry cannot
        fix."""
        driver: Any = self.engine.dialect.dbapi
        try:
            yield
        except TimeoutError:
            raise StoreError("other writers hold the database") from None
        except (DBAPIError, sa.exc.TimeoutError, driver.Error) as error:
            cause = error.orig if isinstance(error, DBAPIError) else error
            if isinstance(cause, driver.IntegrityError | driver.DataError):
                raise
            lines = str(cause).strip().splitlines()
            raise StoreError(lines[0] if lines else "the database failed") from error


def default_url(home: Path) -> str:
    """The URL of the SQLite file in `home`."""
    return f"sqlite:///{home.absolute() / 'forefront.db'}"


def open_database(url: str, migrations: Path = MIGRATIONS) -> Database:
    """Connect and apply pending `migrations`.

    Raises `StoreError`: not a URL, no connection, no permission, a newer schema, an older one with a live server, or an
    incomplete one.
    """
    database = Database(_engine(url))
    try:
        with database.write() as connection:
            database.disable_statement_timeout(connection)
            prepare_schema(connection, migrations)
    except BaseException as error:
        database.close()
        if isinstance(error, SchemaError):
            raise StoreError(str(error)) from None
        raise
    return database


def parse_url(url: str) -> sa.URL:
    """The URL of a store, with SQLAlchemy's driver name. Raises `StoreError` for any other text."""
    try:
        parsed = sa.make_url(url)
    except (ArgumentError, ValueError):  # ValueError: a port that is not a number
        raise StoreError("the database's address is not a URL such as postgresql://user@host/name") from None
    if parsed.drivername in ("postgresql", "postgres"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in ("sqlite", "postgresql+psycopg"):
        raise StoreError(f"{parsed.drivername} is not supported: the store is SQLite or PostgreSQL")
    if parsed.port is not None and not 0 < parsed.port < 2**16:
        raise StoreError("the port in the database's address is not between 1 and 65535")
    if parsed.drivername == "sqlite" and parsed.query:
        raise StoreError("the address of an SQLite store takes no parameters after `?`")
    if parsed.drivername == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise StoreError("SQLite needs a file, as in sqlite:////var/lib/forefront/forefront.db")
    return parsed


def _engine(url: str) -> sa.Engine:
    parsed = parse_url(url)
    if parsed.drivername == "sqlite":
        return _sqlite_engine(parsed)
    try:
        options = f"-c statement_timeout={_LOCK_TIMEOUT * 5000} -c lock_timeout={_LOCK_TIMEOUT * 1000}"
        arguments = {"connect_timeout": 5, "options": options, **_KEEPALIVE}
        # The isolation level overrides the server's default: reads must see everything committed before the lock.
        engine = sa.create_engine(
            parsed, pool_timeout=_LOCK_TIMEOUT, connect_args=arguments, isolation_level="READ COMMITTED"
        )
    except (NoSuchModuleError, ModuleNotFoundError):
        raise StoreError("PostgreSQL needs one more package: pip install 'forefront[postgres]'") from None
    _check_idle_connections(engine)
    return engine


def _check_idle_connections(engine: sa.Engine) -> None:
    """Test a connection before use if it was idle. SQLAlchemy's `pool_pre_ping` tests every time, which costs each
    commit a round trip."""

    @sa.event.listens_for(engine, "checkin")
    def note_idle_start(_connection: Any, record: Any) -> None:
        record.info["idle_since"] = time.monotonic()

    @sa.event.listens_for(engine, "checkout")
    def check_if_idle(connection: Any, record: Any, _proxy: Any) -> None:
        if time.monotonic() - record.info.get("idle_since", time.monotonic()) > _TEST_AFTER:
            try:
                connection.execute("SELECT 1")
                connection.rollback()
            except engine.dialect.dbapi.Error as error:  # type: ignore[union-attr]
                raise sa.exc.DisconnectionError from error


def _sqlite_engine(url: sa.URL) -> sa.Engine:
    assert url.database is not None  # by `parse_url`
    _create_private_file(Path(url.database))
    engine = sa.create_engine(
        url, poolclass=QueuePool, pool_timeout=_LOCK_TIMEOUT, connect_args={"timeout": _LOCK_TIMEOUT}
    )

    @sa.event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # `_begin` starts transactions, not the driver
        cursor = connection.cursor()
        _enable_wal(cursor)
        cursor.execute("PRAGMA synchronous = FULL")  # a commit survives a power failure
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute(f"PRAGMA journal_size_limit = {_WAL_SIZE_LIMIT}")
        cursor.close()

    return engine


def _begin(connection: sa.Connection, statement: str) -> None:
    """Begin a transaction on SQLite. A listener for the engine's event `begin` would take a fifth of the interpreter's
    work of a commit."""
    driver: Any = connection.connection.driver_connection
    driver.execute(statement)


def _create_private_file(path: Path) -> None:
    """Create the file with mode 0600, which SQLite also gives to its side files. Raises `StoreError`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except (FileExistsError, NotADirectoryError):
        raise StoreError(f"{path} cannot be opened: {path.parent} is not a directory") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL or a lone surrogate in the path
        reason = error.strerror if isinstance(error, OSError) else "it is not a valid path"
        raise StoreError(f"{path} cannot be opened: {reason}") from None


def _enable_wal(cursor: sqlite3.Cursor) -> None:
    """Set the journal mode. SQLite's own timeout does not cover several programs that open a new file at once."""
    end = time.monotonic() + _LOCK_TIMEOUT
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.005)
        else:
            return
