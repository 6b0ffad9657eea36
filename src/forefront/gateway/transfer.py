"""A whole store as JSON lines: first its schema, then `[table, {column: value}]` for each row."""

import os
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa
from alembic.runtime.migration import MigrationContext

from forefront.gateway.database import Database
from forefront.gateway.tables import completions, days, keys, projects, state

# In the order in which they refer to each other. What is running now is not moved.
_TABLES = {"projects": projects, "keys": keys, "completions": completions, "days": days}
_GROUP = 1000


class TransferError(Exception):
    """A file cannot be read into this store; the text says why."""


def write_out(database: Database, path: Path) -> int:
    """Write every row to `path`, as of one moment; how many. Raises `OSError` and `StoreError`."""
    count = 0
    with (
        database.read() as connection,
        os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file,
    ):
        if not database.is_sqlite:
            connection.execute(sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        file.write(msgspec.json.encode({"forefront": _schema(connection)}) + b"\n")
        for name, table in _TABLES.items():
            for row in connection.execution_options(yield_per=_GROUP).execute(sa.select(table)).mappings():
                file.write(msgspec.json.encode([name, dict(row)]) + b"\n")
                count += 1
    return count


def read_into(database: Database, path: Path) -> int:
    """Read `path`, all of it or nothing; how many rows. Raises `OSError`, `StoreError` and `TransferError`."""
    with path.open("rb") as file, database.write() as connection:
        schema = _schema(connection)
        if _line(file.readline(), 1) != {"forefront": schema}:
            raise TransferError(f"it is not the export of a store of schema {schema}")
        if any(connection.execute(sa.select(table).limit(1)).first() for table in (keys, completions)):
            raise TransferError("this store is in use: import into a new one")
        connection.execute(sa.delete(projects))
        count = 0
        for name, rows in groupby(_rows(file), key=lambda row: row[0]):
            for chunk in _chunks(values for _, values in rows):
                try:
                    connection.execute(sa.insert(_TABLES[name]), chunk)
                except (sa.exc.SQLAlchemyError, KeyError):
                    raise TransferError(f"its rows of {name} do not fit") from None
                count += len(chunk)
        connection.execute(sa.update(state).values(revision=state.c.revision + 1))
    return count


def _schema(connection: sa.Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _rows(file: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, line in enumerate(file, 2):
        match _line(line, number):
            case [str(name), dict(values)] if name in _TABLES and set(values) == set(_TABLES[name].c.keys()):
                yield name, values
            case _:
                raise TransferError(f"line {number} is not a row")


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
