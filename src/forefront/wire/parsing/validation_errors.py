"""msgspec's validation errors as `RequestError`, with the path of the field."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from forefront.wire.errors import RequestError
from forefront.wire.parsing.allowed_values import allowed_values

# Characters of msgspec's text, from its beginning and from its end: more than a path or a quoted value needs.
_SHOWN: Final = 1000
_NAMES: Final = {
    "int": "an integer",
    "float": "a number",
    "str": "a string",
    "bool": "true or false",
    "array": "an array",
    "object": "an object",
}
_MISSING = re.compile(r"Object missing required field `(?P<field>[^`]+)`(?: - at `\$\.?(?P<path>[^`]*)`)?")
_TYPE = re.compile(r"Expected `(?P<expected>[^`]+)`, got `(?P<got>\w+)`")
_LENGTH = re.compile(r"Expected `(?P<kind>\w+)` of length (?P<sign>[<>]=?) (?P<bound>\d+)")
_RANGE = re.compile(r"Expected `(?P<kind>\w+)` (?P<sign>[<>]=?) (?P<bound>\S+)")
_PATTERN = re.compile(r"Expected `str` matching regex (?P<pattern>.*)", re.DOTALL)
# The rule of a pattern, by its beginning in msgspec's text.
_PATTERNS: Final = {
    r"^[^\\x00": "not contain control characters",
    r"^\\d{4}-": "be a day, such as 2026-01-31",
    r"^[A-Za-z0-9][": "have 1 to 64 letters, digits, underscores, dots or dashes, the first a letter or digit",
}
_A_NAME: Final = "have 1 to 128 letters, digits, underscores, dots or dashes"
_ENUM = re.compile(r"Invalid (?:enum )?value (?P<value>.*)", re.DOTALL)
# Messages of the records of tools without the object that their `type` names.
_NEEDS = re.compile(r"a \w+ of the type `\w+` needs the field `(?P<field>\w+)`", re.IGNORECASE)
_SIGNS: Final = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}


@dataclass(frozen=True, slots=True)
class Choices:
    """The error for a wrong value of the fields whose path matches `field`. `{value}` in `message` is the value."""

    field: re.Pattern[str]
    message: str


_CHOICES: Final = (
    Choices(
        re.compile(r"messages\[\d+\]\.content\[\d+\]\.type"),
        "Parts of type {value} are not supported: only `text`, `image_url`, `input_audio` and `file` are.",
    ),
    Choices(
        re.compile(r"tools\[\d+\]\.type"),
        "Tools of type {value} are not supported: only `function` and `custom` are.",
    ),
)


def validation_error(text: str, choices: Sequence[Choices] = (), record: Any = None) -> RequestError:
    """The error for a text of msgspec, which ends in ` - at `$.path`` and may hold a value of any length. `choices` are
    the fields of an API that are refused by the name of their value (400). `record` is the type of the whole value."""
    if len(text) > 2 * _SHOWN:
        text = text[:_SHOWN] + text[-_SHOWN:]
    if match := _MISSING.fullmatch(text):
        param = ".".join(part for part in (match["path"], match["field"]) if part)
        return RequestError("missing_parameter", f"`{param}` is required.", param=param)
    what, at, path = text.rpartition(" - at `$")
    if not at:
        what, path = text, ""
    param = path.removesuffix("`").removeprefix(".").replace("[...]", "")
    where = f"`{param}`"
    if match := _TYPE.fullmatch(what):
        kinds = [_NAMES.get(kind, kind) for kind in match["expected"].split(" | ") if kind != "null"]
        got = _NAMES.get(match["got"], match["got"]).replace("true or false", "a boolean")
        return RequestError("invalid_type", f"{where} must be {' or '.join(kinds)}, not {got}.", param=param)
    if match := _LENGTH.fullmatch(what):
        unit = "character" if match["kind"] == "str" else "item"
        plural = "" if match["bound"] == "1" else "s"
        return RequestError(
            "invalid_value", f"{where} must have {_SIGNS[match['sign']]} {match['bound']} {unit}{plural}.", param=param
        )
    if match := _RANGE.fullmatch(what):
        kind = _NAMES.get(match["kind"], match["kind"])
        bound = match["bound"].removesuffix(".0")
        return RequestError("invalid_value", f"{where} must be {kind} of {_SIGNS[match['sign']]} {bound}.", param=param)
    if match := _PATTERN.fullmatch(what):
        rule = next((rule for begin, rule in _PATTERNS.items() if begin in match["pattern"]), _A_NAME)
        return RequestError("invalid_value", f"{where} must {rule}.", param=param)
    if match := _NEEDS.fullmatch(what):
        missing = ".".join(part for part in (param, match["field"]) if part)
        return RequestError("missing_parameter", f"`{missing}` is required: {what}.", param=missing)
    if match := _ENUM.fullmatch(what):
        return _wrong_choice(param, match["value"][:80], choices or _CHOICES, record)
    return RequestError("invalid_value", f"{where}: {what[:1].lower()}{what[1:]}.", param=param)


def _wrong_choice(param: str, value: str, choices: Sequence[Choices], record: Any) -> RequestError:
    """The error for a value that is none of those that a field can have."""
    for choice in choices:
        if choice.field.fullmatch(param):
            return RequestError("unsupported_parameter", choice.message.replace("{value}", value), param=param)
    if param.endswith("role"):
        roles = "must be `system`, `developer`, `user`, `assistant`, `tool` or `function`, not"
        return RequestError("invalid_value", f"`{param}` {roles} {value}.", param=param)
    allowed = [f"`{name}`" for name in allowed_values(record, param)]
    only = f", only {' or '.join(filter(None, (', '.join(allowed[:-1]), allowed[-1])))}" if allowed else ""
    return RequestError("invalid_value", f"`{param}` cannot be {value}{only}.", param=param)
