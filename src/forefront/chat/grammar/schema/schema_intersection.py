"""The intersection of two JSON schemas: the schema of values that both allow."""

import json
import math
import re
from collections.abc import Mapping
from decimal import Decimal
from itertools import zip_longest
from typing import Any, Final

# Alternatives are kept under this key, as a list of (keyword, options): every group has to hold.
GROUPS: Final = "#groups"
_ITEMS: Final = ("items", "prefixItems", "additionalItems")
_GREATEST: Final = frozenset({"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "minContains"})
_LEAST: Final = frozenset({"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties", "maxContains"})

Flat = dict[str, Any]


class NoValueError(Exception):
    """No value satisfies a schema."""


def intersect_schemas(first: Flat, second: Flat) -> Flat:
    """The schema of values that both allow. Raises `NoValueError`."""
    found = dict(first)
    _allow_each_others_properties(found, second)
    if any(key in first for key in _ITEMS) and any(key in second for key in _ITEMS):
        first = found = {key: value for key, value in found.items() if key not in _ITEMS} | _items(first, second)
        second = {key: value for key, value in second.items() if key not in _ITEMS}
    for key, value in second.items():
        if key == GROUPS:
            found[GROUPS] = [*first.get(GROUPS, []), *value]
        elif key == "properties" and isinstance(value, Mapping):
            found[key] = _properties(first, second)
        elif key not in found or same_json(found[key], value):
            found[key] = value
        else:
            found[key] = _merged_keyword(key, found[key], value)
    return found


def _merged_keyword(key: str, first: Any, second: Any) -> Any:
    if key in _GREATEST and _are_numbers(first, second):
        return max(first, second)
    if key in _LEAST and _are_numbers(first, second):
        return min(first, second)
    match key:
        case "type":
            return _common_types(first, second)
        case "enum" if isinstance(first, list) and isinstance(second, list):
            return [value for value in first if any(same_json(value, other) for other in second)]
        case "const":
            raise NoValueError
        case "required" if isinstance(first, list) and isinstance(second, list):
            return [*first, *(name for name in second if name not in first)]
        case "pattern" | "format" | "not":
            return (*_as_tuple(first), *_as_tuple(second))
        case "multipleOf" if isinstance(first, int) and isinstance(second, int):
            return math.lcm(first, second)
        case "uniqueItems":
            return True
        case "patternProperties" if isinstance(first, Mapping) and isinstance(second, Mapping):
            both = {pattern: {"allOf": [first[pattern], second[pattern]]} for pattern in first if pattern in second}
            return {**first, **second, **both}
        case "additionalProperties" | "propertyNames" | "contains":
            return _both(first, second)
    return second


def item_schemas(schema: Mapping[str, Any]) -> tuple[list[Any], Any]:
    """The schemas of the first items, and that of all others."""
    items = schema.get("items", True)
    if isinstance(items, list):  # drafts before 2020-12
        return items, schema.get("additionalItems", True)
    prefix = schema.get("prefixItems")
    return (prefix if isinstance(prefix, list) else []), items


def _items(first: Flat, second: Flat) -> Flat:
    """The items that both allow."""
    (items, more), (other_items, other_more) = item_schemas(first), item_schemas(second)
    pairs = zip_longest(items, other_items, fillvalue=None)
    prefix = [_both(more if item is None else item, other_more if other is None else other) for item, other in pairs]
    return {"prefixItems": prefix, "items": _both(more, other_more)}


def _both(first: Any, second: Any) -> Any:
    """The schema of values that both allow."""
    if False in (first, second):
        return False
    if first is True or same_json(first, second):
        return second
    return first if second is True else {"allOf": [first, second]}


def _properties(first: Flat, second: Flat) -> dict[str, Any]:
    """The named properties of both. A name that the other schema does not have must be allowed there."""
    named, more = first.get("properties"), second["properties"]
    named = named if isinstance(named, Mapping) else {}
    found = {}
    for key in [*named, *(key for key in more if key not in named)]:
        if key in named and key in more:
            found[key] = _both(named[key], more[key])
        else:
            part, other = (named[key], second) if key in named else (more[key], first)
            found[key] = _restricted(key, part, other)
    return found


def _allow_each_others_properties(found: Flat, second: Flat) -> None:
    """Named properties of the first that the second, which names none, restricts."""
    if isinstance(found.get("properties"), Mapping) and "properties" not in second:
        found["properties"] = {key: _restricted(key, part, second) for key, part in found["properties"].items()}


def _restricted(name: str, part: Any, other: Flat) -> Any:
    """The schema `part` of the property `name`, which `other` does not name. Patterns of `other` apply later."""
    patterns = other.get("patternProperties")
    if isinstance(patterns, Mapping) and any(matches(pattern, name) is not False for pattern in patterns):
        return part
    return _both(part, other.get("additionalProperties", True))


def matches(pattern: str, name: str) -> bool | None:
    """Whether a pattern of `patternProperties` matches a name; None where that is unknown."""
    try:
        return re.search(pattern, name, re.ASCII) is not None
    except (re.error, OverflowError, RecursionError):
        return None


def _common_types(first: Any, second: Any) -> list[str]:
    first_types, second_types = set(_as_list(first)), set(_as_list(second))
    for types, other in ((first_types, second_types), (second_types, first_types)):
        if "number" in types and "integer" in other:
            types.add("integer")
    common = [name for name in _as_list(first) + _as_list(second) if name in first_types & second_types]
    if (
        "number" in common
        and "integer" in common
        and not ("number" in _as_list(first) and "number" in _as_list(second))
    ):
        common.remove("number")
    if not common:
        raise NoValueError
    return list(dict.fromkeys(common))


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _are_numbers(*values: Any) -> bool:
    return all(isinstance(value, int | float | Decimal) for value in values)


def same_json(first: Any, second: Any) -> bool:
    """Whether two values are the same JSON."""
    if isinstance(first, bool) is not isinstance(second, bool):
        return False
    if isinstance(first, list | Mapping) or isinstance(second, list | Mapping):
        return json.dumps(first, sort_keys=True, default=str) == json.dumps(second, sort_keys=True, default=str)
    return bool(first == second)
