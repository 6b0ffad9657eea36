"""The settings, from `forefront.toml` and environment variables, validated before anything starts."""

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from forefront.catalog.sources.model_settings import find_conflict
from forefront.catalog.sources.source import is_model_name
from forefront.cli.settings.errors import ConfigError, did_you_mean, explain, quoted_key, setting_source
from forefront.cli.settings.sections import Config, ServerSettings
from forefront.cli.settings.tls import find_certificate_error
from forefront.cli.settings.variables import environment_variable, read_variables, setting_names
from forefront.gateway.store.database import StoreError, parse_url

__all__ = [
    "Config",
    "ConfigError",
    "ServerSettings",
    "did_you_mean",
    "environment_variable",
    "find_config",
    "load_config",
    "setting_names",
]

_ENDPOINT = re.compile(r"https?://[^/\s?#@]+(/[^\s?#]*)?")
_ORIGIN = re.compile(r"\*|https?://[^/\s*]+")
_REDIS = re.compile(r"rediss?://[^/?#]+(/\d*)?([?#].*)?|unix://([^/@]*@)?/.*", re.DOTALL)


def load_config(path: Path | None, environment: Mapping[str, str] | None = None) -> Config:
    """The file's settings, overridden by those of the environment. Raises `ConfigError`."""
    variables = os.environ if environment is None else environment
    fields = {} if path is None else _read(path)
    for section, values in read_variables(variables).items():
        in_file = fields.setdefault(section, {})
        if isinstance(in_file, dict):
            in_file |= values
    try:
        config = msgspec.convert(fields, Config)
    except msgspec.ValidationError as error:
        raise ConfigError(explain(str(error), fields, path, variables)) from None
    _check_tls(config.server)
    for setting, problem in _problems(config):
        raise ConfigError(f"{setting_source(setting, path, variables)}: `{setting}`{problem}")
    return config


def find_config(path: Path | None, home: Path) -> Path | None:
    """The settings file: `path`, or else `forefront.toml` in the working directory or in `home`, or else None."""
    if path is not None:
        return path
    return next((file for file in (Path("forefront.toml"), home / "forefront.toml") if file.is_file()), None)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except RecursionError:
        raise ConfigError(f"{path} is not TOML: it nests too deep") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text") from None
    except ValueError as error:  # also a path with a NUL
        raise ConfigError(f"{path} is not TOML: {error}") from None


def _problems(config: Config) -> Iterator[tuple[str, str]]:
    """Invalid settings with valid types, each with the rest of its message."""
    for setting, problem in (
        ("server.cors_origins", _find_origin_error(config.server.cors_origins)),
        ("tracing.endpoint", _find_endpoint_error(config.tracing.endpoint)),
        ("redis.url", _find_redis_url_error(config.redis.url)),
        ("store.url", _find_store_url_error(config.store.url)),
    ):
        if problem is not None:
            yield setting, problem
    for name, replicas in config.ray.models.items():
        minimum, maximum = replicas.replicas.bounds
        if minimum > maximum:
            yield f"ray.models.{quoted_key(name)}.replicas", f": min is {minimum} and max is {maximum}"
    for name, model in config.models.items():
        table = f"models.{quoted_key(name)}"
        if not is_model_name(name):
            yield table, ": a model's name has letters, digits and ._:/- and begins with a letter or digit"
        conflict = find_conflict(model)
        if conflict is not None:
            setting, problem = conflict
            yield f"{table}.{setting}", problem if problem.startswith(":") else f" {problem}"


def _check_tls(server: ServerSettings) -> None:
    if (server.tls_certificate is None) != (server.tls_key is None):
        raise ConfigError("`server.tls_certificate` and `server.tls_key` go together: set both or neither")
    if server.tls_certificate is not None and server.tls_key is not None:
        problem = find_certificate_error(server.tls_certificate, server.tls_key)
        if problem is not None:
            raise ConfigError(problem)


def _find_origin_error(origins: list[str]) -> str | None:
    invalid = next((origin for origin in origins if not _ORIGIN.fullmatch(origin)), None)
    return None if invalid is None else f": {invalid!r} is not an origin such as https://example.com, nor *"


def _find_endpoint_error(url: str | None) -> str | None:
    if url is None or (_ENDPOINT.fullmatch(url) and _has_valid_port(url)):
        return None
    return f": {url!r} is not the address of a collector such as http://localhost:4318"


def _find_redis_url_error(url: str | None) -> str | None:
    if url is None or (_REDIS.fullmatch(url) and _has_valid_port(url)):
        return None
    return " is not an address such as redis://host:6379/0"  # without the URL, which may hold a password


def _has_valid_port(url: str) -> bool:
    """Whether the URL has no port or a valid one."""
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def _find_store_url_error(url: str | None) -> str | None:
    try:
        if url:
            parse_url(url)
    except StoreError as error:
        return f": {error}"
    return None
