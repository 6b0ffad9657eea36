"""Multi-row insertion through the database driver itself. Every answer waits for this insertion.

SQLAlchemy's own insertion takes several times the processor time. One statement per row would release and reacquire
the interpreter lock once per row.
"""

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import msgspec
import sqlalchemy as sa

# Rows in one SQLite statement. A row has up to 14 values, and some builds of SQLite accept 999 in a statement.
_MAX_ROWS = 64


class BulkInsert:
    """Insertion into `table`. For an existing row, columns in `replaced` are overwritten and those in `added` are
    incremented."""

    def __init__(self, table: sa.Table, *, replaced: Sequence[str] = (), added: Sequence[str] = ()) -> None:
        self.columns = tuple(column.name for column in table.columns)
        self._table, self._replaced, self._added = table, replaced, added
        self._statements: dict[tuple[str, int], str] = {}

    def insert(self, connection: sa.Connection, rows: Sequence[Sequence[Any]]) -> None:
        """Insert rows, each with a value for every one of `columns`. Raises the driver's errors."""
        driver: Any = connection.connection.driver_connection
        if connection.dialect.name == "postgresql":
            if rows:
                # Both sides parse one JSON text faster than many parameters.
                named = [dict(zip(self.columns, row, strict=True)) for row in rows]
                driver.execute(self._statement(connection.dialect, 0), (msgspec.json.encode(named).decode(),))
            return
        done = 0
        while done < len(rows):
            # Powers of two: the driver keeps few statements prepared.
            count = min(1 << ((len(rows) - done).bit_length() - 1), _MAX_ROWS)
            values = tuple(chain.from_iterable(rows[done : done + count]))
            driver.execute(self._statement(connection.dialect, count), values)
            done += count

    def _statement(self, dialect: sa.Dialect, count: int) -> str:
        """The SQL for `count` rows of parameters, or with 0 for one JSON parameter that has all rows."""
        known = self._statements.get((dialect.name, count))
        if known is None:
            known = self._statements[dialect.name, count] = self._build(dialect.identifier_preparer.quote, count)
        return known

    def _build(self, quote: Callable[[str], str], count: int) -> str:
        name, columns = quote(self._table.name), ", ".join(map(quote, self.columns))
        if count:
            row = f"({', '.join('?' * len(self.columns))})"
            source = f"VALUES {', '.join([row] * count)}"
        else:
            source = f"SELECT {columns} FROM json_populate_recordset(NULL::{name}, %s)"  # noqa: S608 - our own names
        text = f"INSERT INTO {name} ({columns}) {source}"
        changes = [f"{quote(column)} = excluded.{quote(column)}" for column in self._replaced]
        changes += [f"{quote(column)} = {name}.{quote(column)} + excluded.{quote(column)}" for column in self._added]
        if changes:
            primary_key = ", ".join(quote(column.name) for column in self._table.primary_key)
            text += f" ON CONFLICT ({primary_key}) DO UPDATE SET {', '.join(changes)}"
        return text
