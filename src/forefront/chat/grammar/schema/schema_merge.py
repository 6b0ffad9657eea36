"""JSON schemas brought to one form: references followed, `allOf` merged, alternatives in groups."""

import json
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from forefront.chat.grammar.schema.schema_report import SchemaReport
from forefront.wire.completions.tools import TEXT_GRAMMAR

# Alternatives are kept under this key, as a list of (keyword, options): every group has to hold.
GROUPS: Final = "#groups"
# Keywords without an effect on what is valid, or whose effect is taken in elsewhere.
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
_GREATEST: Final = frozenset({"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "minContains"})
_LEAST: Final = frozenset({"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties", "maxContains"})
# What strings and numbers must be, how many parts arrays and objects have.
_OF_LEAVES: Final = frozenset(
    {
        "pattern", "format", "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
        "multipleOf", "minItems", "maxItems", "minProperties", "maxProperties", "uniqueItems", "propertyNames",
    }
)  # fmt: skip
_MAX_DEPTH: Final = 64

Flat = dict[str, Any]


class NoValueError(Exception):
    """No value satisfies a schema."""


class SchemaMerger:
    """Resolves the parts of one schema, `root`."""

    def __init__(self, root: Mapping[str, Any], report: SchemaReport) -> None:
        self._root = root
        self._report = report
        self._anchors: dict[str, Any] | None = None

    def flat(self, schema: Any, path: str, depth: int = 0) -> Flat:
        """`schema` without references and `allOf`. Raises `NoValueError`."""
        if schema is False:
            raise NoValueError
        if not isinstance(schema, Mapping):
            if schema is not True:
                self._report.leave_out(path, "", "it is neither an object nor a boolean")
            return {GROUPS: []}
        if depth > _MAX_DEPTH:
            raise NoValueError
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
            found = merged(found, self.flat(self.target(reference, path), path, depth + 1))
        if "allOf" in schema and self._report.is_list_of_schemas(path, "allOf", schema["allOf"]):
            for place, part in enumerate(schema["allOf"]):
                found = merged(found, self.flat(part, f"{path}.allOf[{place}]", depth + 1))
        return found

    def target(self, reference: str, path: str) -> Any:
        """The target of a reference; any value if it is not in the schema."""
        if reference in ("#", "#meta"):
            return self._root
        found: Any = self._root
        if reference.startswith("#/"):
            for step in reference[2:].split("/"):
                key = step.replace("~1", "/").replace("~0", "~").replace("%25", "%").replace("%22", '"')
                if isinstance(found, list) and key.isdecimal() and int(key) < len(found):
                    found = found[int(key)]
                elif isinstance(found, Mapping) and key in found:
                    found = found[key]
                else:
                    found = None
                    break
        else:
            found = self._anchored().get(reference)
        if found is None:
            self._report.leave_out(path, "$ref", "it points to nothing within the schema")
            return True
        return found

    def _anchored(self) -> dict[str, Any]:
        """Parts of the schema by `$id` and by `#` with `$anchor`."""
        if self._anchors is None:
            self._anchors = {}
            waiting: list[Any] = [self._root]
            while waiting:
                part = waiting.pop()
                if isinstance(part, Mapping):
                    for key, prefix in (("$id", ""), ("id", ""), ("$anchor", "#"), ("$dynamicAnchor", "#")):
                        if isinstance(part.get(key), str):
                            self._anchors.setdefault(prefix + part[key], part)
                    waiting += part.values()
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
    return not any(key in KEYWORDS or key in ("allOf", "anyOf", "oneOf") for key in schema)


def merged(first: Flat, second: Flat) -> Flat:
    """The schema of values that both allow. Raises `NoValueError`."""
    found = dict(first)
    _allow_each_others_properties(found, second)
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
        case "prefixItems" if isinstance(first, list) and isinstance(second, list):
            common = [{"allOf": [one, other]} for one, other in zip(first, second, strict=False)]
            return common + first[len(common) :] + second[len(common) :]
        case "items" | "additionalProperties" | "propertyNames" | "contains":
            return False if False in (first, second) else {"allOf": [first, second]}
    return second


def _properties(first: Flat, second: Flat) -> dict[str, Any]:
    """The named properties of both. A name that the other schema does not have must be allowed there."""
    mine, others = first.get("properties"), second["properties"]
    mine = mine if isinstance(mine, Mapping) else {}
    found = {}
    for key in [*mine, *(key for key in others if key not in mine)]:
        if key in mine and key in others:
            found[key] = mine[key] if _same(mine[key], others[key]) else {"allOf": [mine[key], others[key]]}
        else:
            part, other = (mine[key], second) if key in mine else (others[key], first)
            found[key] = _restricted(part, other)
    return found


def _allow_each_others_properties(found: Flat, second: Flat) -> None:
    """Named properties of the first that the second, which names none, restricts."""
    if isinstance(found.get("properties"), Mapping) and "properties" not in second:
        found["properties"] = {key: _restricted(part, second) for key, part in found["properties"].items()}


def _restricted(part: Any, other: Flat) -> Any:
    more = other.get("additionalProperties", True)
    if more is True or isinstance(other.get("patternProperties"), Mapping):
        return part
    return False if more is False else {"allOf": [part, more]}


def _common_types(first: Any, second: Any) -> list[str]:
    mine, others = set(_as_list(first)), set(_as_list(second))
    for one, other in ((mine, others), (others, mine)):
        if "number" in one and "integer" in other:
            one.add("integer")
    common = [name for name in _as_list(first) + _as_list(second) if name in mine & others]
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
