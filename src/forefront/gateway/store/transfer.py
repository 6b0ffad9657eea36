"""Export and import of a whole store as JSON lines: a header with the schema, `[table, {column: value}]` for each row,
and a last line with the number of rows."""

import base64
import binascii
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import sqlalchemy as sa

from forefront.gateway.store.bulk_insert import BulkInsert
from forefront.gateway.store.database import Database
from forefront.gateway.store.schema import current_revision
from forefront.gateway.store.tables import (
    api_keys,
    completions,
    conversation_items,
    conversations,
    daily_usage,
    monthly_usage,
    projects,
    store_revision,
    stored_responses,
    stored_sizes,
)

# In the order of their foreign keys. Servers and budget leases describe running processes and are left out.
_TABLES = {
    str(table.name): table
    for table in (
        projects,
        api_keys,
        completions,
        daily_usage,
        monthly_usage,
        stored_sizes,
        stored_responses,
        conversations,
        conversation_items,
    )
}
# Large tables of plain values. SQLAlchemy's own insertion takes three times as long.
_BULK_INSERTS = {str(table.name): BulkInsert(table) for table in (completions, daily_usage, monthly_usage)}
# Bytes are base64 in the file.
_BYTES = {
    name: [column.name for column in table.columns if isinstance(column.type, sa.LargeBinary)]
    for name, table in _TABLES.items()
}
_BATCH = 1000
RowProgress = Callable[[int], object]


class TransferError(Exception):
    """A file cannot be imported into this store. The text gives the reason."""


def export_database(database: Database, path: Path, progress: RowProgress = bool) -> int:
    """Write every row to `path`, as of one moment. Returns the number of rows. Raises `OSError` and `StoreError`.

    An existing file is replaced only once the new one is complete. `progress` receives the number of written rows.
    """
    count = 0
    with database.read() as connection, _replacement_of(path) as file:
        if not database.is_sqlite:
            connection.execute(sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        file.write(msgspec.json.encode({"forefront": current_revision(connection)}) + b"\n")
        for name, table in _TABLES.items():
            for row in database.stream(connection, sa.select(table)):
                file.write(msgspec.json.encode([name, dict(row)]) + b"\n")
                count += 1
                if count % _BATCH == 0:
                    progress(count)
        file.write(msgspec.json.encode({"end": count}) + b"\n")
    return count


def import_database(database: Database, path: Path, progress: RowProgress = bool) -> int:
    """Read all rows of `path` in one transaction. Returns the number of rows.

    `progress` receives the number of imported rows. Raises `OSError`, `StoreError` and `TransferError`.
    """
    with path.open("rb") as file, database.write() as connection:
        _check_schema(file.readline(), current_revision(connection))
        if any(connection.execute(sa.select(table).limit(1)).first() for table in (api_keys, completions)):
            raise TransferError("this store is in use: import into a new one")
        connection.execute(sa.delete(projects))
        count = 0
        for name, rows in groupby(_rows(file), key=lambda row: row[0]):
            for batch in _batches(values for _, values in rows):
                _insert(connection, name, batch)
                count += len(batch)
                progress(count)
        connection.execute(sa.update(store_revision).values(revision=store_revision.c.revision + 1))
    return count


def _check_schema(header: bytes, schema: str | None) -> None:
    """Raise `TransferError` unless the first line of a file names this schema."""
    match _parse(header, 1):
        case {"forefront": str(other)} if other != schema:
            text = f"it is the export of a store of schema {other}, and this one is of {schema}"
            raise TransferError(f"{text}: import it with the version that wrote it; newer ones open that store")
        case {"forefront": str()}:
            return
    raise TransferError(f"it is not the export of a store of schema {schema}")


def _insert(connection: sa.Connection, name: str, rows: list[dict[str, Any]]) -> None:
    driver: Any = connection.dialect.dbapi
    try:
        if bulk := _BULK_INSERTS.get(name):
            bulk.insert(connection, [tuple(row[column] for column in bulk.columns) for row in rows])
        else:
            for row in rows:
                row |= {column: base64.b64decode(row[column], validate=True) for column in _BYTES[name]}
            connection.execute(sa.insert(_TABLES[name]), rows)
    except (TypeError, binascii.Error):
        raise TransferError(f"its rows of {name} do not fit") from None
    except (sa.exc.StatementError, driver.Error, OverflowError) as error:
        cause = error.orig if isinstance(error, sa.exc.StatementError) else error
        if isinstance(cause, driver.OperationalError):  # a failure of the store, such as a full disk
            raise
        raise TransferError(f"its rows of {name} do not fit") from None


@contextmanager
def _replacement_of(path: Path) -> Iterator[BinaryIO]:
    """A temporary file, readable by its owner alone, that replaces `path` after success and is deleted otherwise."""
    if path.exists() and not path.is_file():  # a pipe or a device is written directly
        with path.open("wb") as file:
            yield file
        return
    target = Path(os.path.realpath(path))  # the target of a symbolic link
    number, temporary = tempfile.mkstemp(prefix=".forefront-export-", dir=target.parent)
    try:
        with os.fdopen(number, "wb") as file:
            yield file
            file.flush()
            os.fsync(number)
        os.replace(temporary, target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _rows(file: BinaryIO) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows after the header. Raises `TransferError`, after the last row also for an incomplete file."""
    count = 0
    end: int | None = None
    for number, line in enumerate(file, 2):
        match _parse(line, number):
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
        raise TransferError("it does not end with the number of its rows, so it is incomplete; export again")
    if end != count:
        raise TransferError(f"it has {count} rows, but its last line states {end}; export again")


def _parse(line: bytes, number: int) -> Any:
    try:
        return msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError):
        raise TransferError(f"line {number} is not JSON") from None


def _batches(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
