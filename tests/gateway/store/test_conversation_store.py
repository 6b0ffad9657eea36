"""The store of conversations, on both databases: pages, bounds, expiry, encryption."""

import base64
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest
import sqlalchemy as sa

from forefront.gateway.keys.key_store import KeyStore
from forefront.gateway.store import conversation_store
from forefront.gateway.store.content_cipher import ContentCipher, parse_keys
from forefront.gateway.store.conversation_store import OVERHEAD, ConversationStore, ItemRange, StoredItem
from forefront.gateway.store.database import Database, StoreError, open_database
from forefront.gateway.store.prune import count_conversations_before, delete_conversations_before
from forefront.gateway.store.storage_limits import StorageLimits
from forefront.gateway.store.tables import conversation_items, conversations, projects, stored_sizes
from forefront.gateway.store.transfer import export_database, import_database
from forefront.wire.admin.records import ProjectSettings
from forefront.wire.errors import RequestError


@pytest.fixture
def store(database: Database) -> ConversationStore:
    for name in ("p", "other"):
        KeyStore(database).set_project(name, ProjectSettings())
    return ConversationStore(database)


def items(*names: str) -> list[StoredItem]:
    return [StoredItem(name, name.encode()) for name in names]


def sizes(database: Database, project: str = "p") -> tuple[int, int]:
    query = sa.select(stored_sizes.c.conversations, stored_sizes.c.bytes).where(stored_sizes.c.project == project)
    with database.read() as connection:
        row = connection.execute(query).one()
    return row.conversations, row.bytes


def page(
    store: ConversationStore,
    order: Literal["asc", "desc"],
    limit: int = 3,
    after: str | None = None,
    before: str | None = None,
) -> tuple[str, bool]:
    contents, more = store.page("p", "c", ItemRange(after=after, before=before, limit=limit, order=order))
    return b"".join(contents).decode(), more


def test_items_are_read_in_the_order_of_their_addition(store: ConversationStore) -> None:
    store.create("p", "c", b"{}", items("z", "y"))
    store.add_items("p", "c", items("x", "a"))
    assert store.read("p", "c") == [b"z", b"y", b"x", b"a"]
    store.delete_item("p", "c", "y")
    store.add_items("p", "c", items("y"))
    assert store.read("p", "c") == [b"z", b"x", b"a", b"y"]


def test_pages_cover_all_items_in_both_orders(store: ConversationStore) -> None:
    store.create("p", "c", b"{}", items(*"abcdefg"))
    assert page(store, "asc") == ("abc", True)
    assert page(store, "asc", after="c") == ("def", True)
    assert page(store, "asc", after="f") == ("g", False)
    assert page(store, "desc") == ("gfe", True)
    assert page(store, "desc", after="e") == ("dcb", True)
    assert page(store, "asc", before="g") == ("def", True)
    assert page(store, "desc", before="a") == ("dcb", True)
    assert page(store, "desc", before="e") == ("gf", False)
    assert page(store, "asc", after="a", before="d") == ("bc", False)
    with pytest.raises(RequestError) as raised:
        page(store, "asc", after="x")
    assert (raised.value.code, raised.value.param) == ("not_found", "after")


def test_the_size_of_a_project_follows_every_change(database: Database, store: ConversationStore) -> None:
    store.create("p", "c", b"{}", items("aa"))
    store.create("p", "d", b"{}", [])
    assert sizes(database) == (2, 2 * (2 + OVERHEAD) + 2 + OVERHEAD)
    store.add_items("p", "c", items("bbbb"))
    store.set_metadata("p", "c", b'{"a":"b"}')
    store.delete_item("p", "c", "aa")
    assert sizes(database) == (2, 9 + 2 + 4 + 3 * OVERHEAD)
    with database.read() as connection:
        row = connection.execute(sa.select(conversations).where(conversations.c.id == "c")).one()
    assert (row._mapping["items"], row.size) == (1, 9 + 4 + 2 * OVERHEAD)
    store.delete("p", "c")
    store.delete("p", "d")
    assert sizes(database) == (0, 0)
    with database.read() as connection:
        assert connection.execute(sa.select(conversation_items)).first() is None


def test_another_project_finds_no_request(store: ConversationStore) -> None:
    store.create("p", "c", b"{}", items("a"))
    for call in (
        lambda: store.find("other", "c"),
        lambda: store.size("other", "c"),
        lambda: store.read("other", "c"),
        lambda: store.page("other", "c", ItemRange()),
        lambda: store.item("other", "c", "a"),
        lambda: store.set_metadata("other", "c", b"{}"),
        lambda: store.add_items("other", "c", items("b")),
        lambda: store.write(lambda connection: store.append(connection, "other", "c", items("b"))),
        lambda: store.delete_item("other", "c", "a"),
        lambda: store.delete("other", "c"),
    ):
        with pytest.raises(RequestError) as raised:
            call()
        assert raised.value.code == "not_found"
    assert store.read("p", "c") == [b"a"]


def test_a_conversation_is_bounded(
    database: Database, store: ConversationStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation_store, "MAX_ITEMS", 3)
    store.create("p", "c", b"{}", items("a", "b"))
    with pytest.raises(RequestError) as raised:
        store.add_items("p", "c", items("x", "y"))
    assert (raised.value.code, raised.value.param) == ("invalid_value", "items")
    store.add_items("p", "c", items("x"))
    with pytest.raises(RequestError) as raised:
        store.size("p", "c")
    assert (raised.value.code, raised.value.param) == ("invalid_value", "conversation")
    monkeypatch.setattr(conversation_store, "MAX_BYTES", 4 * OVERHEAD)
    store.create("p", "d", b"{}", [])
    with pytest.raises(RequestError):
        store.add_items("p", "d", [StoredItem("l", b"l" * 4 * OVERHEAD)])


def test_a_project_has_a_quota(database: Database, store: ConversationStore) -> None:
    store = ConversationStore(database, StorageLimits(conversations=2, bytes=4 * OVERHEAD))
    store.create("p", "c", b"{}", [])
    store.create("p", "d", b"{}", items("a"))
    for call in (
        lambda: store.create("p", "e", b"{}", []),
        lambda: store.add_items("p", "c", items("b")),
        lambda: store.set_metadata("p", "c", b"x" * OVERHEAD),
        lambda: store.check_room("p", OVERHEAD),
    ):
        with pytest.raises(RequestError) as raised:
            call()
        assert raised.value.code == "storage_full"
    store.create("other", "e", b"{}", [])
    store.delete("p", "d")
    store.add_items("p", "c", items("b"))


def test_an_unused_conversation_expires(database: Database, store: ConversationStore) -> None:
    now = 1000.0
    store = ConversationStore(database, StorageLimits(seconds=60), now=lambda: now)
    store.create("p", "c", b"{}", items("a"))
    now += 59
    store.add_items("p", "c", items("b"))
    now += 59
    assert store.delete_expired() == 0
    assert store.read("p", "c") == [b"a", b"b"]
    now += 2
    with pytest.raises(RequestError, match="has expired"):
        store.read("p", "c")
    assert store.delete_expired() == 1
    assert sizes(database) == (0, 0)


def test_contents_are_encrypted_at_rest(database: Database, store: ConversationStore) -> None:
    key = base64.b64encode(os.urandom(32)).decode()
    encrypted = ConversationStore(database, cipher=ContentCipher(parse_keys(key)))
    encrypted.create("p", "c", b"a secret", [StoredItem("i", b"a secret")])
    encrypted.create("p", "d", b"{}", items("i"))
    with database.read() as connection:
        columns = (conversations.c.metadata, conversation_items.c.content)
        found = [bytes(content) for column in columns for content in connection.execute(sa.select(column)).scalars()]
    assert len(found) == 4
    assert not any(b"secret" in content for content in found)
    assert encrypted.find("p", "c").metadata == b"a secret"
    assert encrypted.item("p", "c", "i") == b"a secret"
    with pytest.raises(StoreError, match="is not set"):
        store.read("p", "c")
    with pytest.raises(StoreError, match="is not set"):
        store.check_key()
    with database.write() as connection:
        values = sa.select(conversation_items.c.content).where(conversation_items.c.conversation_id == "d")
        connection.execute(sa.update(conversation_items).values(content=values.scalar_subquery()))
    with pytest.raises(StoreError, match="altered"):
        encrypted.item("p", "c", "i")


def test_conversations_go_with_their_project_and_are_pruned(database: Database, store: ConversationStore) -> None:
    store.create("other", "d", b"{}", items("a"))
    with database.write() as connection:
        connection.execute(sa.delete(projects).where(projects.c.name == "other"))
        assert connection.execute(sa.select(conversation_items)).first() is None
    for number in range(12):
        store.create("p", f"c{number}", b"{}", items("a"))
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    assert count_conversations_before(database, tomorrow - timedelta(days=1)) == 0
    assert count_conversations_before(database, tomorrow) == 12
    assert delete_conversations_before(database, tomorrow) == 12
    assert sizes(database) == (0, 0)


def test_conversations_are_exported_and_imported(database: Database, store: ConversationStore, tmp_path: Path) -> None:
    store.create("p", "c", b"{}", [StoredItem("i", bytes(range(256)))])
    export_database(database, tmp_path / "export")
    other = open_database(f"sqlite:///{tmp_path / 'other.db'}")
    import_database(other, tmp_path / "export")
    assert ConversationStore(other).read("p", "c") == [bytes(range(256))]
    other.close()
