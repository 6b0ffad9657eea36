"""`forefront config check`: whether the settings can be used, before a server needs them."""

import typer
from rich.console import Console

from forefront.catalog.store import default_home
from forefront.cli.config import ConfigError, find_config, load_config
from forefront.cli.store import ConfigFile, fail

config = typer.Typer(no_args_is_help=True, help="Look after forefront.toml.")


@config.callback()
def group() -> None:
    """Look after forefront.toml."""


@config.command()
def check(file: ConfigFile = None) -> None:
    """Read the settings of the file and the environment; say what is wrong, or that nothing is."""
    path = find_config(file, default_home())
    try:
        load_config(path)
    except ConfigError as error:
        fail(str(error))
    text = "No forefront.toml; the environment is in order." if path is None else f"{path} is in order."
    Console(highlight=False, soft_wrap=True).print(text, markup=False)
