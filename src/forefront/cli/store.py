"""Opening the store for short commands, and their error handling."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from forefront.catalog.model_cache import default_home
from forefront.cli.settings.config import ConfigError, find_config, load_config
from forefront.cli.terminal.printable import printable
from forefront.gateway.store.database import Database, StoreError, default_url, open_database
from forefront.wire.errors import RequestError

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        envvar="FOREFRONT_CONFIG",
        help="Settings file. [default: forefront.toml in the working directory, or else in FOREFRONT_HOME]",
        show_default=False,
    ),
]


def find_home() -> Path:
    """`FOREFRONT_HOME`, or `~/.forefront`. Raises `ConfigError` for a user without a home directory."""
    try:
        return default_home()
    except RuntimeError:
        raise ConfigError("this user has no home directory: set FOREFRONT_HOME to a directory") from None


@contextmanager
def open_store(home: Path, url: str | None) -> Iterator[Database]:
    """The database of that URL, or else the SQLite file in `home`. Raises `StoreError`."""
    database = open_database(url or default_url(home))
    try:
        yield database
    finally:
        database.close()


@contextmanager
def command_store() -> Iterator[Database]:
    """The database of the settings. Errors end the command with status 1 and one line."""
    try:
        home = find_home()
        settings = load_config(find_config(_config_path(), home))
        with open_store(home, settings.store.url) as database:
            yield database
    except ConfigError as error:
        fail(str(error))
    except StoreError as error:
        fail(f"the store cannot be used: {error}")
    except RequestError as error:
        fail(error.message)
    except UnicodeEncodeError:  # bytes of an argument that are not UTF-8
        fail("an argument is not valid UTF-8 text")


def _config_path() -> Path | None:
    path = os.environ.get("FOREFRONT_CONFIG")
    return Path(path) if path else None


def fail(*reasons: str) -> NoReturn:
    """End the command with status 1 and one line for each reason."""
    for reason in reasons:
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"forefront: {printable(reason)}", markup=False)
    raise typer.Exit(1)
