"""Bodies and queries of the admin API as records; an error names the field."""

import re
import time
import unicodedata
from typing import Annotated, Any, Final, Literal, TypeVar, get_args

import msgspec
from msgspec import Meta

from forefront.wire.admin.history import HistoryGroup, HistoryRange, KeyLimits
from forefront.wire.admin.records import Budget, ModelName, Name, NewKey, ProjectName, ProjectSettings
from forefront.wire.errors import RequestError
from forefront.wire.parsing.json_reader import read_json
from forefront.wire.parsing.validation_errors import validation_error

T = TypeVar("T")

_DAY: Final = r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])\Z"
# Categories of Unicode: controls, format characters, separators of lines, surrogates, private and unassigned ones.
_UNSEEN: Final = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs", "Co", "Cn"})
_DOUBLED = re.compile(r"\s\s")
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<field>[^`]*)`(?: - at `\$\.?(?P<path>[^`]*)`)?")


class ReportQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The query of `GET /admin/usage`: `by=day,model`, and what the sums are of."""

    by: list[Literal["day", "key", "project", "model"]] = msgspec.field(default_factory=lambda: ["day"])
    since: Annotated[str, Meta(pattern=_DAY)] | None = None
    until: Annotated[str, Meta(pattern=_DAY)] | None = None
    key: Name | None = None
    project: Name | None = None
    model: ModelName | None = None


class HistoryQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The query of `GET /admin/history`: the range, the groups, and one model, project or key."""

    range: HistoryRange = "hour"
    by: HistoryGroup = "model"
    model: ModelName | None = None
    project: Name | None = None
    key: Name | None = None


def parse_new_key(body: bytes | bytearray) -> NewKey:
    """The body of `POST /admin/keys`. Raises `RequestError` 400 or 422."""
    wanted = convert_or_raise(_read(body), NewKey)
    check_new_key(wanted)
    return wanted


def parse_project_settings(body: bytes | bytearray) -> ProjectSettings:
    """The body of `PUT /admin/projects/{name}`. Raises `RequestError` 400 or 422."""
    settings = convert_or_raise(_read(body), ProjectSettings)
    check_budget(settings.budget)
    return settings


def parse_key_limits(body: bytes | bytearray) -> KeyLimits:
    """The body of `PUT /admin/keys/{id}/limits`. Raises `RequestError` 400 or 422."""
    limits = convert_or_raise(_read(body), KeyLimits)
    check_budget(limits.budget)
    return limits


def _read(body: bytes | bytearray) -> Any:
    """The body's value. Names are kept as they are, so nothing in them is replaced."""
    return read_json(body, replace_surrogates=False)


def parse_project_name(text: str) -> str:
    """The name of a project in a path. Raises `RequestError` 422."""
    try:
        return msgspec.convert(text, ProjectName)
    except msgspec.ValidationError:
        text = (
            "A project's name has 1 to 64 letters, digits, dots, dashes and underscores, the first a letter or digit."
        )
        raise RequestError("invalid_value", text, param="name") from None


def parse_report_query(query: dict[str, str]) -> ReportQuery:
    """The query of `GET /admin/usage`. Raises `RequestError` 422."""
    fields: dict[str, Any] = dict(query)
    if "by" in fields:
        fields["by"] = list(dict.fromkeys(part for part in fields["by"].split(",") if part))
    for name in ("since", "until"):
        if name in fields and not re.match(_DAY, fields[name]):
            raise RequestError("invalid_value", f"`{name}` must be a day such as 2026-01-31.", param=name)
    try:
        return msgspec.convert(fields, ReportQuery)
    except msgspec.ValidationError as error:
        if "enum" in str(error):
            text = "`by` takes `day`, `key`, `project` and `model`, separated by commas."
            raise RequestError("invalid_value", text, param="by") from None
        raise named_error(error, ReportQuery) from None


def parse_history_query(query: dict[str, str]) -> HistoryQuery:
    """The query of `GET /admin/history`. Raises `RequestError` 422."""
    for name, kind in (("range", HistoryRange), ("by", HistoryGroup)):
        if name in query and query[name] not in get_args(kind):
            values = ", ".join(f"`{value}`" for value in get_args(kind))
            raise RequestError("invalid_value", f"`{name}` must be one of {values}.", param=name)
    return convert_or_raise(query, HistoryQuery)


def convert_or_raise(value: Any, kind: type[T]) -> T:
    """`value` as a record. Raises `RequestError` 400 or 422 that names the field."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise named_error(error, kind) from None


def check_new_key(wanted: NewKey) -> None:
    """Raise `RequestError` for a name with invisible characters, an empty budget, or an expiry in the past."""
    _check_text(wanted.name, "name")
    for index, model in enumerate(wanted.models or ()):
        _check_text(model, f"models[{index}]")
    check_budget(wanted.budget)
    if wanted.expires is not None and wanted.expires <= time.time():
        raise RequestError("invalid_value", "`expires` must be in the future.", param="expires")


def check_budget(budget: Budget | None) -> None:
    """Raise `RequestError` for a budget without tokens and money."""
    if budget is not None and budget.tokens is None and budget.money is None:
        raise RequestError("missing_parameter", "A budget needs `tokens`, `money` or both.", param="budget.tokens")


def _check_text(text: str, param: str) -> None:
    """Raise `RequestError` for characters that cannot be seen or that reorder others, and for whitespace that gets
    lost.

    Two names must not look the same. Letters, digits and signs of all scripts are fine.
    """
    for char in text:
        if unicodedata.category(char) in _UNSEEN:
            rule = "must not contain control, format, private or unassigned characters"
            raise RequestError("invalid_value", f"`{param}` {rule}, such as U+{ord(char):04X}.", param=param)
    if text != text.strip() or _DOUBLED.search(text):
        message = f"`{param}` must not begin or end with whitespace, nor contain consecutive whitespace."
        raise RequestError("invalid_value", message, param=param)


def named_error(error: msgspec.ValidationError, record: Any) -> RequestError:
    """The error of a value of the type `record` that names the field."""
    if match := _UNKNOWN.fullmatch(str(error)):
        param = ".".join(part for part in (match["path"], match["field"]) if part)
        return RequestError("unknown_parameter", f"`{param[:128]}` is not a parameter.", param=param[:128])
    return validation_error(str(error), record=record)
