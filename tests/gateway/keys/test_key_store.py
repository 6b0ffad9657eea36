"""Keys: made once, shown once, kept as hashes, ended within a second; on both databases."""

import asyncio
import threading
import time

import pytest
import sqlalchemy as sa

from forefront.gateway.keys import key_cache as ring_module
from forefront.gateway.keys.api_key import UnfitKeyError
from forefront.gateway.keys.key_cache import KeyRing
from forefront.gateway.keys.key_store import ALL_SCOPES, KeyStore
from forefront.gateway.store.database import Database
from forefront.gateway.store.tables import keys, state
from forefront.wire.admin import Budget, Limits, NewKey, ProjectSettings
from forefront.wire.errors import ApiError
from tests.gateway.helpers import rename

FULL = NewKey(
    name="full",
    project="shop",
    scopes=["chat"],
    models=["tiny"],
    expires=2_000_000_000,
    limits=Limits(requests_per_minute=5, tokens_per_minute=500, concurrency=2),
    budget=Budget(tokens=1000, money=2.5, period="day"),
)


class Hands:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_key_is_kept_with_all_its_settings_but_its_text(database: Database) -> None:
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
        row = connection.execute(sa.select(keys).where(keys.c.id == made.id)).one()
    assert made.key not in str(row)
    assert made.key[3:20] not in str(row)
    assert len(row.hash) == 64


async def test_revoking_and_rotating_take_effect_within_a_second(database: Database) -> None:
    store, other_server = KeyStore(database), KeyRing(database)
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


async def test_a_key_of_a_project_that_is_made_in_this_moment_breaks_nothing(database: Database) -> None:
    """Between the statements of one reading."""
    store, ring = KeyStore(database), KeyRing(database)
    made = store.create(FULL)
    late: list[str] = []

    @sa.event.listens_for(database.engine, "after_cursor_execute")
    def interfere(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("SELECT") and " FROM projects" in statement.replace("\n", " ") and not late:
            late.append("")  # once; SQLite has a snapshot for the whole reading
            late[0] = store.create(NewKey(name="late", project="new")).key

    assert await ring.find(made.key) is not None
    sa.event.remove(database.engine, "after_cursor_execute", interfere)
    await asyncio.sleep(0.5)
    assert await ring.find(late[0]) is not None


async def test_a_store_that_does_not_answer_is_not_waited_for(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ring_module, "_PATIENCE", 0.2)
    ring, go = KeyRing(database), threading.Event()
    monkeypatch.setattr(ring, "_read", lambda _revision: go.wait())
    with pytest.raises(ApiError) as caught:
        await ring.find("ff-something")
    assert caught.value.status == 503
    go.set()


async def test_an_expired_key_opens_nothing(database: Database) -> None:
    store, ring = KeyStore(database), KeyRing(database)
    assert await ring.find(store.create(NewKey(name="old", expires=int(time.time()) - 1)).key) is None


async def test_other_texts_open_nothing(database: Database) -> None:
    made, ring = KeyStore(database).create(FULL).key, KeyRing(database)
    for text in ("", made[:-1], made + "x", made.swapcase(), "' OR '1'='1", "%", "\ud800", "\0", "ä" * 50):
        assert await ring.find(text) is None
    assert await ring.find(made) is not None


async def test_what_cannot_be_read_lets_nobody_in(database: Database) -> None:
    clock = Hands()
    made, ring = KeyStore(database).create(FULL).key, KeyRing(database, clock)
    assert await ring.find(made) is not None
    rename(database, "state", "hidden")
    clock.now += 1
    with pytest.raises(ApiError) as caught:
        await ring.find(made)
    assert caught.value.status == 503
    rename(database, "hidden", "state")
    assert await ring.find(made) is not None


async def test_an_empty_store_gets_one_admin_key(database: Database) -> None:
    store = KeyStore(database)
    text = store.open(None)
    assert text is not None
    assert store.open(None) is None
    principal = await KeyRing(database).find(text)
    assert principal is not None
    assert principal.key.scopes == ALL_SCOPES


async def test_an_adopted_key_takes_the_place_of_the_one_adopted_before(database: Database) -> None:
    store = KeyStore(database)
    made = store.open(None)
    assert made is not None
    for text in ("first-key-of-twenty-or-more", "first-key-of-twenty-or-more", "second-key-of-twenty-or-more"):
        assert store.open(text) is None
    assert store.open(None) is None
    ring = KeyRing(database)
    assert await ring.find("first-key-of-twenty-or-more") is None
    assert await ring.find("second-key-of-twenty-or-more") is not None
    assert await ring.find(made) is not None
    assert len(store.list_keys()) == 3
    with pytest.raises(UnfitKeyError, match="revoked"):
        store.open("first-key-of-twenty-or-more")


ADOPTED, OTHER = "first-key-of-twenty-or-more", "second-key-of-twenty-or-more"


async def test_a_rotated_text_is_never_adopted(database: Database) -> None:
    store, ring = KeyStore(database), KeyRing(database)
    assert store.open(ADOPTED) is None
    [own] = store.list_keys()
    rotated = store.rotate(own.id)
    assert rotated is not None
    assert rotated.id == own.id
    again = store.rotate(own.id)
    assert again is not None
    client = store.create(NewKey(name="c" * 128))
    assert store.rotate(client.id) is not None
    for text in (ADOPTED, rotated.key, client.key):
        with pytest.raises(UnfitKeyError, match="rotated or revoked"):
            store.open(text)
        assert await ring.find(text) is None
    store.open(again.key)
    principal = await ring.find(again.key)
    assert principal is not None
    assert principal.key.id == own.id
    ended = [key for key in store.list_keys() if key.revoked is not None]
    assert {"FOREFRONT_API_KEY (rotated)", "c" * 118 + " (rotated)"} == {key.name for key in ended}
    assert [key.source for key in ended].count("environment") == 1


async def test_a_known_admin_key_takes_the_place_of_the_adopted_one(database: Database) -> None:
    store, ring = KeyStore(database), KeyRing(database)
    admin = store.create(NewKey(name="admin", scopes=["admin"]))
    store.open(ADOPTED)
    assert await ring.find(ADOPTED) is not None
    store.open(admin.key)
    await asyncio.sleep(1)
    assert await ring.find(ADOPTED) is None
    assert await ring.find(admin.key) is not None
    store.open(OTHER)
    assert await ring.find(admin.key) is not None


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (NewKey(name="phone"), r"\(phone\), which has no admin scope; choose another value or unset it"),
        (NewKey(name="old", scopes=["admin"], expires=1), r"\(old\), which has expired; choose another"),
    ],
)
async def test_a_known_key_that_is_no_administrators_is_not_adopted(
    database: Database, wanted: NewKey, says: str
) -> None:
    store = KeyStore(database)
    store.open(ADOPTED)
    known = store.create(wanted)
    before = store.list_keys()
    with pytest.raises(UnfitKeyError, match=f"{known.id} {says}"):
        store.open(known.key)
    assert store.list_keys() == before
    assert await KeyRing(database).find(ADOPTED) is not None


def test_a_start_with_the_same_adopted_key_changes_nothing(database: Database) -> None:
    store = KeyStore(database)
    store.open(ADOPTED)
    with database.read() as connection:
        before = connection.execute(sa.select(state)).all(), connection.execute(sa.select(keys)).all()
    store.open(ADOPTED)
    with database.read() as connection:
        assert before == (connection.execute(sa.select(state)).all(), connection.execute(sa.select(keys)).all())


@pytest.mark.parametrize(
    "key", ["short", "x" * 19, "with a blank in the middle", "umläut-in-it-0123456789", "x" * 19 + "\n"]
)
def test_an_unfit_key_is_refused(database: Database, key: str) -> None:
    with pytest.raises(UnfitKeyError, match="20 visible ASCII"):
        KeyStore(database).open(key)
    assert KeyStore(database).list_keys() == []


async def test_a_projects_settings_reach_its_keys(database: Database) -> None:
    store, clock = KeyStore(database), Hands()
    ring = KeyRing(database, clock)
    made = store.create(FULL)
    settings = ProjectSettings(weight=3, limits=Limits(concurrency=7), budget=Budget(tokens=9, period="ever"))
    store.set_project("shop", settings)
    clock.now += 1
    principal = await ring.find(made.key)
    assert principal is not None
    assert (principal.project.weight, principal.project.limits, principal.project.budget) == (
        3,
        settings.limits,
        settings.budget,
    )
    assert [project.name for project in store.list_projects()] == ["shop"]


def test_a_change_of_a_project_is_made_of_what_it_was(database: Database) -> None:
    store = KeyStore(database)

    def one_more(before: ProjectSettings) -> ProjectSettings:
        limits = Limits(concurrency=(before.limits.concurrency or 0) + 1)
        return ProjectSettings(weight=before.weight, limits=limits, budget=before.budget)

    def refuse(_before: ProjectSettings) -> ProjectSettings:
        raise ApiError("invalid_value", "no")

    settings = ProjectSettings(weight=3, budget=Budget(tokens=9, money=0.5, period="ever"))
    store.set_project("shop", settings)
    threads = [threading.Thread(target=store.change_project, args=("shop", one_more)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    project, made = store.change_project("shop", one_more)
    assert (project.weight, project.limits, project.budget) == (3, Limits(concurrency=6), settings.budget)
    assert not made
    for name in ("shop", "new"):
        with pytest.raises(ApiError):
            store.change_project(name, refuse)
    assert store.list_projects() == [project]
    assert store.change_project("new", one_more)[1]


async def test_unknown_keys_do_not_keep_the_store_busy(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty clients that guess, each as fast as it is answered."""
    store, ring = KeyStore(database), KeyRing(database)
    readings, read = 0, ring._read

    def counted(revision: int) -> object:
        nonlocal readings
        readings += 1
        return read(revision)

    monkeypatch.setattr(ring, "_read", counted)
    lookups, end = 0, time.monotonic() + 0.5

    async def guess(name: int) -> None:
        nonlocal lookups
        while time.monotonic() < end:
            assert await ring.find(f"unknown-{name}-{lookups}") is None
            lookups += 1

    await asyncio.gather(*(guess(name) for name in range(50)))
    assert readings <= 0.5 / 0.05 + 3
    assert lookups >= readings
    assert await ring.find(store.create(FULL).key) is not None, "one that has just been made is found"
