"""The JSON types that a schema admits."""

from typing import Final

from forefront.chat.grammar.schema.schema_intersection import Flat
from forefront.chat.grammar.schema.schema_report import SchemaReport
from forefront.chat.grammar.schema.schema_values import listed_values, type_of
from forefront.wire.completions.tools import TEXT_GRAMMAR

_TYPES: Final = ("object", "array", "string", "number", "integer", "boolean", "null")
# Keywords that constrain one type only: a schema that has them and no `type` means that type.
_TYPE_OF: Final = {
    **dict.fromkeys(
        ("properties", "required", "additionalProperties", "patternProperties", "propertyNames", "minProperties",
         "maxProperties"), "object",
    ),
    **dict.fromkeys(("items", "prefixItems", "minItems", "maxItems", "uniqueItems", "contains"), "array"),
    **dict.fromkeys(("minLength", "maxLength", "pattern", "format", TEXT_GRAMMAR), "string"),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"), "number"),
}  # fmt: skip


def types_of(schema: Flat, path: str, report: SchemaReport) -> list[str]:
    """The types that values may have."""
    given = schema.get("type")
    names = given if isinstance(given, list) else [] if given is None else [given]
    known = [name for name in names if name in _TYPES]
    if len(known) < len(names) or (given is not None and not names):
        report.malformed(path, "type", "it is not a type of JSON Schema")
    if not known:
        values = listed_values(schema)
        if values is not None:
            return list(dict.fromkeys(type_of(value) for value in values))
        implied = dict.fromkeys(_TYPE_OF[keyword] for keyword in schema if keyword in _TYPE_OF)
        known = list(implied) or [name for name in _TYPES if name != "integer"]
    if "number" in known and "integer" in known:
        known.remove("integer")
    return list(dict.fromkeys(known))
