"""The store that a command works on, and how a command fails."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.console import Console

from forefront.catalog.store import default_home
from forefront.gateway.database import Database, StoreError, default_url, open_database
from forefront.wire.errors import ApiError


@contextmanager
def open_store(home: Path) -> Iterator[Database]:
    """The database of `FOREFRONT_DATABASE_URL`, else the SQLite file of `home`. Raises `StoreError`."""
    database = open_database(os.environ.get("FOREFRONT_DATABASE_URL") or default_url(home))
    try:
        yield database
    finally:
        database.close()


@contextmanager
def command_store() -> Iterator[Database]:
    """The same for a short command, which ends with status 1 and a line when something is wrong."""
    try:
        with open_store(default_home()) as database:
            yield database
    except StoreError as error:
        fail(f"the store cannot be used: {error}")
    except ApiError as error:
        fail(error.message)


def fail(text: str) -> None:
    """End the command with status 1 and a line that says why."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"forefront: {text}", markup=False)
    raise typer.Exit(1)
