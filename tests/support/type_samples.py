"""Sample values of the request parameters that an SDK's types declare."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import UnionType
from typing import IO, Annotated, Any, Literal, NotRequired, Required, Union, get_args, get_origin, get_type_hints

from typing_extensions import is_typeddict

_PLAIN: dict[Any, tuple[Any, ...]] = {
    bool: (True, False),
    int: (1,),
    float: (0.5,),
    str: ("text",),
    object: ({"type": "object", "properties": {}},),
    Any: ({"type": "object", "properties": {}},),
}


def samples(kind: Any, within: tuple[Any, ...] = ()) -> Iterator[Any]:
    """Values that together have every literal, union member and key of `kind`, the plainest first. An object beside
    its required keys has one other at a time. `within` are the objects around, which are not entered again."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is type(None):
        yield None
    elif kind in _PLAIN:
        yield from _PLAIN[kind]
    elif origin in (Required, NotRequired, Annotated):
        yield from samples(arguments[0], within)
    elif origin in (Union, UnionType):
        for member in arguments:
            yield from samples(member, within)
    elif origin is Literal:
        yield from arguments
    elif is_typeddict(kind):
        yield from () if kind in within else _objects(kind, (*within, kind))
    elif origin in (list, Iterable, Sequence):
        yield from ([value] for value in samples(arguments[0], within) if value is not None)
        yield []
    elif origin in (dict, Mapping):
        yield from ({"1": value} for value in samples(arguments[1], within))
        yield {}
    elif origin is not IO and not isinstance(kind, type):  # files and the package's own objects, sent as what they hold
        raise TypeError(f"no samples of {kind}")


def _objects(kind: Any, within: tuple[Any, ...]) -> Iterator[dict[str, Any]]:
    hints = get_type_hints(kind, include_extras=True)
    values = {name: list(samples(hint, within)) for name, hint in hints.items()}
    needed = {name for name, hint in hints.items() if name in kind.__required_keys__ or get_origin(hint) is Required}
    if not all(values[name] for name in needed):
        return
    base = {name: values[name][0] for name in hints if name in needed}
    yield base
    for name, options in values.items():
        yield from (base | {name: value} for value in options[name in needed :])
