"""Many rows in one statement, handed to the driver itself: every answer waits for its row to be written.

SQLAlchemy's way takes several times the processor time, and a statement for each row would let go of the interpreter,
and wait to get it back, once for each.
"""

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import msgspec
import sqlalchemy as sa

# At a time in SQLite; a row has up to 14 values, and some builds take 999.
_MOST = 64


class Bulk:
    """Insertions into `table`. A row that is there already gets the new values of `replaced`, and more of `added`."""

    def __init__(self, table: sa.Table, *, replaced: Sequence[str] = (), added: Sequence[str] = ()) -> None:
        self.columns = tuple(column.name for column in table.columns)
        self._table, self._replaced, self._added = table, replaced, added
        self._statements: dict[tuple[str, int], str] = {}

    def insert(self, connection: sa.Connection, rows: Sequence[Sequence[Any]]) -> None:
        """Insert rows, each with a value for every one of `columns`. Raises what the driver raises."""
        driver: Any = connection.connection.driver_connection
        if connection.dialect.name == "postgresql":
            if rows:
                # One text is less to take apart for both sides than many values.
                named = [dict(zip(self.columns, row, strict=True)) for row in rows]
                driver.execute(self._statement(connection.dialect, 0), (msgspec.json.encode(named).decode(),))
            return
        done = 0
        while done < len(rows):
            # Powers of two: few statements, which the driver keeps prepared.
            count = min(1 << ((len(rows) - done).bit_length() - 1), _MOST)
            values = tuple(chain.from_iterable(rows[done : done + count]))
            driver.execute(self._statement(connection.dialect, count), values)
            done += count

    def _statement(self, dialect: sa.Dialect, count: int) -> str:
        """The text for that many rows of values, or, with 0, for one JSON text of all."""
        known = self._statements.get((dialect.name, count))
        if known is None:
            known = self._statements[dialect.name, count] = self._spell(dialect.identifier_preparer.quote, count)
        return known

    def _spell(self, quote: Callable[[str], str], count: int) -> str:
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
            known_by = ", ".join(quote(column.name) for column in self._table.primary_key)
            text += f" ON CONFLICT ({known_by}) DO UPDATE SET {', '.join(changes)}"
        return text
