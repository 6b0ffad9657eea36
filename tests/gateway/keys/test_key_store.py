"""Keys: made once, shown once, kept as hashes, ended within a second; on both databases."""

import asyncio
import gc
import threading
import time

import pytest
import sqlalchemy as sa

from forefront.gateway.keys import key_cache as cache_module
from forefront.gateway.keys.api_key import InvalidApiKeyError
from forefront.gateway.keys.key_cache import KeyCache
from forefront.gateway.keys.key_store import ALL_SCOPES, KeyStore
from forefront.gateway.store.database import Database
from forefront.gateway.store.tables import api_keys, store_revision
from forefront.wire.admin.records import Budget, Limits, NewKey, ProjectSettings
from forefront.wire.errors import ERRORS, RequestError
from tests.gateway.helpers import FakeClock, rename

FULL = NewKey(
    name="full",
    project="shop",
    scopes=["chat"],
    models=["tiny"],
    expires=2_000_000_000,
    limits=Limits(requests_per_minute=5, tokens_per_minute=500, concurrency=2),
    budget=Budget(tokens=1000, money=2.5, period="day"),
)


def test_a_key_is_stored_with_its_settings_and_without_its_text(database: Database) -> None:
    store = KeyStore(database)
    made = store.create(FULL)
    assert made.key.startswith("ff-")
    assert len(made.key) == 46
    assert len({store.create(FULL).key for _ in range(5)} | {made.key}) == 6
    kept = store.get(made.id)
    assert kept is not None
    for name in ("name", "project", "scopes", "models", "expires", "limits", "budget"):
        assert kept[name] == FULL[name]
    with database.read() as connection:
        row = connection.execute(sa.select(api_keys).where(api_keys.c.id == made.id)).one()
    assert made.key not in str(row)
    assert made.key[3:20] not in str(row)
    assert len(row.hash) == 64


async def test_revoking_and_rotating_take_effect_within_a_second(database: Database) -> None:
    store, other_server = KeyStore(database), KeyCache(database)
    made = store.create(FULL)
    found = await other_server.find(made.key)
    assert found is not None
    assert found.tenant.name == "shop"
    rotated = store.rotate(made.id)
    assert rotated is not None
    await asyncio.sleep(1)
    assert await other_server.find(made.key) is None
    assert await other_server.find(rotated.key) is not None
    assert store.revoke(made.id) is not None
    await asyncio.sleep(1)
    assert await other_server.find(rotated.key) is None
    assert store.rotate(made.id) is None


@pytest.mark.parametrize("pace", [0.03, 0.19, 0.3, 0.39])
async def test_steady_lookups_wait_for_no_read(
    database: Database, monkeypatch: pytest.MonkeyPatch, pace: float
) -> None:
    clock = FakeClock()
    store, cache = KeyStore(database), KeyCache(database, clock)
    made, waits, wait = store.create(FULL), 0, cache._join_read

    async def counted() -> None:
        nonlocal waits
        waits += 1
        await wait()

    async def read_ended() -> None:
        while cache._read_task is not None and not cache._read_task.done():
            await asyncio.sleep(0.001)

    assert await cache.find(made.key) is not None
    monkeypatch.setattr(cache, "_join_read", counted)
    for _ in range(20):
        clock.now += pace
        assert await cache.find(made.key) is not None
        await read_ended()
    assert waits == 0
    assert store.revoke(made.id) is not None
    revoked_at = clock.now
    while await cache.find(made.key) is not None:
        await read_ended()
        clock.now += pace
    assert clock.now - revoked_at < 1


async def test_a_failed_read_ahead_refuses_no_key(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    made, cache = KeyStore(database).create(FULL).key, KeyCache(database, clock)
    assert await cache.find(made) is not None
    rename(database, "store_revision", "hidden")
    clock.now += 0.3
    assert await cache.find(made) is not None
    assert cache._read_task is not None
    await asyncio.wait([cache._read_task])
    clock.now += 0.2
    with pytest.raises(RequestError):
        await cache.find(made)
    rename(database, "hidden", "store_revision")
    assert await cache.find(made) is not None
    gc.collect()
    assert not caplog.records


async def test_a_project_can_be_created_during_a_read(database: Database) -> None:
    """Between the statements of one reading."""
    store, cache = KeyStore(database), KeyCache(database)
    made = store.create(FULL)
    late: list[str] = []

    @sa.event.listens_for(database.engine, "after_cursor_execute")
    def interfere(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("SELECT") and " FROM projects" in statement.replace("\n", " ") and not late:
            late.append("")  # once; SQLite has a snapshot for the whole reading
            late[0] = store.create(NewKey(name="late", project="new")).key

    assert await cache.find(made.key) is not None
    sa.event.remove(database.engine, "after_cursor_execute", interfere)
    await asyncio.sleep(0.5)
    assert await cache.find(late[0]) is not None


async def test_an_unresponsive_store_is_a_503(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "_STORE_TIMEOUT", 0.2)
    cache, go = KeyCache(database), threading.Event()
    monkeypatch.setattr(cache, "_read", lambda _revision: go.wait())
    with pytest.raises(RequestError) as caught:
        await cache.find("ff-something")
    assert ERRORS[caught.value.code].status == 503
    go.set()


async def test_an_expired_key_is_refused(database: Database) -> None:
    store, cache = KeyStore(database), KeyCache(database)
    assert await cache.find(store.create(NewKey(name="old", expires=int(time.time()) - 1)).key) is None


async def test_other_texts_are_not_keys(database: Database) -> None:
    made, cache = KeyStore(database).create(FULL).key, KeyCache(database)
    for text in ("", made[:-1], made + "x", made.swapcase(), "' OR '1'='1", "%", "\ud800", "\0", "ä" * 50):
        assert await cache.find(text) is None
    assert await cache.find(made) is not None


async def test_an_unreadable_store_refuses_every_key(database: Database) -> None:
    clock = FakeClock()
    made, cache = KeyStore(database).create(FULL).key, KeyCache(database, clock)
    assert await cache.find(made) is not None
    rename(database, "store_revision", "hidden")
    clock.now += 1
    with pytest.raises(RequestError) as caught:
        await cache.find(made)
    assert ERRORS[caught.value.code].status == 503
    rename(database, "hidden", "store_revision")
    assert await cache.find(made) is not None


async def test_an_empty_store_gets_one_admin_key(database: Database) -> None:
    store = KeyStore(database)
    text = store.ensure_admin_key(None)
    assert text is not None
    assert store.ensure_admin_key(None) is None
    principal = await KeyCache(database).find(text)
    assert principal is not None
    assert principal.key.scopes == ALL_SCOPES


async def test_an_adopted_key_replaces_the_previous_one(database: Database) -> None:
    store = KeyStore(database)
    made = store.ensure_admin_key(None)
    assert made is not None
    for text in ("first-key-of-twenty-or-more", "first-key-of-twenty-or-more", "second-key-of-twenty-or-more"):
        assert store.ensure_admin_key(text) is None
    assert store.ensure_admin_key(None) is None
    cache = KeyCache(database)
    assert await cache.find("first-key-of-twenty-or-more") is None
    assert await cache.find("second-key-of-twenty-or-more") is not None
    assert await cache.find(made) is not None
    assert len(store.list_keys()) == 3
    with pytest.raises(InvalidApiKeyError, match="revoked"):
        store.ensure_admin_key("first-key-of-twenty-or-more")


ADOPTED, OTHER = "first-key-of-twenty-or-more", "second-key-of-twenty-or-more"


async def test_a_rotated_text_is_never_adopted(database: Database) -> None:
    store, cache = KeyStore(database), KeyCache(database)
    assert store.ensure_admin_key(ADOPTED) is None
    [own] = store.list_keys()
    rotated = store.rotate(own.id)
    assert rotated is not None
    assert rotated.id == own.id
    again = store.rotate(own.id)
    assert again is not None
    client = store.create(NewKey(name="c" * 128))
    assert store.rotate(client.id) is not None
    for text in (ADOPTED, rotated.key, client.key):
        with pytest.raises(InvalidApiKeyError, match="rotated or revoked"):
            store.ensure_admin_key(text)
        assert await cache.find(text) is None
    store.ensure_admin_key(again.key)
    principal = await cache.find(again.key)
    assert principal is not None
    assert principal.key.id == own.id
    ended = [key for key in store.list_keys() if key.revoked is not None]
    assert {"FOREFRONT_API_KEY (rotated)", "c" * 118 + " (rotated)"} == {key.name for key in ended}
    assert [key.source for key in ended].count("environment") == 1


async def test_a_known_admin_key_replaces_the_adopted_one(database: Database) -> None:
    store, cache = KeyStore(database), KeyCache(database)
    admin = store.create(NewKey(name="admin", scopes=["admin"]))
    store.ensure_admin_key(ADOPTED)
    assert await cache.find(ADOPTED) is not None
    store.ensure_admin_key(admin.key)
    await asyncio.sleep(1)
    assert await cache.find(ADOPTED) is None
    assert await cache.find(admin.key) is not None
    store.ensure_admin_key(OTHER)
    assert await cache.find(admin.key) is not None


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (NewKey(name="phone"), r"\(phone\), which has no admin scope; choose another value or unset it"),
        (NewKey(name="old", scopes=["admin"], expires=1), r"\(old\), which has expired; choose another"),
    ],
)
async def test_a_known_key_without_admin_scope_is_not_adopted(database: Database, wanted: NewKey, message: str) -> None:
    store = KeyStore(database)
    store.ensure_admin_key(ADOPTED)
    known = store.create(wanted)
    before = store.list_keys()
    with pytest.raises(InvalidApiKeyError, match=f"{known.id} {message}"):
        store.ensure_admin_key(known.key)
    assert store.list_keys() == before
    assert await KeyCache(database).find(ADOPTED) is not None


def test_a_start_with_the_same_adopted_key_changes_nothing(database: Database) -> None:
    store = KeyStore(database)
    store.ensure_admin_key(ADOPTED)
    with database.read() as connection:
        before = connection.execute(sa.select(store_revision)).all(), connection.execute(sa.select(api_keys)).all()
    store.ensure_admin_key(ADOPTED)
    with database.read() as connection:
        assert before == (
            connection.execute(sa.select(store_revision)).all(),
            connection.execute(sa.select(api_keys)).all(),
        )


@pytest.mark.parametrize(
    "key", ["short", "x" * 19, "with a blank in the middle", "umläut-in-it-0123456789", "x" * 19 + "\n"]
)
def test_an_invalid_key_is_refused(database: Database, key: str) -> None:
    with pytest.raises(InvalidApiKeyError, match="20 visible ASCII"):
        KeyStore(database).ensure_admin_key(key)
    assert KeyStore(database).list_keys() == []


@pytest.mark.parametrize("quote", ["'", '"'])
def test_a_quoted_key_is_refused(database: Database, quote: str) -> None:
    with pytest.raises(InvalidApiKeyError, match="quotation marks"):
        KeyStore(database).ensure_admin_key(f"{quote}{ADOPTED}{quote}")


async def test_a_projects_settings_reach_its_keys(database: Database) -> None:
    store, clock = KeyStore(database), FakeClock()
    cache = KeyCache(database, clock)
    made = store.create(FULL)
    settings = ProjectSettings(weight=3, limits=Limits(concurrency=7), budget=Budget(tokens=9, period="ever"))
    store.set_project("shop", settings)
    clock.now += 1
    principal = await cache.find(made.key)
    assert principal is not None
    assert (principal.project.weight, principal.project.limits, principal.project.budget) == (
        3,
        settings.limits,
        settings.budget,
    )
    assert [project.name for project in store.list_projects()] == ["shop"]


def test_an_update_of_a_project_receives_its_settings(database: Database) -> None:
    store = KeyStore(database)

    def one_more(before: ProjectSettings) -> ProjectSettings:
        limits = Limits(concurrency=(before.limits.concurrency or 0) + 1)
        return ProjectSettings(weight=before.weight, limits=limits, budget=before.budget)

    def refuse(_before: ProjectSettings) -> ProjectSettings:
        raise RequestError("invalid_value", "no")

    settings = ProjectSettings(weight=3, budget=Budget(tokens=9, money=0.5, period="ever"))
    store.set_project("shop", settings)
    threads = [threading.Thread(target=store.update_project, args=("shop", one_more)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    project, made = store.update_project("shop", one_more)
    assert (project.weight, project.limits, project.budget) == (3, Limits(concurrency=6), settings.budget)
    assert not made
    for name in ("shop", "new"):
        with pytest.raises(RequestError):
            store.update_project(name, refuse)
    assert store.list_projects() == [project]
    assert store.update_project("new", one_more)[1]


async def test_unknown_keys_do_not_keep_the_store_busy(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty clients that guess, each as fast as it is answered."""
    store, cache = KeyStore(database), KeyCache(database)
    readings, read = 0, cache._read

    def counted(revision: int) -> object:
        nonlocal readings
        readings += 1
        return read(revision)

    monkeypatch.setattr(cache, "_read", counted)
    lookups, end = 0, time.monotonic() + 0.5

    async def guess(name: int) -> None:
        nonlocal lookups
        while time.monotonic() < end:
            assert await cache.find(f"unknown-{name}-{lookups}") is None
            lookups += 1

    await asyncio.gather(*(guess(name) for name in range(50)))
    assert readings <= 0.5 / 0.05 + 3
    assert lookups >= readings
    assert await cache.find(store.create(FULL).key) is not None, "one that has just been made is found"
