"""The schema of a store: created at once in a new database, brought up to date by Alembic's steps in an older one."""

import logging
from pathlib import Path

import sqlalchemy as sa

from forefront.gateway.store.server_heartbeats import find_live_server, remove_all_servers
from forefront.gateway.store.tables import REVISION, metadata, store_revision

log = logging.getLogger(__name__)

MIGRATIONS = Path(__file__).parent / "migrations"
# Alembic's table of the revision, with the columns and names that Alembic gives it.
_ALEMBIC_VERSION = sa.Table(
    "alembic_version",
    sa.MetaData(),
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


class SchemaError(Exception):
    """The schema cannot be used. The text gives the reason."""


def prepare_schema(connection: sa.Connection, migrations: Path) -> None:
    """Create the schema, or apply the pending steps of `migrations`.

    Raises `SchemaError`: a newer schema, an older one with a live server, or an incomplete one.
    """
    current = current_revision(connection)
    revisions = _revisions(migrations)
    if current is not None and current not in revisions:
        raise SchemaError(f"the schema of the store ({current}) is of a newer version of forefront; install that one")
    if current is None:
        _create(connection)
    elif current != revisions[-1]:
        _require_no_live_server(connection, current)
    if (current or REVISION) != revisions[-1]:
        _upgrade(connection, migrations)
    if current != revisions[-1]:
        log.info("migrated the store to schema %s", revisions[-1])
    if missing := set(metadata.tables).difference(sa.inspect(connection).get_table_names()):
        reason = f"it has no table {min(missing)}, as one of an unreleased version of forefront"
        raise SchemaError(f"the schema of the store is not complete: {reason}; move it away to begin a new one")


def current_revision(connection: sa.Connection) -> str | None:
    """The last step that was applied. None for a new store."""
    if not sa.inspect(connection).has_table(_ALEMBIC_VERSION.name):
        return None
    return connection.scalar(sa.select(_ALEMBIC_VERSION.c.version_num))


def _revisions(migrations: Path) -> list[str]:
    """The revisions of all steps, the oldest first, from the names of their files."""
    return sorted(path.stem.removeprefix("step_") for path in migrations.glob("versions/step_*.py"))


def _create(connection: sa.Connection) -> None:
    """Create the tables and rows that all steps together make. A table of another program is an error."""
    metadata.create_all(connection, checkfirst=False)
    connection.execute(store_revision.insert().values(id=1, revision=0))
    _ALEMBIC_VERSION.create(connection, checkfirst=False)
    connection.execute(_ALEMBIC_VERSION.insert().values(version_num=REVISION))


def _upgrade(connection: sa.Connection, migrations: Path) -> None:
    # Imported here because few starts have a step to apply, and Alembic takes long to import.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _require_no_live_server(connection: sa.Connection, schema: str) -> None:
    """Raise `SchemaError` while a server of the old schema runs, since its writes would lack what the new schema adds.
    Otherwise delete the registered servers and their budget leases."""
    if live := find_live_server(connection):
        text = f"a server of an older version uses it (process {live[1]} on {live[0]}), with schema {schema}"
        raise SchemaError(f"{text}; stop that server first. A killed server may count as running for 90 seconds")
    remove_all_servers(connection)
