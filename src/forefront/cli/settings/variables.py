"""Names of settings, and the environment variables that set them."""

from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec

from forefront.cli.settings.sections import Config

# Exceptions from the naming rule: common names of other programs.
_COMMON_NAMES = {"server.host": "HOST", "server.port": "PORT", "store.url": "FOREFRONT_DATABASE_URL"}


def sections() -> Iterator[tuple[str, type[msgspec.Struct]]]:
    """Every section and its class; of a section with a table for each name, the class of a table."""
    for section, hint in get_type_hints(Config).items():
        yield section, get_args(hint)[1] if get_origin(hint) is dict else hint


def tables() -> dict[str, type[msgspec.Struct]]:
    """The sections that have a table for each name, such as `[prices.NAME]`. No variable sets them."""
    hints = get_type_hints(Config)
    return {section: get_args(hint)[1] for section, hint in hints.items() if get_origin(hint) is dict}


def setting_names() -> Iterator[tuple[str, str | None]]:
    """Every setting as `section.name`, with its environment variable. Those in tables by name have none."""
    named = tables()
    for section, kind in sections():
        hints = get_type_hints(kind)
        for name in kind.__struct_fields__:
            in_table = section in named or get_origin(hints[name]) is dict
            yield f"{section}.{name}", None if in_table else environment_variable(f"{section}.{name}")


def environment_variable(setting: str, *, by_rule: bool = False) -> str:
    """The environment variable of a setting. `by_rule`: its name if there were no exceptions from the naming rule."""
    name = "FOREFRONT_" + setting.replace(".", "_").upper()
    return name if by_rule else _COMMON_NAMES.get(setting, name)


def is_service_address(name: str, value: str) -> bool:
    """Whether the variable of a `port` has the value that Kubernetes gives it, for a service of such a name."""
    return name.lower().endswith("port") and "://" in value


def read_variables(variables: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """The settings in environment variables, by section."""
    found: dict[str, dict[str, Any]] = {}
    named = tables()
    for section, kind in sections():
        hints = get_type_hints(kind, include_extras=True)
        for name in kind.__struct_fields__:
            text = variables.get(environment_variable(f"{section}.{name}"), "")
            if section in named or get_origin(hints[name]) is dict:
                continue
            if text and not is_service_address(name, text):
                found.setdefault(section, {})[name] = _value(text, hints[name])
    return found


def _value(text: str, hint: Any) -> Any:
    """A variable's text as a TOML value. A text of another type is returned as it is and fails validation."""
    if get_origin(hint) is list:
        return [part.strip() for part in text.split(",") if part.strip()]
    plain = hint
    while get_origin(plain) in (Annotated, UnionType, Union):  # of `X | None`, X comes first
        plain = get_args(plain)[0]
    if plain is bool:
        return {"true": True, "1": True, "false": False, "0": False}.get(text.lower(), text)
    if plain in (int, float):
        try:
            return int(text) if plain is int else float(text)
        except ValueError:
            return text
    return text
