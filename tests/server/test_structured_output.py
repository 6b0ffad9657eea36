"""Structured output over real HTTP: JSON, schemas, regular expressions, grammars, and the token limit."""

import json
import re
from typing import Any

import jsonschema
import pytest

from tests.support.server import RunningServer

PATH = "/v1/chat/completions"
SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "tags": {"type": "array", "items": {"enum": ["a", "b"]}},
        "size": {"type": "integer", "minimum": 1},
    },
    "required": ["name", "tags", "size"],
    "additionalProperties": False,
}


def choice(server: RunningServer, model: str, **fields: Any) -> dict[str, Any]:
    fields = {"model": model, "messages": [{"role": "user", "content": "Describe a box."}], "max_tokens": 80} | fields
    with server.client() as client:
        answer = client.post(PATH, json=fields)
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()["choices"][0]
    return made


def refusal(server: RunningServer, **fields: Any) -> tuple[int, str, str]:
    fields = {"model": "tiny", "messages": [{"role": "user", "content": "x"}], "max_tokens": 80} | fields
    with server.client() as client:
        answer = client.post(PATH, json=fields)
        assert client.post(PATH, json=fields | {"response_format": None, "regex": None, "grammar": None}).is_success
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["param"]


def schema_format(schema: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "box", "schema": schema, "strict": True}}


@pytest.mark.parametrize("model", ["forefront-mini", "tiny"])
@pytest.mark.parametrize("seed", range(3))
def test_an_answer_keeps_to_its_schema(server: RunningServer, model: str, seed: int) -> None:
    made = choice(server, model, response_format=schema_format(SCHEMA), seed=seed, temperature=1.5)
    jsonschema.validate(json.loads(made["message"]["content"]), SCHEMA)


@pytest.mark.parametrize("max_tokens", [36, 45, 60])
def test_json_closes_when_tokens_run_out(server: RunningServer, max_tokens: int) -> None:
    reasons = set()
    for seed in range(4):
        made = choice(
            server, "tiny", response_format=schema_format(SCHEMA), seed=seed, temperature=1.5, max_tokens=max_tokens
        )
        jsonschema.validate(json.loads(made["message"]["content"]), SCHEMA)
        reasons.add(made["finish_reason"])
    assert reasons <= {"stop", "length"}
    assert "length" in reasons


def test_any_object(server: RunningServer) -> None:
    made = choice(server, "tiny", response_format={"type": "json_object"}, seed=1)
    assert isinstance(json.loads(made["message"]["content"]), dict)


def test_every_limit_gives_complete_json_or_a_truncated_answer(server: RunningServer) -> None:
    complete = []
    for max_tokens in range(1, 40, 2):
        form = schema_format(SCHEMA)
        made = choice(server, "tiny", response_format=form, max_tokens=max_tokens, temperature=1.5, seed=max_tokens)
        text = made["message"]["content"]
        assert made["finish_reason"] == "length"
        complete.append(text.endswith("}"))
        if complete[-1]:
            jsonschema.validate(json.loads(text), SCHEMA)
    assert complete == sorted(complete)
    assert complete[-1]


def test_unenforceable_keywords_are_named(server: RunningServer) -> None:
    schema = {"type": "object", "properties": {"name": {"type": "string", "pattern": r"(a)\1"}}, "required": ["name"]}
    loose = {"type": "json_schema", "json_schema": {"name": "box", "schema": schema}}
    path = "response_format.json_schema.schema.properties.name.pattern"
    for stream in (False, True):
        fields = {"model": "tiny", "messages": [{"role": "user", "content": "x"}], "max_tokens": 60, "stream": stream}
        with server.client() as client:
            answer = client.post(PATH, json=fields | {"response_format": loose})
            assert answer.status_code == 200
            assert answer.headers["x-unenforced-keywords"] == path
            refused = client.post(PATH, json=fields | {"response_format": schema_format(schema)})
            assert refused.json()["error"]["param"] == path
            assert "back-reference" in refused.json()["error"]["message"]


MALFORMED = {
    "type": {"type": "nonsense"},
    "types": {"type": ["string", "nonsense"]},
    "no type": {"type": []},
    "property": {"type": "object", "properties": {"brand": "car"}},
    "enum": {"enum": "red"},
    "required": {"type": "object", "required": "name"},
    "count": {"type": "string", "maxLength": "ten"},
    "bound": {"type": "integer", "minimum": "zero"},
    "alternatives": {"anyOf": {"type": "string"}},
    "reference": {"$ref": "#/$defs/nowhere"},
    "negation": {"type": "string", "not": "red"},
}


@pytest.mark.parametrize("schema", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_schema_is_refused_without_strict_too(server: RunningServer, schema: Any) -> None:
    loose = {"type": "json_schema", "json_schema": {"name": "box", "schema": schema}}
    status, code, param = refusal(server, response_format=loose)
    assert (status, code) == (422, "invalid_value")
    assert param.startswith("response_format.json_schema.schema.")
    assert refusal(server, response_format=schema_format(schema))[2] == param


@pytest.mark.parametrize("schema", MALFORMED.values(), ids=MALFORMED)
def test_a_tool_with_a_malformed_schema_can_be_called(server: RunningServer, schema: Any) -> None:
    parameters = {"type": "object", "properties": {"part": schema}, "required": ["part"]}
    tool = {"type": "function", "function": {"name": "act", "parameters": parameters}}
    made = choice(server, "tiny", tools=[tool], tool_choice="required", seed=1)
    assert list(json.loads(made["message"]["tool_calls"][0]["function"]["arguments"])) == ["part"]


def test_a_null_keyword_is_ignored(server: RunningServer) -> None:
    unused = dict.fromkeys(("enum", "items", "required", "anyOf", "minimum", "additionalProperties", "pattern"))
    schema = unused | {"type": "object", "properties": {"size": unused | {"type": "integer"}}, "required": ["size"]}
    made = choice(server, "tiny", response_format=schema_format(schema))
    assert isinstance(json.loads(made["message"]["content"])["size"], int)


REFERENCES = {
    "escapes": {"$ref": "#/definitions/Box%3Cstring%3E", "definitions": {"Box<string>": {"const": "full"}}},
    "recursion with null": {
        "type": "object",
        "properties": {"inner": {"anyOf": [{"$ref": "#", "type": None}, {"type": "null"}]}},
        "required": ["inner"],
    },
    # A reference within an inner schema is relative to that one, which is not enforced.
    "inner schema": {
        "type": "object",
        "properties": {"box": {"$id": "box", "$ref": "#/$defs/full", "$defs": {"full": {"const": "full"}}}},
    },
}


@pytest.mark.parametrize("schema", REFERENCES.values(), ids=REFERENCES)
def test_references_of_generated_schemas(server: RunningServer, schema: Any) -> None:
    loose = {"type": "json_schema", "json_schema": {"name": "box", "schema": schema}}
    made = choice(server, "tiny", response_format=loose, seed=3)
    if made["finish_reason"] == "stop":
        value = json.loads(made["message"]["content"])
        assert value == "full" or isinstance(value, dict)


def test_a_regular_expression(server: RunningServer) -> None:
    made = choice(server, "tiny", regex=r"[A-Z]{3}-[0-9]{2,4}", n=1, temperature=1.5)
    assert re.fullmatch(r"[A-Z]{3}-[0-9]{2,4}", made["message"]["content"])
    assert made["finish_reason"] == "stop"


@pytest.mark.parametrize(
    "grammar",
    [
        'start: "yes" | "no"',
        'root ::= "yes" | "no"',
        {"syntax": "lark", "definition": 'start: ANSWER\nANSWER: "yes" | "no"'},
        {"syntax": "gbnf", "definition": 'root ::= answer\nanswer ::= "yes" | "no"'},
    ],
)
def test_grammars(server: RunningServer, grammar: Any) -> None:
    for seed in range(3):
        assert choice(server, "tiny", grammar=grammar, seed=seed)["message"]["content"] in ("yes", "no")


def test_a_text_completion_takes_a_response_format(server: RunningServer) -> None:
    with server.client() as client:
        fields = {"model": "tiny", "prompt": ["a", "b"], "regex": "[0-9]{4}", "n": 2, "max_tokens": 30}
        answer = client.post("/v1/completions", json=fields).json()
    assert all(re.fullmatch("[0-9]{4}", choice["text"]) for choice in answer["choices"])
    assert len(answer["choices"]) == 4


def test_a_stream_of_an_object_is_the_object(server: RunningServer) -> None:
    fields = {"response_format": schema_format(SCHEMA), "seed": 5, "temperature": 1}
    whole = choice(server, "forefront-mini", **fields)
    with server.client() as client:
        message = {"role": "user", "content": "Describe a box."}
        body = {"model": "forefront-mini", "messages": [message], "max_tokens": 80, "stream": True} | fields
        text = client.post(PATH, json=body).text
    chunks = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
    assert "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks) == whole["message"]["content"]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"response_format": schema_format({"type": "nonsense"})}, "response_format.json_schema.schema.type"),
        ({"response_format": schema_format({"$ref": "#/nowhere"})}, "response_format.json_schema.schema.$ref"),
        ({"regex": "(a"}, "regex"),
        ({"regex": "(?<=a)b"}, "regex"),
        ({"grammar": "start: undefined_rule"}, "grammar"),
        ({"grammar": {"syntax": "gbnf", "definition": "root ::= ("}}, "grammar.definition"),
    ],
)
def test_unusable_response_formats(server: RunningServer, fields: dict[str, Any], param: str) -> None:
    assert refusal(server, **fields) == (422, "invalid_value", param)
