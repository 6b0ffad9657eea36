"""Errors in settings: each names the setting, its source and the allowed values."""

import difflib
import json
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from forefront.cli.settings.sections import Config
from forefront.cli.settings.variables import environment_variable, sections, tables
from forefront.wire.errors import RequestError
from forefront.wire.parsing.validation_errors import validation_error

# Keys that TOML accepts without quotes.
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_TABLE = re.compile(r"\$\.(\w+)\[\.\.\.\]")
_PATTERNS = {"upstream_key": "be env:NAME, an environment variable, or file:PATH"}


class ConfigError(Exception):
    """An invalid setting. The text names the setting, its source and the allowed values."""


def did_you_mean(name: str, known: Collection[str], shown: Mapping[str, str] | None = None) -> str:
    """A clause that suggests the name most similar to `name`, as `shown` displays it; empty if none is similar."""
    near = difflib.get_close_matches(name, known, 1)
    return f"; did you mean `{shown[near[0]] if shown else near[0]}`?" if near else ""


def quoted_key(name: str) -> str:
    """A name as a part of a setting's name, in quotes where TOML needs them."""
    return name if _BARE_KEY.fullmatch(name) else json.dumps(name, ensure_ascii=False)


def setting_source(setting: str, path: Path | None, variables: Mapping[str, str]) -> str:
    """Where a setting comes from: its environment variable, or else the file."""
    name = environment_variable(setting)
    return f"the environment variable {name}" if setting and variables.get(name) else f"{path}"


def explain(text: str, fields: dict[str, Any], path: Path | None, variables: Mapping[str, str]) -> str:
    """A text of msgspec about `fields`, for the operator."""
    if match := _TABLE.search(text):
        section = match[1]
        name = quoted_key(_invalid_table(fields[section], tables()[section]))
        message = explain(text.replace(f"{section}[...]", f"{section}.NAME"), fields, path, variables)
        return message.replace(f"{section}.NAME", f"{section}.{name}")
    if match := re.fullmatch(r"Object contains unknown field `([^`]*)`(?: - at `\$\.?([^`]*)`)?", text):
        name, section = match[1], match[2] or ""
        known = dict(sections())
        kind = known.get(section.partition(".")[0])
        where = f"[{section}] has" if section else "there is"
        hint = did_you_mean(name, kind.__struct_fields__ if kind else known) or _section_of(name)
        return f"{path}: {where} no setting `{name}`{hint}"
    error: RequestError = validation_error(text)
    setting = error.param or ""
    rule = _PATTERNS.get(setting.rpartition(".")[2])
    if rule is not None and "matching regex" in text:
        return f"{path}: `{setting}` must {rule}"
    return f"{setting_source(setting, path, variables)}: {error.message.rstrip('.')}{_choices(setting)}"


def _section_of(name: str) -> str:
    """A clause that names the section which has a setting of that name; empty if none has."""
    named = tables()
    for section, kind in sections():
        if name in kind.__struct_fields__:
            return f"; it is a setting of [{section}.NAME]" if section in named else f"; it is a setting of [{section}]"
    return ""


def _choices(setting: str) -> str:
    """The allowed values of a setting that has a fixed set."""
    section, name = setting.partition(".")[0], setting.rpartition(".")[2]
    hint = get_type_hints(dict(sections()).get(section, Config)).get(name)
    for kind in (hint, *get_args(hint)):
        if get_origin(kind) is Literal:
            return f", only {', '.join(get_args(kind))}"
    return ""


def _invalid_table(named: dict[str, Any], kind: type[msgspec.Struct]) -> str:
    """The name of the first invalid table, which msgspec's error does not have."""
    for name, fields in named.items():
        try:
            msgspec.convert(fields, kind)
        except msgspec.ValidationError:
            return name
    return "NAME"
