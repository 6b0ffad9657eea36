"""The types of arguments in the JSON schema of a tool, for formats that do not write arguments as JSON."""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

ANY: Final = frozenset({"string", "number", "integer", "boolean", "null", "object", "array"})
_DEPTH = 16


def properties(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that the schema names, each with its own schema; a reference at the top is followed."""
    found = resolve(schema, schema).get("properties")
    return dict(found) if isinstance(found, Mapping) else {}


def required(schema: Mapping[str, Any]) -> frozenset[str]:
    """The arguments that must be given."""
    found = resolve(schema, schema).get("required")
    return frozenset(name for name in found if isinstance(name, str)) if isinstance(found, list) else frozenset()


def is_open(schema: Mapping[str, Any]) -> bool:
    """Whether the schema allows arguments that it does not name."""
    top = resolve(schema, schema)
    return bool(top.get("additionalProperties", "properties" not in top))


def types(part: Any, root: Mapping[str, Any], depth: int = 0) -> frozenset[str]:
    """The JSON types that a value of `part`, a part of the schema `root`, may have."""
    part = resolve(part, root)
    if depth > _DEPTH:
        return ANY
    allowed = ANY
    match part.get("type"):
        case str() as name:
            allowed = frozenset({name})
        case list() as names:
            allowed = frozenset(name for name in names if isinstance(name, str))
    if "number" in allowed:
        allowed |= {"integer"}
    values = part["enum"] if isinstance(part.get("enum"), list) else [part["const"]] if "const" in part else None
    if values is not None:
        allowed &= frozenset(name for value in values for name in _type_names(value))
    for keyword in ("anyOf", "oneOf"):
        if isinstance(part.get(keyword), list):
            allowed &= frozenset[str]().union(*(types(option, root, depth + 1) for option in part[keyword]))
    for option in part["allOf"] if isinstance(part.get("allOf"), list) else ():
        allowed &= types(option, root, depth + 1)
    return allowed


def enumerated(part: Any, root: Mapping[str, Any]) -> list[Any] | None:
    """All allowed values, if the schema lists them."""
    part = resolve(part, root)
    if "const" in part:
        return [part["const"]]
    return part["enum"] if isinstance(part.get("enum"), list) else None


def from_text(text: str, part: Any, root: Mapping[str, Any]) -> Any:
    """The value that `text` represents: JSON of a type that the schema allows, else, if it allows one, a string."""
    allowed = types(part, root)
    values = enumerated(part, root)
    if allowed == {"string"} or (values is not None and text in values):
        return text
    word = text.strip().lower()
    for candidate in (text, "null" if word == "none" else word):
        with suppress(ValueError, RecursionError):
            value = json.loads(candidate)
            if not isinstance(value, str):
                return _fitting(value, allowed, text)
    return text


def fit_to_schema(value: Any, part: Any, root: Mapping[str, Any]) -> Any:
    """A Python value converted to a type of the schema: a numeric string becomes a number where only numbers are
    allowed, and vice versa."""
    allowed = types(part, root)
    if isinstance(value, str):
        return value if "string" in allowed else from_text(value, part, root)
    return _fitting(value, allowed, value if isinstance(value, dict | list) else _text(value))


def standalone_schema(part: Any, root: Mapping[str, Any]) -> dict[str, Any]:
    """A part of a schema as a complete schema, with the definitions it refers to."""
    alone = dict(part) if isinstance(part, Mapping) else {}
    if not any(True for _ in _references(alone)):
        return alone
    moved: dict[str, Any] = _moved(alone)
    return moved | {"$defs": {"root": _moved(dict(root))}}


def _fitting(value: Any, allowed: frozenset[str], otherwise: Any) -> Any:
    if isinstance(value, float) and value.is_integer() and "number" not in allowed and "integer" in allowed:
        return int(value)
    return value if _type_names(value) & allowed or "string" not in allowed else otherwise


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _type_names(value: Any) -> frozenset[str]:
    match value:
        case None:
            return frozenset({"null"})
        case bool():
            return frozenset({"boolean"})
        case int():
            return frozenset({"integer", "number"})
        case float():
            return frozenset({"number"} | ({"integer"} if value.is_integer() else set()))
        case str():
            return frozenset({"string"})
        case list():
            return frozenset({"array"})
    return frozenset({"object"})


def resolve(part: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part, or its referent within `root`."""
    for _ in range(_DEPTH):
        if not isinstance(part, Mapping):
            return {}
        reference = part.get("$ref")
        if not isinstance(reference, str):
            return part
        part = _find(reference, root)
    return {}


def _find(reference: str, root: Mapping[str, Any]) -> Any:
    if not reference.startswith("#"):
        return None
    found: Any = root
    for step in reference[1:].split("/")[1:]:
        step = step.replace("~1", "/").replace("~0", "~")
        found = found.get(step) if isinstance(found, Mapping) else None
    return found


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, entry in value.items():
            if key == "$ref" and isinstance(entry, str):
                yield entry
            elif key not in ("enum", "const", "default", "examples"):
                yield from _references(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from _references(entry)


def _moved(value: Any) -> Any:
    """The same with references to the root turned to `#/$defs/root`."""
    if isinstance(value, Mapping):
        return {
            key: "#/$defs/root" + entry[1:]
            if key == "$ref" and isinstance(entry, str) and entry.startswith("#")
            else entry
            if key in ("enum", "const", "default", "examples")
            else _moved(entry)
            for key, entry in value.items()
        }
    return [_moved(entry) for entry in value] if isinstance(value, list) else value
