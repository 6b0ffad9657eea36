"""The store that a command works on, and how a command fails."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from forefront.catalog.store import default_home
from forefront.cli.config import ConfigError, find_config, load_config
from forefront.gateway.store.database import Database, StoreError, default_url, open_database
from forefront.wire.errors import ApiError

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        envvar="FOREFRONT_CONFIG",
        help="Settings to read. [default: forefront.toml here, else in FOREFRONT_HOME, if there is one]",
        show_default=False,
    ),
]


@contextmanager
def open_store(home: Path, url: str | None) -> Iterator[Database]:
    """The database of that URL, else the SQLite file of `home`. Raises `StoreError`."""
    database = open_database(url or default_url(home))
    try:
        yield database
    finally:
        database.close()


@contextmanager
def command_store() -> Iterator[Database]:
    """The same for a short command, which ends with status 1 and a line when something is wrong."""
    try:
        home = default_home()
        settings = load_config(find_config(_named_file(), home))
        with open_store(home, settings.store.url) as database:
            yield database
    except ConfigError as error:
        fail(str(error))
    except StoreError as error:
        fail(f"the store cannot be used: {error}")
    except ApiError as error:
        fail(error.message)


def _named_file() -> Path | None:
    named = os.environ.get("FOREFRONT_CONFIG")
    return Path(named) if named else None


def fail(*reasons: str) -> NoReturn:
    """End the command with status 1 and a line for each reason."""
    for reason in reasons:
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"forefront: {reason}", markup=False)
    raise typer.Exit(1)
