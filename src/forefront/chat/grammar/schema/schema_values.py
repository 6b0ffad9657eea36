"""Values within JSON schemas, and the keywords that constrain them."""

from collections.abc import Mapping
from typing import Any

from forefront.chat.grammar.schema.schema_intersection import Flat, same_json


def admits(schema: Flat, value: Any) -> bool:
    """Whether the bounds beside an `enum` allow a value of it."""
    if isinstance(value, str):
        size = len(value)
        return bool(at_least(schema, "minLength", size) and at_most(schema, "maxLength", size))
    if isinstance(value, int | float) and not isinstance(value, bool):
        return bool(at_least(schema, "minimum", value) and at_most(schema, "maximum", value))
    return True


def at_least(schema: Flat, keyword: str, value: float) -> bool:
    bound = schema.get(keyword)
    return not isinstance(bound, int | float) or isinstance(bound, bool) or value >= bound


def at_most(schema: Flat, keyword: str, value: float) -> bool:
    bound = schema.get(keyword)
    return not isinstance(bound, int | float) or isinstance(bound, bool) or value <= bound


def listed_values(schema: Mapping[str, Any]) -> list[Any] | None:
    """The values of `enum` and `const`, None without either."""
    listed = schema.get("enum")
    values = listed if isinstance(listed, list) else None
    if "const" in schema:
        values = [schema["const"]] if values is None or any(same_json(schema["const"], v) for v in values) else []
    return values


def type_of(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    kinds = ((int, "integer"), (float, "number"), (str, "string"), (list, "array"))
    return next((name for kind, name in kinds if isinstance(value, kind)), "object")


def has_type(value: Any, types: list[str]) -> bool:
    name = type_of(value)
    if name == "integer":
        return "integer" in types or "number" in types
    return name in types or (name == "number" and "integer" in types and float(value).is_integer())


def is_among(value: Any, values: list[Any]) -> bool:
    return any(same_json(value, other) for other in values)


def mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def names_in(value: Any) -> list[str]:
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []


def is_closed(schema: Flat) -> bool:
    return schema.get("additionalProperties", False) is False and not schema.get("patternProperties")
