"""Normal form of JSON schemas: references followed, `allOf` merged, alternatives in groups."""

import json
import math
import re
from collections.abc import Mapping
from decimal import Decimal
from itertools import zip_longest
from typing import Any, Final
from urllib.parse import unquote

from forefront.chat.grammar.schema.schema_report import SchemaReport
from forefront.wire.completions.tools import TEXT_GRAMMAR

# Alternatives are kept under this key, as a list of (keyword, options): every group has to hold.
GROUPS: Final = "#groups"
# Keywords without an effect on validity, or whose effect is included elsewhere.
_NO_CONSTRAINT: Final = frozenset({"$ref", "$dynamicRef", "$recursiveRef", "allOf", "anyOf", "oneOf"})
KEYWORDS: Final = frozenset(
    {
        "type", "enum", "const", "not", "if", "then", "else", "properties", "required", "additionalProperties",
        "patternProperties", "propertyNames", "minProperties", "maxProperties", "dependentRequired",
        "dependentSchemas", "dependencies", "unevaluatedProperties", "items", "prefixItems", "additionalItems",
        "unevaluatedItems", "minItems", "maxItems", "uniqueItems", "contains", "minContains", "maxContains",
        "minLength", "maxLength", "pattern", "format", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
        "multipleOf", "contentEncoding", TEXT_GRAMMAR,
    }
)  # fmt: skip
_ITEMS: Final = ("items", "prefixItems", "additionalItems")
_GREATEST: Final = frozenset({"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "minContains"})
_LEAST: Final = frozenset({"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties", "maxContains"})
# Constraints of strings and numbers, and of the sizes of arrays and objects.
_OF_LEAVES: Final = frozenset(
    {
        "pattern", "format", "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
        "multipleOf", "minItems", "maxItems", "minProperties", "maxProperties", "uniqueItems", "propertyNames",
    }
)  # fmt: skip
# Keywords whose members are values instead of schemas.
_VALUES: Final = frozenset({"const", "enum", "default", "examples"})
_MAX_DEPTH: Final = 64

Flat = dict[str, Any]


class NoValueError(Exception):
    """No value satisfies a schema."""


class SchemaMerger:
    """Resolves the parts of one schema, `root`."""

    def __init__(self, root: Mapping[str, Any], report: SchemaReport) -> None:
        self._root = root
        self._report = report
        self._anchors: dict[str, list[Any]] | None = None

    def flat(self, schema: Any, path: str, depth: int = 0) -> Flat:
        """`schema` without references and `allOf`. Raises `NoValueError`."""
        if schema is False:
            raise NoValueError
        if not isinstance(schema, Mapping):
            if schema is not True:
                self._report.malformed(path, "", "it is neither an object nor a boolean")
            return {GROUPS: []}
        if depth > _MAX_DEPTH:
            raise NoValueError
        schema = _without_nulls(schema)
        found: Flat = {key: value for key, value in schema.items() if key in KEYWORDS}
        if self._report.relaxed:
            for key in [key for key in found if key in _OF_LEAVES]:
                self._report.leave_out(path, key, "the grammar is too complex")
                del found[key]
        found[GROUPS] = [
            (keyword, schema[keyword])
            for keyword in ("anyOf", "oneOf")
            if keyword in schema and self._report.is_list_of_schemas(path, keyword, schema[keyword])
        ]
        reference = reference_of(schema)
        if reference is not None:
            found = merge_schemas(found, self.part(self.target(reference, path), path, depth + 1))
        if "allOf" in schema and self._report.is_list_of_schemas(path, "allOf", schema["allOf"]):
            for place, part in enumerate(schema["allOf"]):
                found = merge_schemas(found, self.part(part, f"{path}.allOf[{place}]", depth + 1))
        return found

    def part(self, schema: Any, path: str, depth: int = 0) -> Flat:
        """`flat` of a schema that other keywords apply beside: its `unevaluatedProperties` concern its own properties
        alone. Raises `NoValueError`."""
        found = self.flat(schema, path, depth)
        if "unevaluatedProperties" in found:
            rest = found.pop("unevaluatedProperties")
            if found[GROUPS]:
                self._report.leave_out(path, "unevaluatedProperties", "it depends on alternatives beside it")
            else:
                found.setdefault("additionalProperties", rest)
        return found

    def target(self, reference: str, path: str) -> Any:
        """The target of a reference; any value if it is not in the schema."""
        if reference in ("#", "#meta"):
            return self._root
        found: Any = self._root
        if reference.startswith("#/"):
            for step in reference[2:].split("/"):
                key = unquote(step).replace("~1", "/").replace("~0", "~")
                if isinstance(found, list) and key.isdecimal() and int(key) < len(found):
                    found = found[int(key)]
                elif isinstance(found, Mapping) and key in found:
                    found = found[key]
                else:
                    found = None
                    break
        else:
            targets = self._anchored().get(reference, [])
            if len(targets) > 1:
                self._report.leave_out(path, "$ref", "it has several targets within the schema")
                return True
            found = targets[0] if targets else None
        if found is None:
            is_own = reference.startswith("#") and not self._has_inner_schemas()
            lacks = self._report.malformed if is_own else self._report.leave_out
            lacks(path, "$ref", "it has no target in the schema")
            return True
        return found

    def _has_inner_schemas(self) -> bool:
        """Whether a part has an `$id` of its own, to which references within it are relative."""
        return any(
            part is not self._root
            for name, parts in self._anchored().items()
            if not name.startswith("#")
            for part in parts
        )

    def _anchored(self) -> dict[str, list[Any]]:
        """Parts of the schema by `$id` and by `#` with `$anchor`."""
        if self._anchors is None:
            self._anchors = {}
            waiting: list[Any] = [self._root]
            while waiting:
                part = waiting.pop()
                if isinstance(part, Mapping):
                    for key, prefix in (("$id", ""), ("id", ""), ("$anchor", "#"), ("$dynamicAnchor", "#")):
                        if isinstance(part.get(key), str):
                            self._anchors.setdefault(prefix + part[key], []).append(part)
                    waiting += [value for key, value in part.items() if key not in _VALUES]
                elif isinstance(part, list):
                    waiting += part
        return self._anchors


def reference_of(schema: Mapping[str, Any]) -> str | None:
    """The schema's reference, if it has one."""
    for keyword in ("$ref", "$dynamicRef", "$recursiveRef"):
        if isinstance(schema.get(keyword), str):
            return str(schema[keyword])
    return None


def is_reference_alone(schema: Any) -> bool:
    """Whether a schema is a reference and nothing else but annotations."""
    if not isinstance(schema, Mapping) or reference_of(schema) is None:
        return False
    return not any(key in KEYWORDS or key in ("allOf", "anyOf", "oneOf") for key in _without_nulls(schema))


def _without_nulls(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Programs that write every field of a schema's class write null for the keywords that they do not use."""
    return {key: value for key, value in schema.items() if value is not None or key == "const"}


def merge_schemas(first: Flat, second: Flat) -> Flat:
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
        elif key not in found or _same(found[key], value):
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
            return [value for value in first if any(_same(value, other) for other in second)]
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
    if first is True or _same(first, second):
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


def _same(first: Any, second: Any) -> bool:
    """Whether two values are the same JSON."""
    if isinstance(first, bool) is not isinstance(second, bool):
        return False
    if isinstance(first, list | Mapping) or isinstance(second, list | Mapping):
        return json.dumps(first, sort_keys=True, default=str) == json.dumps(second, sort_keys=True, default=str)
    return bool(first == second)


same_json = _same
