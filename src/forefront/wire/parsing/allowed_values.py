"""The values of a field that has a fixed set of them, for the error about another value."""

import re
from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

_INDEX: Final = re.compile(r"\[[^\]]*\]")


def allowed_values(kind: Any, path: str) -> list[str]:
    """The strings that the field at `path`, such as `tools[0].type`, can be in a record of the type `kind`, in their
    order. Empty for a field without a fixed set."""
    kinds = [kind]
    for name in _INDEX.sub(".[]", path).split("."):
        kinds = [inner for outer in kinds for plain in _plain(outer) for inner in _field(plain, name)]
    values = [value for outer in kinds for plain in _plain(outer) for value in _values(plain)]
    return list(dict.fromkeys(values))


def _plain(kind: Any) -> Iterator[Any]:
    """The members of a union, without annotations."""
    origin = get_origin(kind)
    if origin is Annotated:
        yield from _plain(get_args(kind)[0])
    elif origin in (Union, UnionType):
        for member in get_args(kind):
            yield from _plain(member)
    else:
        yield kind


def _field(kind: Any, name: str) -> Iterator[Any]:
    """The type of a field of a record, or of the items of a list or a mapping, whose name is `[]`."""
    if name == "[]":
        yield from get_args(kind)[-1:]
    elif isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        hints = get_type_hints(kind)
        if name in hints:
            yield hints[name]
        elif name == kind.__struct_config__.tag_field:
            yield Literal[kind.__struct_config__.tag]


def _values(kind: Any) -> Iterator[str]:
    if get_origin(kind) is Literal:
        yield from (value for value in get_args(kind) if isinstance(value, str))
