"""The store of responses, on both databases: chains, quotas, expiry, encryption."""

import base64
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from forefront.gateway.keys.key_store import KeyStore
from forefront.gateway.store.content_cipher import ContentCipher, parse_keys
from forefront.gateway.store.database import Database, StoreError, open_database
from forefront.gateway.store.prune import count_responses_before, delete_responses_before
from forefront.gateway.store.response_store import (
    MAX_DEPTH,
    Chain,
    ResponseStore,
    StoredResponse,
)
from forefront.gateway.store.storage_limits import MAX_SIZE, StorageLimits
from forefront.gateway.store.tables import projects, servers, stored_responses, stored_sizes
from forefront.gateway.store.transfer import export_database, import_database
from forefront.wire.admin.records import ProjectSettings
from forefront.wire.errors import RequestError


@pytest.fixture
def store(database: Database) -> ResponseStore:
    for name in ("p", "other"):
        KeyStore(database).set_project(name, ProjectSettings())
    return ResponseStore(database, "server")


def add(store: ResponseStore, name: str, previous: str | None = None, **fields: Any) -> None:
    chain = Chain() if previous is None else store.chain_of("p", previous)
    values = {"project": "p", "status": "completed", "input": b"[1]", "output": b"[2]", "response": b"{}"} | fields
    store.add(StoredResponse(id=name, previous_id=previous, **values), chain)


def sizes(database: Database) -> dict[str, tuple[int, int]]:
    with database.read() as connection:
        return {row.project: (row.responses, row.bytes) for row in connection.execute(sa.select(stored_sizes))}


def count_statements(database: Database, call: Callable[[], object]) -> int:
    count = 0

    def note(*_: object) -> None:
        nonlocal count
        count += 1

    sa.event.listen(database.engine, "before_cursor_execute", note)
    try:
        call()
    finally:
        sa.event.remove(database.engine, "before_cursor_execute", note)
    return count


def test_a_chain_is_read_by_as_many_queries_as_one_response(store: ResponseStore, database: Database) -> None:
    for number in range(50):
        add(store, f"r{number}", f"r{number - 1}" if number else None, input=b"[%d]" % number)
    chain = store.chain_of("p", "r49")
    assert (chain.depth, chain.size) == (50, sum(len(str(number)) + 2 + 5 for number in range(50)))
    parts = store.read_chain("p", "r49", chain.depth)
    assert [(name, content) for name, content, _ in parts] == [(f"r{n}", b"[%d]" % n) for n in range(50)]
    statements = [
        count_statements(database, lambda name=name, depth=depth: store.read_chain("p", name, depth))  # type: ignore[misc]
        for name, depth in (("r0", 1), ("r49", 50))
    ]
    assert statements[0] == statements[1]


def test_branches_of_a_chain_are_separate(store: ResponseStore) -> None:
    add(store, "root")
    add(store, "left", "root")
    add(store, "right", "root")
    assert [name for name, *_ in store.read_chain("p", "right", 2)] == ["root", "right"]


def test_a_cyclic_chain_is_refused(store: ResponseStore, database: Database) -> None:
    for number in range(3):
        add(store, f"r{number}", f"r{number - 1}" if number else None)
    with database.write() as connection:
        connection.execute(sa.update(stored_responses).where(stored_responses.c.id == "r0").values(previous_id="r2"))
    with pytest.raises(RequestError, match="cyclic") as raised:
        store.read_chain("p", "r2", 3)
    assert raised.value.param == "previous_response_id"


def test_a_chain_with_an_expired_or_deleted_beginning_is_refused(store: ResponseStore, database: Database) -> None:
    for number in range(3):
        add(store, f"r{number}", f"r{number - 1}" if number else None)
    with database.write() as connection:
        connection.execute(sa.update(stored_responses).where(stored_responses.c.id == "r0").values(expires_at=1))
    for _ in range(2):
        with pytest.raises(RequestError, match=r"`r0` is stored.*expired") as raised:
            store.read_chain("p", "r2", 3)
        assert raised.value.code == "not_found"
        store.delete_expired()


def test_chains_are_bounded(store: ResponseStore, database: Database) -> None:
    add(store, "long")
    for column, value in (("depth", MAX_DEPTH), ("chain_size", 9 * 2**20)):
        with database.write() as connection:
            connection.execute(sa.update(stored_responses).values({"depth": 1, "chain_size": 8} | {column: value}))
        with pytest.raises(RequestError, match="too long"):
            store.chain_of("p", "long")


def test_responses_expire(database: Database, store: ResponseStore) -> None:
    now = 1000.0
    store = ResponseStore(database, "server", StorageLimits(seconds=60), now=lambda: now)
    add(store, "r")
    assert store.find("p", "r") is not None
    now = 1060.0
    assert store.find("p", "r") is None
    assert not store.delete("p", "r")
    with pytest.raises(RequestError):
        store.chain_of("p", "r")
    assert (store.delete_expired(), store.delete_expired()) == (1, 0)
    assert sizes(database)["p"] == (0, 0)


def test_a_project_has_a_quota(database: Database, store: ResponseStore) -> None:
    store = ResponseStore(database, "server", StorageLimits(responses=2, bytes=100))
    store.check_room("p", 100)
    with pytest.raises(RequestError) as raised:
        store.check_room("p", MAX_SIZE + 1)
    assert raised.value.code == "body_too_large"
    add(store, "a", input=b" " * 60)
    with pytest.raises(RequestError, match="Delete some") as raised:
        store.check_room("p", 40)
    assert raised.value.code == "storage_full"
    store.check_room("other", 40)
    add(store, "b")
    with pytest.raises(RequestError):
        store.check_room("p", 0)
    store.delete("p", "a")
    store.check_room("p", 40)
    assert sizes(database) == {"p": (1, 8)}


def test_the_end_of_a_response_replaces_its_beginning(database: Database, store: ResponseStore) -> None:
    add(store, "r", status="queued", background=True)
    found = store.find("p", "r")
    assert found is not None
    assert found.abandoned  # no server of that id is registered
    with database.write() as connection:
        connection.execute(sa.insert(servers).values(id="server", host="h", pid=1, heartbeat_at=0))
    found = store.find("p", "r")
    assert found is not None
    assert not found.abandoned
    assert store.finish("r", "completed", b"[2, 3]", b'{"a": 1}')
    assert not store.finish("r", "failed", b"[]", b"{}")
    found = store.find("p", "r")
    assert found is not None
    assert (found.status, found.input, found.output, found.response) == ("completed", b"[1]", b"[2, 3]", b'{"a": 1}')
    assert sizes(database)["p"] == (1, found.size)
    assert store.chain_of("p", "r").size == found.size


def test_contents_are_encrypted_at_rest(database: Database, store: ResponseStore) -> None:
    old, new = (parse_keys(new_key())[0] for _ in range(2))
    secret = b'["a secret sentence"]'
    encrypted = ResponseStore(database, "server", cipher=ContentCipher([old]))
    add(encrypted, "r", input=secret, output=secret, response=b'{"s": "secret"}')
    with database.read() as connection:
        row = connection.execute(sa.select(stored_responses)).one()
    assert not any(b"secret" in bytes(content) for content in (row.input, row.output, row.response))
    rotated = ResponseStore(database, "server", cipher=ContentCipher([new, old]))
    for reader in (encrypted, rotated):
        found = reader.find("p", "r")
        assert found is not None
        assert (found.input, found.response) == (secret, b'{"s": "secret"}')
        reader.check_key()
    for cipher, problem in ((ContentCipher(), "is not set"), (ContentCipher([new]), "is another key")):
        reader = ResponseStore(database, "server", cipher=cipher)
        with pytest.raises(StoreError, match=problem):
            reader.find("p", "r")
        with pytest.raises(StoreError, match=problem):
            reader.check_key()


def test_altered_and_exchanged_contents_are_refused(database: Database, store: ResponseStore) -> None:
    encrypted = ResponseStore(database, "server", cipher=ContentCipher(parse_keys(new_key())))
    add(encrypted, "a")
    add(encrypted, "b")
    with database.write() as connection:
        content = connection.execute(sa.select(stored_responses.c.input).where(stored_responses.c.id == "a")).scalar()
        connection.execute(sa.update(stored_responses).where(stored_responses.c.id == "b").values(input=content))
    with pytest.raises(StoreError, match="altered"):
        encrypted.find("p", "b")


@pytest.mark.parametrize("text", ["x", "c2hvcnQ=", "é", "A" * 43, "A" * 60])
def test_invalid_keys_are_refused_without_being_shown(text: str) -> None:
    with pytest.raises(StoreError, match="openssl rand") as raised:
        parse_keys(text)
    assert len(text) < 10 or text not in str(raised.value)


def test_responses_go_with_their_project(database: Database, store: ResponseStore) -> None:
    add(store, "r")
    with database.write() as connection:
        connection.execute(sa.delete(projects).where(projects.c.name == "p"))
        assert connection.execute(sa.select(stored_responses)).first() is None
        assert connection.execute(sa.select(stored_sizes)).first() is None


def test_prune_deletes_old_responses(database: Database, store: ResponseStore) -> None:
    for number in range(3):
        add(store, f"r{number}")
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    assert count_responses_before(database, tomorrow - timedelta(days=1)) == 0
    assert count_responses_before(database, tomorrow) == 3
    assert delete_responses_before(database, tomorrow) == 3
    assert sizes(database)["p"] == (0, 0)


def test_responses_are_exported_and_imported(database: Database, store: ResponseStore, tmp_path: Path) -> None:
    add(store, "r", input=bytes(range(256)))
    export_database(database, tmp_path / "export")
    other = open_database(f"sqlite:///{tmp_path / 'other.db'}")
    import_database(other, tmp_path / "export")
    found = ResponseStore(other, "server").find("p", "r")
    other.close()
    assert found is not None
    assert found.input == bytes(range(256))


def test_a_response_among_ten_thousand_is_found_by_its_index(database: Database, store: ResponseStore) -> None:
    add(store, "r0")
    with database.write() as connection:
        row = dict(connection.execute(sa.select(stored_responses)).mappings().one())
        chain = [row | {"id": f"r{n}", "previous_id": f"r{n - 1}", "depth": n + 1} for n in range(1, 10_000)]
        connection.execute(sa.insert(stored_responses), chain)
    begin = time.perf_counter()
    assert len(store.read_chain("p", "r2000", 2001)) == 2001
    chain_seconds = time.perf_counter() - begin
    begin = time.perf_counter()
    for number in range(100):
        assert store.find("p", f"r{number * 97}") is not None
    seconds = (time.perf_counter() - begin) / 100
    assert seconds < 0.05, "a scan of ten thousand takes longer"
    assert chain_seconds < 2


def new_key() -> str:
    return base64.b64encode(os.urandom(32)).decode()
