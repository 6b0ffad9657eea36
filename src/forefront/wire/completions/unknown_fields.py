"""Fields that no struct has: ignored and listed, refused, or recognised as a misspelling."""

import re
from functools import cache
from typing import Any, Final, get_args, get_origin

import msgspec

from forefront.wire.completions.refused_fields import FIELD_TABLES, FieldTables, Refusal
from forefront.wire.errors import RequestError
from forefront.wire.parsing.near_names import NearNames
from forefront.wire.parsing.value_checks import same_value

# A bound of names, not of occurrences: a long history may repeat a field of another client thousands of times.
_MAX_UNKNOWN: Final = 64
_INDEX: Final = re.compile(r"\[\d+\]")


class _Unknown(msgspec.Struct):
    """The unknown fields of one request: by name, each with the path of its first occurrence."""

    tables: FieldTables
    first: dict[str, str] = msgspec.field(default_factory=dict)

    def is_new(self, path: str) -> bool:
        """Record an unknown field. Returns whether it is the first of its name. Raises `RequestError` for too many
        names."""
        name = _INDEX.sub("[]", path)
        if name in self.first:
            return False
        if len(self.first) == _MAX_UNKNOWN:
            text = f"More than {_MAX_UNKNOWN} unknown parameters."
            raise RequestError("unknown_parameter", text, param=path[:80])
        self.first[name] = path
        return True


def ignored_fields(
    fields: dict[str, Any], kind: type[msgspec.Struct], tables: FieldTables = FIELD_TABLES
) -> tuple[str, ...]:
    """The fields, at any depth, that `kind` does not have and that are ignored: the first path of each name.

    Raises `RequestError` for one that is refused by name, and for one whose name is nearly that of a known one.
    """
    found = _Unknown(tables)
    _collect(fields, kind, "", found)
    return tuple(found.first.values())


def _collect(fields: dict[str, Any], kind: type[msgspec.Struct], path: str, found: _Unknown) -> None:
    """Add the unknown fields of one object, and of those within it, to `found`."""
    known, holders = _fields_of(kind)
    if fields.keys() <= known.keys():
        for name in filter(holders.__contains__, fields):
            value = fields[name]
            if isinstance(value, (dict, list)):
                _collect_within(value, known[name], path + name, found)
        return
    refused = found.tables.refused.get(kind, {})
    silent = found.tables.returned.get(kind, frozenset())
    tag = kind.__struct_config__.tag_field
    for name, value in fields.items():
        if name in known:
            if name in holders and isinstance(value, (dict, list)):
                _collect_within(value, known[name], path + name, found)
        elif value is None or name == tag or name in silent:
            continue
        elif name in refused:
            _check_refused(name, value, refused[name], path)
        elif found.is_new(path + name) and (path or name not in found.tables.advice):
            _check_spelling(name, kind, path, found.tables)


@cache
def _fields_of(kind: type[msgspec.Struct]) -> tuple[dict[str, Any], frozenset[str]]:
    """The types of the fields, and the names of those that may hold structs."""
    types = {field.name: field.type for field in msgspec.structs.fields(kind)}
    return types, frozenset(name for name, type_ in types.items() if _may_hold_structs(type_))


def _collect_within(value: Any, kind: Any, path: str, found: _Unknown) -> None:
    """The same for the objects that `value` holds, where its type has any."""
    if isinstance(value, dict):
        if struct := _struct_for(value, kind):
            _collect(value, struct, path + ".", found)
    elif isinstance(value, list):
        for entries in _lists_of_structs(kind):
            for index, entry in enumerate(value):
                _collect_within(entry, entries, f"{path}[{index}]", found)


@cache
def _lists_of_structs(kind: Any) -> tuple[Any, ...]:
    """The types of a type's list items, where they may be structs, so that a million texts are not visited."""
    lists = [get_args(option)[0] for option in _options(kind) if get_origin(option) is list]
    return tuple(entries for entries in lists if _may_hold_structs(entries))


@cache
def _may_hold_structs(kind: Any) -> bool:
    return bool(_lists_of_structs(kind)) or any(
        isinstance(option, type) and issubclass(option, msgspec.Struct) for option in _options(kind)
    )


def _struct_for(value: dict[str, Any], kind: Any) -> type[msgspec.Struct] | None:
    """The struct that `value` is read as; of several, the one whose tag it has."""
    for option, tag_field, tag in _structs(kind):
        if tag_field is None or value.get(tag_field) == tag:
            return option
    return None


@cache
def _structs(kind: Any) -> tuple[tuple[type[msgspec.Struct], str | None, Any], ...]:
    """The structs of a union, each with its tag field and tag."""
    return tuple(
        (option, option.__struct_config__.tag_field, option.__struct_config__.tag)
        for option in _options(kind)
        if isinstance(option, type) and issubclass(option, msgspec.Struct)
    )


@cache
def _options(kind: Any) -> tuple[Any, ...]:
    """The members of a union, without annotations."""
    if hasattr(kind, "__metadata__"):
        return _options(get_args(kind)[0])
    if isinstance(kind, type) or get_origin(kind) is list:
        return (kind,)
    return tuple(option for member in get_args(kind) for option in _options(member))


def _check_refused(name: str, value: Any, refusal: Refusal, path: str) -> None:
    """Raise `RequestError` 400 unless the value is harmless."""
    if not any(same_value(value, harmless) for harmless in refusal.harmless):
        text = f"`{path}{name}` is not supported: {refusal.why}."
        raise RequestError("unsupported_parameter", text, param=path + name)


def _check_spelling(name: str, kind: type[msgspec.Struct], path: str, tables: FieldTables) -> None:
    """Raise `RequestError` 422 for the name of an unknown field that is nearly a known one."""
    if (near := _near_names(kind, tables, top=not path).find(name)) is not None:
        text = f"`{path}{name}` is not a parameter; did you mean `{near}`?"
        raise RequestError("unknown_parameter", text, param=path + name)


@cache
def _near_names(kind: type[msgspec.Struct], tables: FieldTables, *, top: bool) -> NearNames:
    """The candidates for a misspelt name, among known and refused names."""
    return NearNames([*_fields_of(kind)[0], *tables.refused.get(kind, ()), *(tables.advice if top else ())])
