"""Stored conversations: items in order, owned by a project, until the conversation has not been used for a while."""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NoReturn

import sqlalchemy as sa

from forefront.gateway.store.content_cipher import ContentCipher
from forefront.gateway.store.database import Database
from forefront.gateway.store.storage_limits import StorageLimits, add_size, check_room, delete_contents
from forefront.gateway.store.tables import conversation_items, conversations
from forefront.wire.errors import RequestError

_ID: Final = re.compile(r"[!-~]{1,64}")
# Maximum items of a conversation, and bytes of their contents: about the limits of one request.
MAX_ITEMS: Final = 4096
MAX_BYTES: Final = 8 * 2**20
# Bytes that count for each item and each conversation in addition to the contents: about the size of their rows.
OVERHEAD: Final = 256
# Conversations of one transaction of `delete_expired` and `delete_before`. Servers wait for it.
BATCH: Final = 10


@dataclass(frozen=True, slots=True)
class StoredConversation:
    """A conversation in the store. `metadata` is JSON; `items` and `size` are the number and bytes of its items."""

    id: str
    created_at: int
    metadata: bytes
    items: int
    size: int


@dataclass(frozen=True, slots=True)
class StoredItem:
    """An item: its id, which is unique within its conversation, and its JSON."""

    id: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemRange:
    """A page of items: up to `limit`, after or before the item of an id."""

    after: str | None = None
    before: str | None = None
    limit: int = 20
    order: Literal["asc", "desc"] = "desc"


class ConversationStore:
    """Blocking calls. All raise `StoreError` when the database fails. Conversations of other projects are not found:
    `RequestError` 404 with the field `param`, where a method has one. `now` is in seconds since 1970."""

    def __init__(
        self,
        database: Database,
        limits: StorageLimits | None = None,
        cipher: ContentCipher | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._limits = limits or StorageLimits()
        self._database = database
        self._cipher = cipher or ContentCipher()
        self._now = now

    def check_key(self) -> None:
        """Raise `StoreError` if the newest conversation was encrypted with a key that this server does not have."""
        query = sa.select(conversations.c.encryption_key).order_by(conversations.c.changed_at.desc()).limit(1)
        with self._database.read() as connection:
            self._cipher.require(connection.execute(query).scalar())

    def create(self, project: str, conversation_id: str, metadata: bytes, items: Sequence[StoredItem]) -> int:
        """Store a new conversation. Returns the time of its creation. Raises `RequestError` 403 and 413."""
        now, size = int(self._now()), len(metadata) + OVERHEAD
        values = {
            "id": conversation_id,
            "project": project,
            "items": 0,
            "size": size,
            "next_position": 0,
            "created_at": now,
            "changed_at": now,
            "expires_at": now + int(self._limits.seconds),
            "encryption_key": self._cipher.key_name,
            "metadata": self._cipher.encrypt(metadata, conversation_id),
        }
        with self._database.write() as connection:
            check_room(connection, self._limits, project, size + _size(items), conversations=1)
            connection.execute(sa.insert(conversations).values(values))
            add_size(connection, project, size, conversations=1)
            if items:
                self.append(connection, project, conversation_id, items)
        return now

    def find(self, project: str, conversation_id: str, param: str | None = None) -> StoredConversation:
        """A conversation of the project that has not expired. Raises `RequestError` 404."""
        with self._database.read() as connection:
            return self._find(connection, project, conversation_id, param)

    def set_metadata(self, project: str, conversation_id: str, metadata: bytes) -> StoredConversation:
        """Replace the metadata. Raises `RequestError` 403 and 404."""
        with self._database.write() as connection:
            found = self._find(connection, project, conversation_id)
            more = len(metadata) - len(found.metadata)
            check_room(connection, self._limits, project, max(more, 0))
            values = {
                "metadata": self._cipher.encrypt(metadata, conversation_id),
                "encryption_key": self._cipher.key_name,
            }
            self._change(connection, project, conversation_id, 0, more, **values)
            return self._find(connection, project, conversation_id)

    def delete(self, project: str, conversation_id: str) -> None:
        """Delete a conversation with its items. Raises `RequestError` 404."""
        if not _is_id(conversation_id) or not delete_conversations(
            self._database, sa.and_(*self._of(project, conversation_id)), 1
        ):
            raise conversation_not_found(conversation_id)

    def size(self, project: str, conversation_id: str) -> int:
        """The bytes of a conversation that a response continues. Raises `RequestError`: 404, and 422 if it is too long
        for one."""
        found = self.find(project, conversation_id, "conversation")
        if found.items >= MAX_ITEMS or found.size > MAX_BYTES:
            _refuse_length("conversation")
        return found.size

    def check_room(self, project: str, size: int) -> None:
        """Raise `RequestError`: 413 for contents that are too large to store, 403 if the project has no room for
        them."""
        with self._database.read() as connection:
            check_room(connection, self._limits, project, size)

    def write(self, change: Callable[[sa.Connection], None]) -> None:
        """A transaction with that change."""
        with self._database.write() as connection:
            change(connection)

    def add_items(self, project: str, conversation_id: str, items: Sequence[StoredItem]) -> None:
        """Append items. Raises `RequestError`: 403 and 413 for want of room, 404, and 422 for more items than a
        conversation can have."""
        with self._database.write() as connection:
            found = self._find(connection, project, conversation_id)
            if found.items + len(items) > MAX_ITEMS or found.size + _size(items) > MAX_BYTES:
                _refuse_length("items")
            check_room(connection, self._limits, project, _size(items))
            self.append(connection, project, conversation_id, items)

    def append(
        self, connection: sa.Connection, project: str, conversation_id: str, items: Sequence[StoredItem]
    ) -> None:
        """Append items in a write transaction of the caller. Raises `RequestError` 404."""
        table = conversations
        query = sa.select(table.c.next_position).where(*self._of(project, conversation_id))
        first = connection.execute(query).scalar()
        if first is None:
            raise conversation_not_found(conversation_id, "conversation")
        rows = [
            {
                "conversation_id": conversation_id,
                "id": item.id,
                "position": first + place,
                "size": len(item.content) + OVERHEAD,
                "encryption_key": self._cipher.key_name,
                "content": self._cipher.encrypt(item.content, f"{conversation_id}.{item.id}"),
            }
            for place, item in enumerate(items)
        ]
        if rows:
            connection.execute(sa.insert(conversation_items), rows)
        self._change(connection, project, conversation_id, len(rows), _size(items), next_position=first + len(rows))

    def read(self, project: str, conversation_id: str) -> list[bytes]:
        """The contents of all items, in order. Raises `RequestError` 404."""
        table = conversation_items
        with self._database.read() as connection:
            self._find(connection, project, conversation_id, "conversation")
            query = sa.select(table).where(table.c.conversation_id == conversation_id).order_by(table.c.position)
            return [self._decrypt(row) for row in connection.execute(query).mappings()]

    def page(self, project: str, conversation_id: str, wanted: ItemRange) -> tuple[list[bytes], bool]:
        """The contents of a page of items, and whether there are further ones. Raises `RequestError` 404, also for an
        unknown item."""
        table = conversation_items
        query = sa.select(table).where(table.c.conversation_id == conversation_id)
        # A page before an item is read backwards.
        backwards = wanted.before is not None and wanted.after is None
        descending = (wanted.order == "desc") is not backwards
        with self._database.read() as connection:
            self._find(connection, project, conversation_id)
            for name, item_id in (("after", wanted.after), ("before", wanted.before)):
                if item_id is not None:
                    position = self._position(connection, conversation_id, item_id, name)
                    greater = (name == "after") is (wanted.order == "asc")
                    query = query.where(table.c.position > position if greater else table.c.position < position)
            query = query.order_by(table.c.position.desc() if descending else table.c.position)
            rows = connection.execute(query.limit(wanted.limit + 1)).mappings().all()
        found = [self._decrypt(row) for row in rows[: wanted.limit]]
        return found[::-1] if backwards else found, len(rows) > wanted.limit

    def item(self, project: str, conversation_id: str, item_id: str) -> bytes:
        """The content of an item. Raises `RequestError` 404."""
        table = conversation_items
        with self._database.read() as connection:
            self._find(connection, project, conversation_id)
            query = sa.select(table).where(table.c.conversation_id == conversation_id, table.c.id == item_id)
            row = connection.execute(query).mappings().first() if _is_id(item_id) else None
        if row is None:
            raise _no_item(item_id)
        return self._decrypt(row)

    def delete_item(self, project: str, conversation_id: str, item_id: str) -> StoredConversation:
        """Delete an item. Returns its conversation. Raises `RequestError` 404."""
        table = conversation_items
        with self._database.write() as connection:
            self._find(connection, project, conversation_id)
            where = (table.c.conversation_id == conversation_id, table.c.id == item_id)
            query = sa.select(table.c.size).where(*where)
            size = connection.execute(query).scalar() if _is_id(item_id) else None
            if size is None:
                raise _no_item(item_id)
            connection.execute(sa.delete(table).where(*where))
            self._change(connection, project, conversation_id, -1, -size)
            return self._find(connection, project, conversation_id)

    def delete_expired(self) -> int:
        """Delete up to `BATCH` conversations that have expired. Returns their number."""
        return delete_conversations(self._database, conversations.c.expires_at <= self._now(), BATCH)

    def _find(
        self, connection: sa.Connection, project: str, conversation_id: str, param: str | None = None
    ) -> StoredConversation:
        query = sa.select(conversations).where(*self._of(project, conversation_id))
        row = connection.execute(query).mappings().first() if _is_id(conversation_id) else None
        if row is None:
            raise conversation_not_found(conversation_id, param)
        metadata = self._cipher.decrypt(bytes(row["metadata"]), conversation_id, row["encryption_key"])
        return StoredConversation(conversation_id, row["created_at"], metadata, row["items"], row["size"])

    def _change(
        self, connection: sa.Connection, project: str, conversation_id: str, items: int, size: int, **values: object
    ) -> None:
        """Update the numbers of items and bytes, and extend the expiry."""
        table, now = conversations, int(self._now())
        values |= {"items": table.c["items"] + items, "size": table.c.size + size, "changed_at": now}
        values["expires_at"] = now + int(self._limits.seconds)
        connection.execute(sa.update(table).where(table.c.id == conversation_id).values(values))
        add_size(connection, project, size)

    def _position(self, connection: sa.Connection, conversation_id: str, item_id: str, param: str) -> int:
        table = conversation_items
        query = sa.select(table.c.position).where(table.c.conversation_id == conversation_id, table.c.id == item_id)
        position = connection.execute(query).scalar() if _is_id(item_id) else None
        if position is None:
            raise _no_item(item_id, param)
        return int(position)

    def _of(self, project: str, conversation_id: str) -> tuple[sa.ColumnElement[bool], ...]:
        table = conversations
        return table.c.id == conversation_id, table.c.project == project, table.c.expires_at > self._now()

    def _decrypt(self, row: sa.RowMapping) -> bytes:
        place = f"{row['conversation_id']}.{row['id']}"
        return self._cipher.decrypt(bytes(row["content"]), place, row["encryption_key"])


def delete_conversations(database: Database, condition: sa.ColumnElement[bool], count: int) -> int:
    """Delete up to `count` conversations that meet the condition, in one transaction. Returns their number."""
    return delete_contents(database, conversations, condition, count)


def conversation_not_found(conversation_id: str, param: str | None = None) -> RequestError:
    """The error for a conversation that is not stored."""
    text = f"No conversation of the id `{conversation_id[:64]}` is stored: it never was, has expired or was deleted."
    return RequestError("not_found", text, param=param)


def _no_item(item_id: str, param: str | None = None) -> RequestError:
    return RequestError("not_found", f"The conversation has no item of the id `{item_id[:64]}`.", param=param)


def _refuse_length(param: str) -> NoReturn:
    text = f"`{param}`: the conversation is too long: at most {MAX_ITEMS} items and {MAX_BYTES // 2**20} MiB."
    raise RequestError("invalid_value", text, param=param)


def _is_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


def _size(items: Sequence[StoredItem]) -> int:
    return sum(len(item.content) + OVERHEAD for item in items)
