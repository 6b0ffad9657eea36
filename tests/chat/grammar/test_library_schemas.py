"""The schemas that libraries of Python and JavaScript make of their types: accepted, and values validate."""

import json
import random
from pathlib import Path
from typing import Any

import attrs
import jsonschema_rs
import msgspec
import pytest
from pydantic import TypeAdapter, ValidationError

from forefront.chat.grammar.grammar_source import GrammarRefusedError, json_schema_source
from forefront.chat.grammar.grammar_worker import CheckedGrammar, check_grammar
from tests.chat.grammar.python_types import PYTHON_TYPES, WIDER_SCHEMAS, Box, Item
from tests.chat.grammar.sampling import INDEX, Sampler

PAGE = Path(__file__).parents[3] / "docs" / "structured-output.md"
EMITTED: list[dict[str, Any]] = json.loads(Path(__file__).with_name("node_schemas.json").read_text())
LENGTHS = (0, 3, 12, 40, 80)


def python_schemas() -> dict[str, dict[str, Any]]:
    return {f"Pydantic {name}": TypeAdapter(type_).json_schema() for name, type_ in PYTHON_TYPES.items()}


def node_schemas() -> dict[str, dict[str, Any]]:
    return {f"{entry['library']} {entry['name']}": entry["schema"] for entry in EMITTED if "schema" in entry}


def checked(schema: Any, *, strict: bool) -> CheckedGrammar:
    return check_grammar(INDEX, json_schema_source(schema, "schema", strict=strict))


def texts(grammar: CheckedGrammar) -> list[str]:
    sampler = Sampler(grammar)
    return [sampler.text(random.Random(seed), steps) for seed, steps in enumerate(LENGTHS)]


def strict_refusal(schema: Any) -> str:
    """Why the schema is not accepted with `strict`; nothing if it is."""
    try:
        checked(schema, strict=True)
    except GrammarRefusedError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", PYTHON_TYPES)
def test_values_are_of_the_python_type(name: str) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(PYTHON_TYPES[name])
    grammar = checked(adapter.json_schema(), strict=False)
    for text in texts(grammar):
        try:
            adapter.validate_json(text)
        except ValidationError:
            assert name in WIDER_SCHEMAS, text
            break


@pytest.mark.parametrize("type_", [Box, Item, list[Box], dict[str, Item]])
def test_attrs_and_dataclasses_by_msgspec(type_: Any) -> None:
    assert attrs.has(Box)
    for text in texts(checked(msgspec.json.schema(type_), strict=True)):
        msgspec.json.decode(text, type=type_)


@pytest.mark.parametrize("name", node_schemas())
def test_values_validate_against_the_javascript_type(name: str) -> None:
    schema = node_schemas()[name]
    if name.endswith(" never"):
        assert strict_refusal(schema) == "no value satisfies it"
        return
    grammar = checked(schema, strict=False)
    validator = jsonschema_rs.validator_for(schema)
    for text in texts(grammar):
        assert grammar.left_out or validator.is_valid(json.loads(text)), text


def test_the_table_of_unenforced_keywords_is_current() -> None:
    rows = []
    for name, schema in (python_schemas() | node_schemas()).items():
        reason = strict_refusal(schema)
        if reason:
            rows.append(f"| {name} | {reason} |")
    for name, reason in WIDER_SCHEMAS.items():
        if not strict_refusal(TypeAdapter(PYTHON_TYPES[name]).json_schema()):
            rows.append(f"| Pydantic {name} | {reason} |")
    begin, end = "<!-- impossible -->\n", "<!-- /impossible -->"
    table = PAGE.read_text().partition(begin)[2].partition(end)[0]
    assert table == "\n".join(["| type | reason |", "|---|---|", *sorted(rows)]) + "\n"
