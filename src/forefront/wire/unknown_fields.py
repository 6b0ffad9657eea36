"""Fields that no struct has: let through by name, refused, or taken for a slip of the pen."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, get_args, get_origin

import msgspec

from forefront.wire.errors import ApiError
from forefront.wire.message import Message
from forefront.wire.near_names import NearNames
from forefront.wire.request import ChatRequest, CompletionRequest

_MAX_UNKNOWN: Final = 64


@dataclass(frozen=True, slots=True)
class Refusal:
    """A field that would change what the answer means, so that ignoring it would be a lie. Under `harmless` values it
    asks for nothing and is let through in silence."""

    why: str
    harmless: tuple[Any, ...] = ()


_OF_BOTH: Final = {
    "store": Refusal("nothing is stored here", (False,)),
    "functions": Refusal("use `tools`", ([],)),
    "function_call": Refusal("use `tool_choice`", ("none", "auto")),
    "audio": Refusal("the models here write text alone"),
    "modalities": Refusal("the models here write text alone", (["text"],)),
    "web_search_options": Refusal("nothing is searched here"),
}
REFUSED: Final[dict[type, dict[str, Refusal]]] = {
    ChatRequest: _OF_BOTH,
    CompletionRequest: {
        "store": _OF_BOTH["store"],
        "suffix": Refusal("the models here write on, not in between", ("",)),
        "best_of": Refusal("every choice is returned; use `n`", (1,)),
    },
    Message: {
        "function_call": Refusal("use `tool_calls`"),
        "audio": Refusal("the models here read text alone"),
    },
}
# Fields of the OpenAI API that are advice to a provider, or labels for its books: not keeping them changes no answer.
# They are checked for nothing and named among the ignored ones.
ADVICE: Final = frozenset(
    {
        "user", "metadata", "service_tier", "prompt_cache_key", "prompt_cache_retention", "safety_identifier",
        "prediction", "verbosity",
    }
)  # fmt: skip


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same JSON; to Python, false is 0 and true is 1."""
    return bool(one == other) and isinstance(one, bool) is isinstance(other, bool)


def ignored_fields(fields: dict[str, Any], kind: type[msgspec.Struct]) -> tuple[str, ...]:
    """The paths of the fields, at any depth, that `kind` does not have and that are let through.

    Raises `ApiError` for one that is refused by name, and for one whose name is nearly that of a known one.
    """
    ignored: list[str] = []
    for path in _unknown(fields, kind, ""):
        if len(ignored) == _MAX_UNKNOWN:
            text = f"More than {_MAX_UNKNOWN} unknown parameters."
            raise ApiError("unknown_parameter", text, param=path[:80])
        ignored.append(path)
    return tuple(ignored)


def _unknown(fields: dict[str, Any], kind: type[msgspec.Struct], path: str) -> Iterator[str]:
    known = _fields_of(kind)
    tag = kind.__struct_config__.tag_field
    for name, value in fields.items():
        if name in known:
            yield from _within(value, known[name], path + name)
        elif value is not None and name != tag and not _is_let_through(name, value, kind, path):
            yield path + name


@cache
def _fields_of(kind: type[msgspec.Struct]) -> dict[str, Any]:
    return {field.name: field.type for field in msgspec.structs.fields(kind)}


def _within(value: Any, kind: Any, path: str) -> Iterator[str]:
    """The unknown fields of the structs that `value` holds, where its type says that it holds any."""
    if isinstance(value, dict):
        if struct := _struct_for(value, kind):
            yield from _unknown(value, struct, path + ".")
    elif isinstance(value, list):
        for entries in _lists_of_structs(kind):
            for index, entry in enumerate(value):
                yield from _within(entry, entries, f"{path}[{index}]")


@cache
def _lists_of_structs(kind: Any) -> tuple[Any, ...]:
    """What the lists of a type hold, where that may be structs: a million of texts need not be looked at."""
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
    """The structs of a union, each with the field that tells it from the others and its value there."""
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


def _is_let_through(name: str, value: Any, kind: type[msgspec.Struct], path: str) -> bool:
    """Whether an unknown field asks for nothing. Raises for one that cannot be ignored in good faith."""
    refused = REFUSED.get(kind, {})
    if name in refused:
        if any(same(value, harmless) for harmless in refused[name].harmless):
            return True
        text = f"`{path}{name}` is not supported: {refused[name].why}."
        raise ApiError("unsupported_parameter", text, param=path + name)
    top = not path
    if top and name in ADVICE:
        return False
    if (near := _near_names(kind, top=top).find(name)) is not None:
        text = f"`{path}{name}` is not a parameter; did you mean `{near}`?"
        raise ApiError("unknown_parameter", text, param=path + name)
    return False


@cache
def _near_names(kind: type[msgspec.Struct], *, top: bool) -> NearNames:
    """The names that a misspelt one may stand for; one of the refused list is as good a guess as a known one."""
    return NearNames([*_fields_of(kind), *REFUSED.get(kind, ()), *(ADVICE if top else ())])
