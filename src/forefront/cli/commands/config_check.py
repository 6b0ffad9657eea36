"""`forefront config check`: whether the settings can be used, before a server needs them."""

import os
from collections.abc import Iterator
from pathlib import Path

import typer
from rich.console import Console

from forefront.catalog.store import default_home
from forefront.cli.config import ConfigError, find_config, load_config
from forefront.cli.environment import unknown_variables
from forefront.cli.store import ConfigFile, fail
from forefront.gateway.keys.api_key import UnfitKeyError, check_key

config = typer.Typer(no_args_is_help=True, help="Look after forefront.toml.")


@config.callback()
def group() -> None:
    """Look after forefront.toml."""


@config.command()
def check(file: ConfigFile = None) -> None:
    """Read the settings of the file and the environment; say what is wrong, or that nothing is."""
    path = find_config(file, default_home())
    faults = list(_faults(path))
    if faults:
        fail(*faults)
    text = "No forefront.toml; the environment is in order." if path is None else f"{path} is in order."
    Console(highlight=False, soft_wrap=True).print(text, markup=False)


def _faults(path: Path | None) -> Iterator[str]:
    try:
        load_config(path)
    except ConfigError as error:
        yield str(error)
    yield from unknown_variables(os.environ)
    try:
        if (adopted := os.environ.get("FOREFRONT_API_KEY")) is not None:
            check_key(adopted)
    except UnfitKeyError as error:
        yield str(error)
