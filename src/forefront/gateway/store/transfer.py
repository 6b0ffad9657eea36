"""A whole store as JSON lines: first its schema, then `[table, {column: value}]` for each row, then their number."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import sqlalchemy as sa
from alembic.runtime.migration import MigrationContext

from forefront.gateway.store.bulk_insert import Bulk
from forefront.gateway.store.database import Database
from forefront.gateway.store.tables import completions, days, keys, months, projects, state

# In the order in which they refer to each other. What is running now is not moved.
_TABLES = {"projects": projects, "keys": keys, "completions": completions, "days": days, "months": months}
# Millions of rows, of plain values: all else goes SQLAlchemy's way, which takes three times as long.
_BULKS = {name: Bulk(_TABLES[name]) for name in ("completions", "days", "months")}
_GROUP = 1000
Tell = Callable[[int], object]


class TransferError(Exception):
    """A file cannot be read into this store; the text says why."""


def write_out(database: Database, path: Path, tell: Tell = bool) -> int:
    """Write every row to `path`, as of one moment; how many. Raises `OSError` and `StoreError`.

    What was there before stays until the new file is whole. Meanwhile `tell` is told how many rows have been written.
    """
    count = 0
    with database.read() as connection, _new_file(path) as file:
        if not database.is_sqlite:
            connection.execute(sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        file.write(msgspec.json.encode({"forefront": _schema(connection)}) + b"\n")
        for name, table in _TABLES.items():
            for row in database.stream(connection, sa.select(table)):
                file.write(msgspec.json.encode([name, dict(row)]) + b"\n")
                count += 1
                if count % _GROUP == 0:
                    tell(count)
        file.write(msgspec.json.encode({"end": count}) + b"\n")
    return count


def read_into(database: Database, path: Path, tell: Tell = bool) -> int:
    """Read `path`, all of it or nothing; how many rows. Raises `OSError`, `StoreError` and `TransferError`.

    Meanwhile `tell` is told how many rows have been read.
    """
    with path.open("rb") as file, database.write() as connection:
        schema = _schema(connection)
        match _line(file.readline(), 1):
            case {"forefront": str(other)} if other != schema:
                text = f"it is the export of a store of schema {other}, and this one is of {schema}"
                raise TransferError(f"{text}: import it with the version that wrote it; newer ones open that store")
            case {"forefront": str()}:
                pass
            case _:
                raise TransferError(f"it is not the export of a store of schema {schema}")
        if any(connection.execute(sa.select(table).limit(1)).first() for table in (keys, completions)):
            raise TransferError("this store is in use: import into a new one")
        connection.execute(sa.delete(projects))
        count = 0
        for name, rows in groupby(_rows(file), key=lambda row: row[0]):
            for chunk in _chunks(values for _, values in rows):
                _insert(connection, name, chunk)
                count += len(chunk)
                tell(count)
        connection.execute(sa.update(state).values(revision=state.c.revision + 1))
    return count


def _insert(connection: sa.Connection, name: str, rows: list[dict[str, Any]]) -> None:
    driver: Any = connection.dialect.dbapi
    try:
        if bulk := _BULKS.get(name):
            bulk.insert(connection, [tuple(row[column] for column in bulk.columns) for row in rows])
        else:
            connection.execute(sa.insert(_TABLES[name]), rows)
    except (sa.exc.StatementError, driver.Error, OverflowError) as error:
        cause = error.orig if isinstance(error, sa.exc.StatementError) else error
        if isinstance(cause, driver.OperationalError):  # the store's fault, such as a full disk
            raise
        raise TransferError(f"its rows of {name} do not fit") from None


def _schema(connection: sa.Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


@contextmanager
def _new_file(path: Path) -> Iterator[BinaryIO]:
    """A file for its owner alone that takes the place of `path` once it has been written, or else was never there."""
    if path.exists() and not path.is_file():  # a pipe or a device, in whose place no file belongs
        with path.open("wb") as file:
            yield file
        return
    target = Path(os.path.realpath(path))  # of a link, what it leads to
    number, beside = tempfile.mkstemp(prefix=".forefront-export-", dir=target.parent)
    try:
        with os.fdopen(number, "wb") as file:
            yield file
            file.flush()
            os.fsync(number)
        os.replace(beside, target)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise


def _rows(file: BinaryIO) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows after the first line. Raises `TransferError`, in the end also for a file that is not whole."""
    count = 0
    end: int | None = None
    for number, line in enumerate(file, 2):
        match _line(line, number):
            case _ if end is not None:
                raise TransferError(f"line {number} comes after its end")
            case [str(name), dict(values)] if name in _TABLES and set(values) == set(_TABLES[name].c.keys()):
                count += 1
                yield name, values
            case {"end": int(end)}:
                pass
            case _:
                raise TransferError(f"line {number} is not a row")
    if end is None:
        text = "it was cut, or a version of forefront before the first release wrote it; export again"
        raise TransferError(f"it does not end with the number of its rows: {text}")
    if end != count:
        raise TransferError(f"it has {count} rows and not {end}, as it says at its end; export again")


def _line(line: bytes, number: int) -> Any:
    try:
        return msgspec.json.decode(line)
    except msgspec.DecodeError:
        raise TransferError(f"line {number} is not JSON") from None


def _chunks(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    chunk: list[dict[str, Any]] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == _GROUP:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
