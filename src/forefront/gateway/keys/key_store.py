"""Keys and projects in the store. Every change increments the store's revision, which running servers poll."""

import secrets
import time
from collections.abc import Callable
from typing import Any, Literal

import sqlalchemy as sa

from forefront.gateway.keys.api_key import InvalidApiKeyError, generate_key, hash_key, validate_key
from forefront.gateway.ledger.pricing import from_nanos, to_nanos
from forefront.gateway.store.database import Database
from forefront.gateway.store.tables import api_keys, projects, store_revision
from forefront.wire.admin.history import KeyLimits
from forefront.wire.admin.records import Budget, IssuedKey, Key, Limits, NewKey, Project, ProjectSettings, Scope

# The scopes of the first key: everything, since `admin` includes the metrics.
ALL_SCOPES: list[Scope] = ["chat", "models", "admin"]
_ROTATED = " (rotated)"
_MAX_NAME = 128


class KeyStore:
    """Blocking calls, each one transaction. All raise `StoreError` when the database fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, new: NewKey) -> IssuedKey:
        """Create a key and return it with its text. Its project is created if it does not exist."""
        text = generate_key()
        with self._database.write() as connection:
            key = _insert_key(connection, new, hash_key(text), "created")
        return _with_text(key, text)

    def list_keys(self) -> list[Key]:
        """Every key, revoked ones included, oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(sa.select(api_keys).order_by(api_keys.c.created_at, api_keys.c.id)).mappings()
            return [key_from_row(row) for row in rows]

    def get(self, key_id: str) -> Key | None:
        """The key of that id."""
        with self._database.read() as connection:
            return _get_key(connection, key_id)

    def rotate(self, key_id: str) -> IssuedKey | None:
        """Replace the key's text; the old text stops working at once. None for an unknown or a revoked key.

        The old text stays in the store as a revoked key, so that `ensure_admin_key` does not adopt it as a new key.
        """
        text = generate_key()
        with self._database.write() as connection:
            active = (api_keys.c.id == key_id) & api_keys.c.revoked_at.is_(None)
            before = connection.execute(sa.select(api_keys).where(active)).mappings().first()
            if before is None:
                return None
            connection.execute(sa.update(api_keys).where(active).values(hash=hash_key(text), source="created"))
            _archive_rotated_key(connection, before)
            _increment_revision(connection)
            key = _get_key(connection, key_id)
        assert key is not None
        return _with_text(key, text)

    def revoke(self, key_id: str) -> Key | None:
        """Revoke the key permanently. Does nothing to a revoked key. None if there is no such key."""
        with self._database.write() as connection:
            active = (api_keys.c.id == key_id) & api_keys.c.revoked_at.is_(None)
            connection.execute(sa.update(api_keys).where(active).values(revoked_at=int(time.time())))
            _increment_revision(connection)
            return _get_key(connection, key_id)

    def set_limits(self, key_id: str, wanted: KeyLimits) -> Key | None:
        """Replace the limits and the budget of a key. None for an unknown or a revoked key."""
        with self._database.write() as connection:
            active = (api_keys.c.id == key_id) & api_keys.c.revoked_at.is_(None)
            values = _limit_columns(wanted.limits, wanted.budget)
            if not connection.execute(sa.update(api_keys).where(active).values(**values)).rowcount:
                return None
            _increment_revision(connection)
            return _get_key(connection, key_id)

    def list_projects(self) -> list[Project]:
        """Every project, by name."""
        with self._database.read() as connection:
            rows = connection.execute(sa.select(projects).order_by(projects.c.name)).mappings()
            return [read_project(row) for row in rows]

    def set_project(self, name: str, settings: ProjectSettings) -> Project:
        """Create the project, or replace all its settings."""
        project, _ = self.update_project(name, lambda _before: settings)
        return project

    def update_project(self, name: str, update: Callable[[ProjectSettings], ProjectSettings]) -> tuple[Project, bool]:
        """Replace the project's settings by `update(settings)`. Returns the project and whether it was created.

        The transaction excludes other writers. An error that `update` raises leaves the store unchanged.
        """
        with self._database.write() as connection:
            created = _ensure_project(connection, name)
            before = _get_project(connection, name)
            settings = update(ProjectSettings(weight=before.weight, limits=before.limits, budget=before.budget))
            values = {"weight": settings.weight, **_limit_columns(settings.limits, settings.budget)}
            connection.execute(sa.update(projects).where(projects.c.name == name).values(**values))
            _increment_revision(connection)
            return _get_project(connection, name), created

    def ensure_admin_key(self, environment_key: str | None) -> str | None:
        """Make sure that an administrator has a key. Returns the text of the first key, if one was created.

        `environment_key`, the value of `FOREFRONT_API_KEY`, is adopted as an admin key and replaces the key that was
        adopted at an earlier start. Raises `InvalidApiKeyError`, with nothing changed, for a key that is too short,
        rotated, revoked, expired or without the scope `admin`.
        """
        if environment_key is not None:
            self._adopt(environment_key)
            return None
        with self._database.write() as connection:
            if connection.execute(sa.select(api_keys.c.id).limit(1)).first():
                return None
            text = generate_key()
            _insert_key(connection, NewKey(name="first key", scopes=ALL_SCOPES), hash_key(text), "first")
            return text

    def _adopt(self, text: str) -> None:
        validate_key(text)
        digest = hash_key(text)
        with self._database.write() as connection:
            known = connection.execute(sa.select(api_keys).where(api_keys.c.hash == digest)).mappings().first()
            if known is not None:
                _require_adoptable(key_from_row(known))
            replaced = (
                (api_keys.c.source == "environment") & api_keys.c.revoked_at.is_(None) & (api_keys.c.hash != digest)
            )
            if connection.execute(sa.update(api_keys).where(replaced).values(revoked_at=int(time.time()))).rowcount:
                _increment_revision(connection)
            if known is None:
                _insert_key(connection, NewKey(name="FOREFRONT_API_KEY", scopes=ALL_SCOPES), digest, "environment")


def is_active(key: Key) -> bool:
    """Whether the key is neither revoked nor expired."""
    return key.revoked is None and (key.expires is None or time.time() < key.expires)


def key_from_row(row: sa.RowMapping) -> Key:
    """The record of a row of `api_keys`."""
    plain = {name: row[name] for name in ("id", "name", "project", "scopes", "models", "source")}
    times = {"expires": row["expires_at"], "created": row["created_at"], "revoked": row["revoked_at"]}
    return Key(**plain, **times, limits=_read_limits(row), budget=_read_budget(row))


def read_project(row: sa.RowMapping) -> Project:
    """The record of a row of `projects`."""
    return Project(
        name=row["name"],
        weight=row["weight"],
        created=row["created_at"],
        limits=_read_limits(row),
        budget=_read_budget(row),
    )


def _get_key(connection: sa.Connection, key_id: str) -> Key | None:
    row = connection.execute(sa.select(api_keys).where(api_keys.c.id == key_id)).mappings().first()
    return None if row is None else key_from_row(row)


def _require_adoptable(key: Key) -> None:
    """Raise `InvalidApiKeyError` unless `FOREFRONT_API_KEY` may be the text of this key."""
    if key.revoked is not None:
        text = "FOREFRONT_API_KEY holds a key that was rotated or revoked; set its new text, or choose another"
        raise InvalidApiKeyError(text)
    if not is_active(key):
        problem = "has expired"
    elif "admin" not in key.scopes:
        problem = "has no admin scope"
    else:
        return
    text = f"FOREFRONT_API_KEY holds the text of key {key.id} ({key.name}), which {problem}"
    raise InvalidApiKeyError(f"{text}; choose another value or unset it")


def _archive_rotated_key(connection: sa.Connection, before: sa.RowMapping) -> None:
    """Insert the key's row from before the rotation as a separate, revoked key."""
    name = before["name"][: _MAX_NAME - len(_ROTATED)] + _ROTATED
    row = {**before, "id": _new_id(), "name": name, "revoked_at": int(time.time())}
    connection.execute(sa.insert(api_keys).values(**row))


def _insert_key(
    connection: sa.Connection, new: NewKey, digest: str, source: Literal["created", "first", "environment"]
) -> Key:
    _ensure_project(connection, new.project)
    values: dict[str, Any] = {
        "id": _new_id(),
        "hash": digest,
        "name": new.name,
        "project": new.project,
        "scopes": list(dict.fromkeys(new.scopes)),
        "models": new.models,
        "expires_at": new.expires,
        "source": source,
        "created_at": int(time.time()),
        **_limit_columns(new.limits, new.budget),
    }
    connection.execute(sa.insert(api_keys).values(**values))
    _increment_revision(connection)
    key = _get_key(connection, values["id"])
    assert key is not None
    return key


def _new_id() -> str:
    return "key_" + secrets.token_hex(8)


def _get_project(connection: sa.Connection, name: str) -> Project:
    return read_project(connection.execute(sa.select(projects).where(projects.c.name == name)).mappings().one())


def _ensure_project(connection: sa.Connection, name: str) -> bool:
    """Create the project unless it exists. Returns whether it was created."""
    if connection.execute(sa.select(projects.c.name).where(projects.c.name == name)).first() is not None:
        return False
    connection.execute(sa.insert(projects).values(name=name, weight=1.0, created_at=int(time.time())))
    return True


def _limit_columns(limits: Limits, budget: Budget | None) -> dict[str, Any]:
    return {
        **{name: limits[name] for name in limits},
        "budget_tokens": budget.tokens if budget else None,
        "budget_nanos": to_nanos(budget.money) if budget and budget.money is not None else None,
        "budget_period": budget.period if budget else None,
    }


def _read_limits(row: sa.RowMapping) -> Limits:
    return Limits(**{name: row[name] for name in Limits.__struct_fields__})


def _read_budget(row: sa.RowMapping) -> Budget | None:
    if row["budget_period"] is None:
        return None
    nanos = row["budget_nanos"]
    money = None if nanos is None else from_nanos(nanos)
    return Budget(tokens=row["budget_tokens"], money=money, period=row["budget_period"])


def _increment_revision(connection: sa.Connection) -> None:
    connection.execute(sa.update(store_revision).values(revision=store_revision.c.revision + 1))


def _with_text(key: Key, text: str) -> IssuedKey:
    return IssuedKey(**{name: key[name] for name in key}, key=text)
