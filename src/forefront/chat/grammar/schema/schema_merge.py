"""Normal form of JSON schemas: references followed, `allOf` merged, alternatives in groups."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

from forefront.chat.grammar.schema.schema_intersection import GROUPS, Flat, NoValueError, intersect_schemas
from forefront.chat.grammar.schema.schema_report import SchemaReport
from forefront.wire.completions.tools import TEXT_GRAMMAR

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
            found = intersect_schemas(found, self.part(self.target(reference, path), path, depth + 1))
        if "allOf" in schema and self._report.is_list_of_schemas(path, "allOf", schema["allOf"]):
            for place, part in enumerate(schema["allOf"]):
                found = intersect_schemas(found, self.part(part, f"{path}.allOf[{place}]", depth + 1))
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
