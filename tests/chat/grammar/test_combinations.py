"""Schemas whose keywords act on each other: what a validator refuses is not generated, or is reported."""

import json
import random
from typing import Any

import jsonschema_rs
import pytest

from forefront.chat.grammar.grammar_source import json_schema_source
from forefront.chat.grammar.grammar_worker import CheckedGrammar, check_grammar, compile_here
from tests.chat.grammar.sampling import INDEX, Sampler

TEXT = {"type": "string", "maxLength": 3}
ENFORCED: dict[str, dict[str, Any]] = {
    "a pattern beside a name": {
        "properties": {"low": {"type": "array", "maxItems": 3, "items": {"type": "null"}}, "high": TEXT},
        "patternProperties": {"l.w": {"minItems": 2}},
    },
    "a required name that only a pattern describes": {
        "patternProperties": {"^n_": {"type": "null"}},
        "additionalProperties": False,
        "required": ["n_1"],
    },
    "names beside the patterns of another schema": {
        "allOf": [
            {"properties": {"a": TEXT, "b_1": TEXT}},
            {"patternProperties": {"^b_": {"maxLength": 1}}, "additionalProperties": {"maxLength": 2}},
        ],
        "required": ["a", "b_1"],
    },
    "unevaluated properties of a part": {
        "allOf": [{"properties": {"a": TEXT}}, {"properties": {"b": TEXT}, "unevaluatedProperties": False}]
    },
    "unevaluated properties behind a reference": {
        "properties": {"a": TEXT},
        "$ref": "#/$defs/closed",
        "$defs": {"closed": {"unevaluatedProperties": False}},
    },
    "unevaluated properties of the whole": {
        "allOf": [{"properties": {"a": TEXT}}, {"properties": {"b": TEXT}}],
        "unevaluatedProperties": False,
    },
    "items beside the first items of another schema": {
        "allOf": [{"prefixItems": [{"minimum": 3}]}],
        "items": {"type": "integer", "minimum": 5},
        "maxItems": 2,
        "minItems": 1,
    },
    "first items of two schemas": {
        "allOf": [{"prefixItems": [TEXT, {"type": "null"}]}, {"prefixItems": [{"minLength": 2}], "items": False}],
        "minItems": 1,
    },
    "a property that has no value": {
        "properties": {"a": {"$ref": "#/$defs/never"}, "b": {"type": "null"}},
        "$defs": {"never": False},
    },
    "an anchor among values": {
        "$defs": {"values": {"enum": [{"$anchor": "x", "type": "null"}]}, "text": {"$anchor": "x", **TEXT}},
        "$ref": "#x",
    },
}
REPORTED: dict[str, tuple[dict[str, Any], str]] = {
    "numbers without integers": ({"not": {"type": "integer"}}, "schema.not"),
    "a dynamic reference with several targets": (
        {
            "$ref": "#/$defs/list",
            "$defs": {
                "text": {"$dynamicAnchor": "item", "type": "string"},
                "list": {
                    "type": "array",
                    "items": {"$dynamicRef": "#item"},
                    "$defs": {"any": {"$dynamicAnchor": "item"}},
                },
            },
        },
        "schema.$defs.list.items.$ref",
    ),
    "unevaluated properties beside alternatives": (
        {
            "allOf": [
                {"anyOf": [{"properties": {"a": TEXT}}, {"properties": {"b": TEXT}}], "unevaluatedProperties": False}
            ],
            "properties": {"c": TEXT},
        },
        "schema.allOf[0].unevaluatedProperties",
    ),
}


def checked(schema: Any) -> CheckedGrammar:
    return check_grammar(INDEX, json_schema_source(schema, "schema", strict=False))


def accepted(grammar: CheckedGrammar, value: Any) -> bool:
    """Whether the grammar can produce the value."""
    matcher = compile_here(INDEX, grammar.llguidance)
    return all(map(matcher.consume_token, json.dumps(value).encode())) and bool(matcher.is_accepting())


@pytest.mark.parametrize("name", ENFORCED)
def test_values_validate(name: str) -> None:
    grammar = checked(ENFORCED[name])
    validator = jsonschema_rs.validator_for(ENFORCED[name])
    assert not grammar.left_out
    sampler = Sampler(grammar)
    for seed in range(8):
        text = sampler.text(random.Random(seed), seed * 4)
        assert validator.is_valid(json.loads(text)), text


@pytest.mark.parametrize("name", REPORTED)
def test_unenforced_keywords_are_reported(name: str) -> None:
    schema, path = REPORTED[name]
    assert path in checked(schema).left_out


def test_an_enumerated_object_allows_other_objects() -> None:
    """Its text begins like theirs."""
    void = {"type": "void", "more": [1, "x", {}]}
    schema = {
        "anyOf": [
            {"enum": [void, [], "text"]},
            {"properties": {"type": {"enum": ["void", "value"]}}, "required": ["type"]},
            {"type": "array", "items": {"type": "integer"}},
        ]
    }
    grammar = checked(schema)
    values: list[Any] = [void, [], "text", {"type": "void"}, {"type": "value"}, [1, 2]]
    for value in values:
        assert accepted(grammar, value), value
    others: list[Any] = [{"type": "void", "more": []}, {"type": "other"}, "void", ["x"]]
    for value in others:
        assert not accepted(grammar, value), value
    sampler = Sampler(grammar)
    made = {sampler.text(random.Random(seed), 6)[:2] for seed in range(20)}
    assert {'{"', '"t'} <= made
