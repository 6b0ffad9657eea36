"""`forefront config check`: validates the settings before a server needs them."""

import os
from collections.abc import Iterator
from pathlib import Path

import typer
from rich.console import Console

from forefront.catalog.sources.source import SourceError
from forefront.chat.local.loading import DeviceError, ModelOptions
from forefront.cli.loaders.upstream_model import upstream_spec
from forefront.cli.settings.config import ConfigError, find_config, load_config
from forefront.cli.settings.environment import unknown_variables
from forefront.cli.settings.model_list import list_models
from forefront.cli.store import ConfigFile, fail, find_home
from forefront.cli.terminal.printable import printable
from forefront.gateway.keys.api_key import InvalidApiKeyError, validate_key
from forefront.gateway.store.content_cipher import VARIABLE as ENCRYPTION_KEY
from forefront.gateway.store.content_cipher import ContentCipher, parse_keys
from forefront.gateway.store.database import StoreError

config = typer.Typer(no_args_is_help=True, help="Check forefront.toml.")


@config.callback()
def group() -> None:
    """Check forefront.toml."""


@config.command()
def check(file: ConfigFile = None) -> None:
    """Validate the settings of the file and the environment, and print every error."""
    try:
        path = find_config(file, find_home())
    except ConfigError as error:
        fail(str(error))
    errors = list(_errors(path))
    if errors:
        fail(*errors)
    text = "No forefront.toml; the environment is in order." if path is None else f"{path} is in order."
    Console(highlight=False, soft_wrap=True).print(printable(text), markup=False)


def _errors(path: Path | None) -> Iterator[str]:
    try:
        for model in list_models([], load_config(path).models, ModelOptions()):
            if model.source is None:
                upstream_spec(model.name, model.settings)
    except (ConfigError, DeviceError, SourceError) as error:
        yield str(error)
    yield from unknown_variables(os.environ)
    try:
        if (key := os.environ.get("FOREFRONT_API_KEY")) is not None:
            validate_key(key)
        ContentCipher(parse_keys(os.environ.get(ENCRYPTION_KEY, "")))
    except (InvalidApiKeyError, StoreError) as error:
        yield str(error)
