"""The bounds of a project's stored data: responses, conversations, and the bytes of both."""

from collections import Counter
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from forefront.gateway.store.database import Database
from forefront.gateway.store.tables import stored_responses, stored_sizes
from forefront.wire.errors import RequestError

# Bytes of one stored request's contents before its output.
MAX_SIZE: Final = 4 * 2**20


@dataclass(frozen=True, slots=True)
class StorageLimits:
    """Seconds until a response expires, and a conversation that is not used; numbers and bytes of one project."""

    seconds: float = 30 * 86_400.0
    responses: int = 100_000
    bytes: int = 2**30
    conversations: int = 100_000


def check_room(
    connection: sa.Connection,
    limits: StorageLimits,
    project: str,
    size: int,
    *,
    responses: int = 0,
    conversations: int = 0,
) -> None:
    """Raise `RequestError` 413 for contents that are too large to store, and 403 if the project has no room for so many
    more."""
    if size > MAX_SIZE:
        raise RequestError("body_too_large", f"A request that is stored must have at most {MAX_SIZE // 2**20} MiB.")
    used = connection.execute(sa.select(stored_sizes).where(stored_sizes.c.project == project)).mappings().first()
    held = dict(used) if used is not None else {"responses": 0, "conversations": 0, "bytes": 0}
    kind, more = ("responses", responses) if responses else ("conversations", conversations)
    bound = getattr(limits, kind)
    if (more and held[kind] + more > bound) or held["bytes"] + size > limits.bytes:
        text = f"This project may store {bound} {kind} and {limits.bytes / 2**20:g} MiB, and holds {held[kind]} and "
        text += f"{held['bytes'] / 2**20:.1f} MiB. Delete some" + (", or send `store` as false." if responses else ".")
        raise RequestError("storage_full", text, param="store" if responses else None, retryable=False)


def add_size(connection: sa.Connection, project: str, size: int, *, responses: int = 0, conversations: int = 0) -> None:
    """Count stored contents of a project, or with negative numbers deleted ones."""
    table = stored_sizes
    more = {"responses": responses, "conversations": conversations, "bytes": size}
    change = {name: table.c[name] + number for name, number in more.items()}
    if not connection.execute(sa.update(table).where(table.c.project == project).values(change)).rowcount:
        connection.execute(sa.insert(table).values(project=project, **more))


def delete_contents(database: Database, table: sa.Table, condition: sa.ColumnElement[bool], count: int) -> int:
    """Delete up to `count` rows that meet the condition from the table of responses or of conversations, in one
    transaction. Returns their number."""
    kind = "responses" if table is stored_responses else "conversations"
    query = sa.select(table.c.id, table.c.project, table.c.size).where(condition).limit(count)
    with database.write() as connection:
        rows = connection.execute(query).all()
        if rows:
            connection.execute(sa.delete(table).where(table.c.id.in_([row.id for row in rows])))
        numbers, sizes = Counter(row.project for row in rows), Counter[str]()
        for row in rows:
            sizes[row.project] += row.size
        for project, number in numbers.items():
            add_size(connection, project, -sizes[project], **{kind: -number})
    return len(rows)
