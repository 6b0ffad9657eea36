"""The settings, from `forefront.toml` and environment variables, validated before anything starts."""

import difflib
import json
import os
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from forefront.cli.tls import find_certificate_error
from forefront.gateway.store.database import StoreError, parse_url
from forefront.wire.errors import ApiError
from forefront.wire.validation_errors import validation_error

Seconds = Annotated[float, Meta(ge=0, le=86_400)]
Price = Annotated[float, Meta(ge=0, le=1e6)]
_ENDPOINT = re.compile(r"https?://[^/\s?#@]+(/[^\s?#]*)?")
_ORIGIN = re.compile(r"\*|https?://[^/\s*]+")
# Keys that TOML accepts without quotes.
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_REDIS = re.compile(r"rediss?://[^/?#]+(/\d*)?([?#].*)?|unix://([^/@]*@)?/.*", re.DOTALL)
# Exceptions from the naming rule: common names of other programs.
_COMMON_NAMES = {"server.host": "HOST", "server.port": "PORT", "store.url": "FOREFRONT_DATABASE_URL"}


class ConfigError(Exception):
    """An invalid setting. The text names the setting, its source and the allowed values."""


class ServerSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`[server]`"""

    host: Annotated[str, Meta(min_length=1)] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 8000
    grace_seconds: Seconds = 30.0
    header_seconds: Annotated[float, Meta(gt=0, le=86_400)] = 20.0
    body_seconds: Annotated[float, Meta(gt=0, le=86_400)] = 60.0
    send_seconds: Annotated[float, Meta(gt=0, le=86_400)] = 60.0
    connections: Annotated[int, Meta(ge=1, le=1_000_000)] = 2000
    connections_per_address: Annotated[int, Meta(ge=1, le=1_000_000)] = 100
    body_memory_mib: Annotated[int, Meta(ge=8, le=1_000_000)] = 256
    cors_origins: list[str] = []
    tls_certificate: str | None = None
    tls_key: str | None = None


class MetricsSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`[metrics]`"""

    host: Annotated[str, Meta(min_length=1)] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] | None = None


class TracingSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`[tracing]`"""

    endpoint: str | None = None


class StoreSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`[store]`"""

    url: str | None = None


class RedisSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`[redis]`"""

    url: str | None = None


class LogSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`[log]`"""

    format: Literal["human", "json"] = "human"
    level: Literal["debug", "info", "warning", "error"] = "info"
    prompts: bool = False


class QueueSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`[queue]`"""

    running: Annotated[int, Meta(ge=1, le=100_000)] = 64
    waiting: Annotated[int, Meta(ge=0, le=1_000_000)] = 1024


class PriceSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`[prices.MODEL]`: units of money per million tokens."""

    input: Price = 0.0
    output: Price = 0.0
    cached: Price | None = None


class Config(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Every setting."""

    server: ServerSettings = msgspec.field(default_factory=ServerSettings)
    store: StoreSettings = msgspec.field(default_factory=StoreSettings)
    metrics: MetricsSettings = msgspec.field(default_factory=MetricsSettings)
    tracing: TracingSettings = msgspec.field(default_factory=TracingSettings)
    redis: RedisSettings = msgspec.field(default_factory=RedisSettings)
    log: LogSettings = msgspec.field(default_factory=LogSettings)
    queue: QueueSettings = msgspec.field(default_factory=QueueSettings)
    prices: dict[str, PriceSettings] = {}


def load_config(path: Path | None, environment: Mapping[str, str] | None = None) -> Config:
    """The file's settings, overridden by those of the environment. Raises `ConfigError`."""
    variables = os.environ if environment is None else environment
    fields = {} if path is None else _read(path)
    for section, values in _from_environment(variables).items():
        in_file = fields.setdefault(section, {})
        if isinstance(in_file, dict):
            in_file |= values
    try:
        config = msgspec.convert(fields, Config)
    except msgspec.ValidationError as error:
        raise ConfigError(_explain(str(error), fields, path, variables)) from None
    _check_tls(config.server)
    for setting, problem in (
        ("server.cors_origins", _find_origin_error(config.server.cors_origins)),
        ("tracing.endpoint", _find_endpoint_error(config.tracing.endpoint)),
        ("redis.url", _find_redis_url_error(config.redis.url)),
        ("store.url", _find_store_url_error(config.store.url)),
    ):
        if problem is not None:
            raise ConfigError(f"{_source(setting, path, variables)}: `{setting}`{problem}")
    return config


def find_config(path: Path | None, home: Path) -> Path | None:
    """The settings file: `path`, or else `forefront.toml` in the working directory or in `home`, or else None."""
    if path is not None:
        return path
    return next((file for file in (Path("forefront.toml"), home / "forefront.toml") if file.is_file()), None)


def setting_names() -> Iterator[tuple[str, str | None]]:
    """Every setting as `section.name`, with its environment variable. Prices have none."""
    for section, kind in _sections():
        for name in kind.__struct_fields__:
            yield f"{section}.{name}", None if section == "prices" else environment_variable(f"{section}.{name}")


def environment_variable(setting: str, *, by_rule: bool = False) -> str:
    """The environment variable of a setting. `by_rule`: its name if there were no exceptions from the naming rule."""
    name = "FOREFRONT_" + setting.replace(".", "_").upper()
    return name if by_rule else _COMMON_NAMES.get(setting, name)


def is_service_address(name: str, value: str) -> bool:
    """Whether the variable of a `port` has the value that Kubernetes gives it, for a service of such a name."""
    return name.lower().endswith("port") and "://" in value


def did_you_mean(name: str, known: Collection[str], shown: Mapping[str, str] | None = None) -> str:
    """A clause that suggests the name most similar to `name`, as `shown` displays it; empty if none is similar."""
    near = difflib.get_close_matches(name, known, 1)
    return f"; did you mean `{shown[near[0]] if shown else near[0]}`?" if near else ""


def _sections() -> Iterator[tuple[str, type[msgspec.Struct]]]:
    for section, hint in get_type_hints(Config).items():
        yield section, get_args(hint)[1] if get_origin(hint) is dict else hint


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise ConfigError(f"{path} is not TOML: it nests too deep") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text") from None
    except ValueError as error:  # also a path with a NUL
        raise ConfigError(f"{path} is not TOML: {error}") from None


def _from_environment(variables: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for section, kind in _sections():
        hints = get_type_hints(kind, include_extras=True)
        for name in kind.__struct_fields__:
            text = variables.get(environment_variable(f"{section}.{name}"), "")
            if section != "prices" and text and not is_service_address(name, text):
                found.setdefault(section, {})[name] = _value(text, hints[name])
    return found


def _value(text: str, hint: Any) -> Any:
    """A variable's text as a TOML value. A text of another type is returned as it is and fails validation."""
    if get_origin(hint) is list:
        return [part.strip() for part in text.split(",") if part.strip()]
    plain = hint
    while get_origin(plain) in (Annotated, Union, UnionType):  # of an optional value, the type is the first
        plain = get_args(plain)[0]
    if plain is bool:
        return {"true": True, "1": True, "false": False, "0": False}.get(text.lower(), text)
    if plain in (int, float):
        try:
            return int(text) if plain is int else float(text)
        except ValueError:
            return text
    return text


def _explain(text: str, fields: dict[str, Any], path: Path | None, variables: Mapping[str, str]) -> str:
    if "prices[...]" in text:
        model = _wrong_price(fields["prices"])
        shown = model if _BARE_KEY.fullmatch(model) else json.dumps(model, ensure_ascii=False)
        message = _explain(text.replace("prices[...]", "prices.MODEL"), fields, path, variables)
        return message.replace("prices.MODEL", f"prices.{shown}")
    if match := re.fullmatch(r"Object contains unknown field `([^`]*)`(?: - at `\$\.?([^`]*)`)?", text):
        name, section = match[1], match[2] or ""
        known = dict(_sections())
        kind = known.get(section.partition(".")[0])
        where = f"[{section}] has" if section else "there is"
        return f"{path}: {where} no setting `{name}`{did_you_mean(name, kind.__struct_fields__ if kind else known)}"
    error: ApiError = validation_error(text)
    setting = error.param or ""
    return f"{_source(setting, path, variables)}: {error.message.rstrip('.')}{_choices(setting)}"


def _choices(setting: str) -> str:
    """The allowed values of a setting that has a fixed set."""
    section, _, name = setting.partition(".")
    hint = get_type_hints(dict(_sections()).get(section, Config)).get(name)
    return f", only {', '.join(get_args(hint))}" if get_origin(hint) is Literal else ""


def _source(setting: str, path: Path | None, variables: Mapping[str, str]) -> str:
    name = environment_variable(setting)
    return f"the environment variable {name}" if setting and variables.get(name) else f"{path}"


def _wrong_price(prices: dict[str, Any]) -> str:
    """The first model with an invalid price, which msgspec's error does not name."""
    for model, price in prices.items():
        try:
            msgspec.convert(price, PriceSettings)
        except msgspec.ValidationError:
            return model
    return "MODEL"


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
