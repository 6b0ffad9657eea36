"""Compiler from JSON schemas to rules of a Lark grammar.

The JSON has the style of `json.dumps`, which is the most common in training data and excludes endless whitespace.
Properties come in the order of the schema. An object whose schema names properties is closed unless the schema says
otherwise.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from forefront.chat.grammar.schema.ecma_pattern import JSON_TEXT
from forefront.chat.grammar.schema.schema_array import array
from forefront.chat.grammar.schema.schema_disjoint import DisjointSchemas
from forefront.chat.grammar.schema.schema_intersection import GROUPS, Flat, NoValueError, intersect_schemas, same_json
from forefront.chat.grammar.schema.schema_leaves import STRING, number, string
from forefront.chat.grammar.schema.schema_merge import KEYWORDS, SchemaMerger, is_reference_alone, reference_of
from forefront.chat.grammar.schema.schema_object import object_of
from forefront.chat.grammar.schema.schema_report import SchemaReport, UnenforceableError
from forefront.chat.grammar.schema.schema_rules import SchemaRules
from forefront.chat.grammar.schema.schema_types import types_of
from forefront.chat.grammar.schema.schema_values import (
    admits,
    has_type,
    is_among,
    listed_values,
    type_of,
)
from forefront.chat.grammar.schema.text_grammar import TextGrammarError, lark_within, regex_within
from forefront.wire.completions.tools import TEXT_GRAMMAR

# Keywords that no context-free grammar of reasonable size can express.
_INEXPRESSIBLE: Final = (
    "if", "then", "else", "dependentRequired", "dependentSchemas", "dependencies", "unevaluatedItems", "contains",
)  # fmt: skip
_MAX_ALTERNATIVES: Final = 4096


class SchemaCompiler:
    """Compiles one schema, `root`; `path` leads to it within the request. Raises `UnenforceableError` for a strict
    schema that cannot be enforced, and `NoValueError` for one that no value satisfies."""

    def __init__(self, root: Any, rules: SchemaRules, report: SchemaReport, path: str) -> None:
        self.rules = rules
        self.report = report
        self._root = root
        self._path = path
        self._merger = SchemaMerger(root if isinstance(root, Mapping) else {}, report)
        self._references: dict[str, str] = {}  # reference → rule
        self._unsatisfiable: set[str] = set()  # references that no value satisfies
        self._alternatives = 0

    def compile(self) -> str:
        """A Lark expression for the JSON of the schema."""
        return self.value(self._root, self._path)

    def value(self, schema: Any, path: str) -> str:
        """A Lark expression for the JSON of a part of the schema."""
        if is_reference_alone(schema):
            return self._reference(reference_of(schema) or "#", path)
        return self._flat_value(self._merger.flat(schema, path), path)

    def flat(self, schema: Any, path: str) -> Flat:
        """See `SchemaMerger.flat`."""
        return self._merger.flat(schema, path)

    def _reference(self, reference: str, path: str) -> str:
        name = self._references.get(reference)
        if reference in self._unsatisfiable:
            raise NoValueError
        if name is None:
            name = self._references[reference] = self.rules.reserve()
            target = self._merger.target(reference, path)
            steps = reference[2:].replace("/", ".") if reference.startswith("#/") else ""
            try:
                self.rules.define(name, self.value(target, f"{self._path}.{steps}" if steps else self._path))
            except NoValueError:
                self._unsatisfiable.add(reference)
                self.rules.define(name, self.rules.nothing())  # for references to it from within
                raise
        return name

    def _flat_value(self, schema: Flat, path: str) -> str:
        for keyword in _INEXPRESSIBLE:
            if keyword in schema:
                self.report.leave_out(path, keyword, "it depends on other parts of the value")
        if schema[GROUPS]:
            return self._grouped(schema, path)
        excluded, types = self._excluded(schema, path)
        if "const" in schema or "enum" in schema:
            return self._enumerated(schema, path, types, excluded)
        options = []
        for name in types:
            try:
                options.append(self._typed(name, schema, path, excluded))
            except NoValueError:
                continue
        return self.rules.either(options)

    def _grouped(self, schema: Flat, path: str) -> str:
        """The first group of alternatives, each merged with the rest of the schema."""
        (keyword, options), *others = schema[GROUPS]
        rest: Flat = {**{key: value for key, value in schema.items() if key in KEYWORDS}, GROUPS: others}
        if keyword == "oneOf":
            self._check_disjoint(options, rest, path)
        alone = len(rest) == 1 and not others
        expressions = []
        for place, option in enumerate(options):
            self._alternatives += 1
            if self._alternatives > _MAX_ALTERNATIVES:
                self.report.leave_out(path, keyword, "too many combinations")
                break
            where = f"{path}.{keyword}[{place}]"
            try:
                if alone:
                    expressions.append(self.value(option, where))
                else:
                    flat = self._merger.part(option, where)
                    expressions.append(self._flat_value(intersect_schemas(rest, flat), where))
            except NoValueError:
                continue
        return self.rules.either(expressions)

    def _check_disjoint(self, options: list[Any], rest: Flat, path: str) -> None:
        """`oneOf` is enforced as `anyOf`, which is the same if no value satisfies two options."""
        flats = []
        for place, option in enumerate(options):
            try:
                flats.append(intersect_schemas(rest, self._merger.part(option, f"{path}.oneOf[{place}]")))
            except NoValueError:
                continue
        disjoint = DisjointSchemas(self._merger, self.report, path)
        if len(flats) > 200 or any(
            not disjoint.check(first, second) for place, first in enumerate(flats) for second in flats[place + 1 :]
        ):
            self.report.leave_out(path, "oneOf", "a value may satisfy two of its schemas")

    def _excluded(self, schema: Flat, path: str) -> tuple[list[Any], list[str]]:
        """Values and types left by `not`: the values that are excluded, and the types that remain."""
        types, values = types_of(schema, path, self.report), []
        negations = schema.get("not", ())
        for negation in negations if isinstance(negations, tuple) else (negations,):
            if negation is True or negation == {}:
                raise NoValueError
            if negation is False:
                continue
            if not isinstance(negation, Mapping):
                self.report.malformed(path, "not", "it is neither an object nor a boolean")
                continue
            keys = {key for key in negation if key in KEYWORDS or key in ("anyOf", "oneOf", "allOf", "$ref")}
            if keys == {"type"}:
                names = negation["type"] if isinstance(negation["type"], list) else [negation["type"]]
                types = [name for name in types if name not in names]
                if "number" in names:
                    types = [name for name in types if name != "integer"]
                elif "integer" in names and "number" in types:
                    self.report.leave_out(path, "not", "a number may be an integer")
            elif keys <= {"const", "enum", "type"} and (found := listed_values(negation)) is not None:
                values += found
                if any(not isinstance(value, str) and type_of(value) in types for value in found) and not (
                    "const" in schema or "enum" in schema
                ):
                    self._leave_out_values(found, types, path)
            else:
                self.report.leave_out(path, "not", "the complement of a schema")
        return values, types

    def _leave_out_values(self, values: list[Any], types: list[str], path: str) -> None:
        if any(type_of(value) in ("boolean", "null") for value in values if type_of(value) in types) and all(
            isinstance(value, bool | str) or value is None for value in values
        ):
            return  # these are left out one by one
        self.report.leave_out(path, "not", "a number, array or object that is excluded")

    def _enumerated(self, schema: Flat, path: str, types: list[str], excluded: list[Any]) -> str:
        values = listed_values(schema)
        if values is None:
            self.report.malformed(path, "enum", "it is not a list of values")
            return self._flat_value({key: value for key, value in schema.items() if key != "enum"}, path)
        kept = [
            value
            for value in values
            if has_type(value, types) and not any(same_json(value, other) for other in excluded)
        ]
        kept = [value for value in kept if admits(schema, value)]
        if not kept:
            raise NoValueError
        plain = [value for value in kept if not isinstance(value, list | Mapping)]
        texts = dict.fromkeys(map(_literal, plain))
        options = [self.rules.terminal(" | ".join(texts))] if texts else []
        return self.rules.either(
            [*options, *(self._constant(value) for value in kept if isinstance(value, list | Mapping))]
        )

    def _constant(self, value: Any) -> str:
        """The rule of one value. Brackets and keys are literals of their own, as in other values: the lexer takes the
        longest one."""
        if isinstance(value, Mapping):
            members = [f'{_literal(name)} ": " {self._constant(part)}' for name, part in value.items()]
            return self.rules.rule(" ".join(['"{"', ' ", " '.join(members), '"}"']))
        if isinstance(value, list):
            return self.rules.rule(" ".join(['"["', ' ", " '.join(map(self._constant, value)), '"]"']))
        return self.rules.terminal(_literal(value))

    def _typed(self, name: str, schema: Flat, path: str, excluded: list[Any]) -> str:
        match name:
            case "object":
                return object_of(schema, path, self)
            case "array":
                return array(schema, path, self)
            case "string" if TEXT_GRAMMAR in schema:
                return self._text_grammar(schema[TEXT_GRAMMAR], path)
            case "string":
                texts = [value for value in excluded if isinstance(value, str)]
                return self.rules.terminal(string(schema, path, self.report, texts))
            case "boolean":
                words = [word for word, value in (("true", True), ("false", False)) if not is_among(value, excluded)]
                return self.rules.either([f'"{word}"' for word in words])
            case "null":
                return self.rules.either([] if is_among(None, excluded) else ['"null"'])
        expression = number(schema, path, self.report, integer=name == "integer")
        return self.rules.rule(expression) if expression.startswith("%json") else self.rules.terminal(expression)

    def _text_grammar(self, grammar: Any, path: str) -> str:
        """The string argument of a custom tool."""
        try:
            if grammar["syntax"] == "regex":
                return self.rules.terminal(f"/\\x22/ {regex_within(grammar['definition'], JSON_TEXT)} /\\x22/")
            start, lines = lark_within(grammar["definition"], JSON_TEXT, self.rules.reserve() + "_")
        except (TypeError, KeyError, *TextGrammarError) as error:
            raise UnenforceableError(f"{path}.{TEXT_GRAMMAR}", "grammar", str(error)) from None
        for line in lines:
            self.rules.define(*line.split(": ", 1))
        return f'"\\"" {start} "\\""'

    def finite_values(self, schema: Any, path: str) -> list[str] | None:
        """Expressions of all values of a part, None where they are too many to be listed."""
        flat = self._merger.flat(schema, path)
        if flat[GROUPS] or "not" in flat:
            return None
        values, types = listed_values(flat), types_of(flat, path, self.report)
        if values is None and set(types) <= {"boolean", "null"}:
            values = [value for value in (True, False, None) if has_type(value, types)]
        low, high = flat.get("minimum"), flat.get("maximum")
        if values is None and types == ["integer"] and isinstance(low, int) and isinstance(high, int):
            values = list(range(low, min(high, low + 100) + 1)) if "multipleOf" not in flat else None
        if values is None:
            return None
        kept = [value for value in values if has_type(value, types) and admits(flat, value)]
        unique = {json.dumps(value, ensure_ascii=False): value for value in kept}
        return [self._constant(value) for value in unique.values()]

    def any_value(self) -> str:
        """The rule of any JSON value."""
        return self.rules.any_value(STRING)


def _literal(value: Any) -> str:
    """The Lark literal of a value's JSON."""
    return json.dumps(json.dumps(value, ensure_ascii=False))
