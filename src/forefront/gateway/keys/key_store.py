"""Keys and projects in the store. Every change counts the store's revision up, so that running servers notice."""

import secrets
import time
from collections.abc import Callable
from typing import Any, Literal

import sqlalchemy as sa

from forefront.gateway.keys.api_key import UnfitKeyError, check_key, hash_key, make_key
from forefront.gateway.keys.limit_columns import bounds_columns, read_budget, read_limits
from forefront.gateway.store.database import Database, StoreError
from forefront.gateway.store.tables import keys, projects, state
from forefront.wire.admin import Key, MadeKey, NewKey, Project, ProjectSettings

ALL_SCOPES: list[Literal["chat", "models", "admin"]] = ["chat", "models", "admin"]
_ROTATED = " (rotated)"


class KeyStore:
    """Blocking calls, each one transaction; all raise `StoreError` when the database fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, wanted: NewKey) -> MadeKey:
        """A new key, with its text. Its project is made if there is none of that name."""
        text = make_key()
        with self._database.write() as connection:
            key = _insert(connection, wanted, hash_key(text), "created")
        return _made(key, text)

    def list_keys(self) -> list[Key]:
        """Every key, revoked ones too, the oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(sa.select(keys).order_by(keys.c.created, keys.c.id)).mappings()
            return [read_key(row) for row in rows]

    def get(self, key_id: str) -> Key | None:
        """The key of that id."""
        with self._database.read() as connection:
            return _get(connection, key_id)

    def rotate(self, key_id: str) -> MadeKey | None:
        """Give the key another text; the old one ends at once. None if there is no such key, or it was revoked.

        The old text stays in the store as a revoked key, or `open` would take it for one that nobody has known.
        """
        text = make_key()
        with self._database.write() as connection:
            live = (keys.c.id == key_id) & keys.c.revoked.is_(None)
            before = connection.execute(sa.select(keys).where(live)).mappings().first()
            if before is None:
                return None
            connection.execute(sa.update(keys).where(live).values(hash=hash_key(text), source="created"))
            _bury(connection, before)
            _count_up(connection)
            key = _get(connection, key_id)
        assert key is not None
        return _made(key, text)

    def revoke(self, key_id: str) -> Key | None:
        """End the key for good; does nothing to one that has been ended. None if there is no such key."""
        with self._database.write() as connection:
            live = (keys.c.id == key_id) & keys.c.revoked.is_(None)
            connection.execute(sa.update(keys).where(live).values(revoked=int(time.time())))
            _count_up(connection)
            return _get(connection, key_id)

    def list_projects(self) -> list[Project]:
        """Every project, by name."""
        with self._database.read() as connection:
            rows = connection.execute(sa.select(projects).order_by(projects.c.name)).mappings()
            return [read_project(row) for row in rows]

    def set_project(self, name: str, settings: ProjectSettings) -> Project:
        """Make the project or change its settings, all of them."""
        project, _ = self.change_project(name, lambda _before: settings)
        return project

    def change_project(self, name: str, change: Callable[[ProjectSettings], ProjectSettings]) -> tuple[Project, bool]:
        """Give the project the settings that `change` makes of those it has; whether it had to be made for that.

        Nobody else changes them in between. What `change` raises leaves everything as it was.
        """
        with self._database.write() as connection:
            made = _ensure_project(connection, name)
            before = _get_project(connection, name)
            settings = change(ProjectSettings(weight=before.weight, limits=before.limits, budget=before.budget))
            values = {"weight": settings.weight, **bounds_columns(settings.limits, settings.budget)}
            connection.execute(sa.update(projects).where(projects.c.name == name).values(**values))
            _count_up(connection)
            return _get_project(connection, name), made

    def open(self, adopted: str | None) -> str | None:
        """Make sure that somebody can come in; the text of a first key, if one had to be made.

        `adopted`, the value of `FOREFRONT_API_KEY`, takes the place of the key that an earlier start made of it. Raises
        `UnfitKeyError`, with nothing changed, for one that is too short, and for the text of a key that was rotated or
        revoked, has expired or is no administrator's.
        """
        if adopted is not None:
            self._adopt(adopted)
            return None
        with self._database.write() as connection:
            if connection.execute(sa.select(keys.c.id).limit(1)).first():
                return None
            text = make_key()
            _insert(connection, NewKey(name="first key", scopes=ALL_SCOPES), hash_key(text), "first")
            return text

    def _adopt(self, text: str) -> None:
        check_key(text)
        digest = hash_key(text)
        with self._database.write() as connection:
            known = connection.execute(sa.select(keys).where(keys.c.hash == digest)).mappings().first()
            if known is not None:
                _check_adoptable(read_key(known))
            before = (keys.c.source == "environment") & keys.c.revoked.is_(None) & (keys.c.hash != digest)
            if connection.execute(sa.update(keys).where(before).values(revoked=int(time.time()))).rowcount:
                _count_up(connection)
            if known is None:
                _insert(connection, NewKey(name="FOREFRONT_API_KEY", scopes=ALL_SCOPES), digest, "environment")


def lives(key: Key) -> bool:
    """Whether it opens the door now: neither revoked nor expired."""
    return key.revoked is None and (key.expires is None or time.time() < key.expires)


def read_key(row: sa.RowMapping) -> Key:
    """A row of the table."""
    plain = {name: row[name] for name in ("id", "name", "project", "scopes", "models", "expires", "source", "created")}
    return Key(**plain, revoked=row["revoked"], limits=read_limits(row), budget=read_budget(row))


def read_project(row: sa.RowMapping) -> Project:
    """A row of the table."""
    plain = {name: row[name] for name in ("name", "weight", "created")}
    return Project(**plain, limits=read_limits(row), budget=read_budget(row))


def _get(connection: sa.Connection, key_id: str) -> Key | None:
    row = connection.execute(sa.select(keys).where(keys.c.id == key_id)).mappings().first()
    return None if row is None else read_key(row)


def _check_adoptable(key: Key) -> None:
    """Raise `UnfitKeyError` unless `FOREFRONT_API_KEY` may hold the text of this key."""
    if key.revoked is not None:
        text = "FOREFRONT_API_KEY holds a key that was rotated or revoked; set its new text, or choose another"
        raise UnfitKeyError(text)
    if not lives(key):
        lacks = "has expired"
    elif "admin" not in key.scopes:
        lacks = "has no admin scope"
    else:
        return
    text = f"FOREFRONT_API_KEY holds the text of key {key.id} ({key.name}), which {lacks}"
    raise UnfitKeyError(f"{text}; choose another value or unset it")


def _bury(connection: sa.Connection, before: sa.RowMapping) -> None:
    """Keep the row of a key as it was, as a key of its own that has been revoked."""
    name = before["name"][: 128 - len(_ROTATED)] + _ROTATED
    row = {**before, "id": _new_id(), "name": name, "revoked": int(time.time())}
    connection.execute(sa.insert(keys).values(**row))


def _insert(
    connection: sa.Connection, wanted: NewKey, digest: str, source: Literal["created", "first", "environment"]
) -> Key:
    _ensure_project(connection, wanted.project)
    values: dict[str, Any] = {
        "id": _new_id(),
        "hash": digest,
        "name": wanted.name,
        "project": wanted.project,
        "scopes": list(dict.fromkeys(wanted.scopes)),
        "models": wanted.models,
        "expires": wanted.expires,
        "source": source,
        "created": int(time.time()),
        **bounds_columns(wanted.limits, wanted.budget),
    }
    connection.execute(sa.insert(keys).values(**values))
    _count_up(connection)
    key = _get(connection, values["id"])
    assert key is not None
    return key


def _new_id() -> str:
    return "key_" + secrets.token_hex(8)


def _get_project(connection: sa.Connection, name: str) -> Project:
    return read_project(connection.execute(sa.select(projects).where(projects.c.name == name)).mappings().one())


def _ensure_project(connection: sa.Connection, name: str) -> bool:
    """Whether it had to be made."""
    if connection.execute(sa.select(projects.c.name).where(projects.c.name == name)).first() is not None:
        return False
    connection.execute(sa.insert(projects).values(name=name, weight=1.0, created=int(time.time())))
    return True


def _count_up(connection: sa.Connection) -> None:
    connection.execute(sa.update(state).values(revision=state.c.revision + 1))


def _made(key: Key, text: str) -> MadeKey:
    return MadeKey(**{name: key[name] for name in key}, key=text)


__all__ = ["ALL_SCOPES", "KeyStore", "StoreError", "UnfitKeyError", "lives", "read_key", "read_project"]
