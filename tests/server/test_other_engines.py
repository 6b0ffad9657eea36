"""Fields of other engines over real HTTP: honoured, refused by name, or named as advice."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from forefront.wire.completions.field_aliases import _ENGINE_ALIASES
from forefront.wire.completions.format_aliases import FORMAT_ALIASES
from forefront.wire.completions.reasoning_aliases import REASONING_ALIASES
from tests.support.server import RunningServer

PATH = "/v1/chat/completions"
MODEL = "forefront-mini"
USER = {"role": "user", "content": "What is 3 + 4?"}
DOCS = (Path(__file__).parents[2] / "docs/api.md").read_text()
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"a": {"type": "integer", "minimum": 0, "maximum": 9}},
    "required": ["a"],
    "additionalProperties": False,
}


def ask(server: RunningServer, path: str = PATH, **fields: Any) -> tuple[int, dict[str, Any], str]:
    """Status, body and the header of ignored fields."""
    prompt = {"messages": [USER]} if path == PATH else {"prompt": "Once upon a time"}
    with server.client() as client:
        answer = client.post(path, json={"model": MODEL, "temperature": 0, "max_tokens": 24} | prompt | fields)
    return answer.status_code, answer.json(), answer.headers.get("x-ignored-params", "")


def text(server: RunningServer, path: str = PATH, **fields: Any) -> str:
    status, body, ignored = ask(server, path, **fields)
    assert (status, ignored) == (200, ""), body
    choice = body["choices"][0]
    content: str = choice["message"]["content"] if path == PATH else choice["text"]
    return content


@pytest.mark.parametrize(
    "fields",
    [
        {"structured_outputs": {"json": SCHEMA}},
        {"structured_outputs": {"json": json.dumps(SCHEMA), "disable_any_whitespace": True}},
        {"guided_json": SCHEMA},
        {"guided_json": json.dumps(SCHEMA)},
        {"json_schema": SCHEMA},
        {"json_schema": json.dumps(SCHEMA)},
        {"format": SCHEMA},
        {"response_format": {"type": "json_object", "schema": SCHEMA}},
        {"response_format": {"type": "json_schema", "schema": SCHEMA}},
        {"response_format": {"type": "json_object", "json_schema": {"schema": SCHEMA}}},
        {"response_format": {"type": "json", "value": SCHEMA}},
        {"response_format": {"type": "json_schema", "value": {"name": "s", "strict": True, "schema": SCHEMA}}},
        {"grammar": {"type": "json", "value": SCHEMA}},
    ],
)
@pytest.mark.parametrize("path", [PATH, "/v1/completions"])
def test_a_schema_binds_under_every_name(server: RunningServer, path: str, fields: dict[str, Any]) -> None:
    jsonschema.validate(json.loads(text(server, path, **fields)), SCHEMA)


@pytest.mark.parametrize(
    ("fields", "pattern"),
    [
        ({"structured_outputs": {"regex": "[xyz]{3}"}}, "[xyz]{3}"),
        ({"guided_regex": "[xyz]{3}"}, "[xyz]{3}"),
        ({"grammar": {"type": "regex", "value": "[xyz]{3}"}}, "[xyz]{3}"),
        ({"response_format": {"type": "regex", "value": "[xyz]{3}"}}, "[xyz]{3}"),
        ({"structured_outputs": {"choice": ["left", 'r"i\\ght\n']}}, 'left|r"i\\\\ght\n'),
        ({"guided_choice": ["7", "8"]}, "7|8"),
        ({"guided_grammar": 'root ::= "x" "y"?'}, "xy?"),
        ({"structured_outputs": {"grammar": 'start: "x" "y"?'}}, "xy?"),
        ({"ebnf": 'root ::= "x" "y"?'}, "xy?"),
        ({"response_format": {"type": "grammar", "grammar": 'root ::= "x" "y"?'}}, "xy?"),
        ({"format": "json"}, r"\{.*\}"),
        ({"guided_json_object": True}, r"\{.*\}"),
        ({"structured_outputs": {"json_object": True}}, r"\{.*\}"),
        ({"structured_outputs": {"regex": "[xyz]{3}"}, "guided_json_object": False, "format": ""}, "[xyz]{3}"),
    ],
)
def test_a_response_format_applies_under_every_field_name(
    server: RunningServer, fields: dict[str, Any], pattern: str
) -> None:
    assert re.fullmatch(pattern, text(server, **fields), re.DOTALL)


@pytest.mark.parametrize(
    ("fields", "same_as"),
    [
        ({"n_predict": 3}, {"max_tokens": 3}),
        ({"num_predict": 3}, {"max_tokens": 3}),
        ({"max_new_tokens": 3}, {"max_tokens": 3}),
        ({"max_output_tokens": 3}, {"max_tokens": 3}),
        ({"n_predict": -1}, {"max_tokens": None}),
        ({"max_tokens": -1}, {"max_tokens": None}),
        ({"top_logprobs": 0, "logprobs": False}, {"logprobs": False}),
        ({"max_completion_tokens": -1}, {"max_tokens": None}),
        ({"max_new_tokens": -1}, {"max_tokens": None}),
        ({"max_output_tokens": -1}, {"max_tokens": None}),
        ({"max_tokens_to_sample": -1, "max_tokens": -1}, {"max_tokens": None}),
        ({"options": {"max_tokens": -1}}, {"max_tokens": None}),
        ({"options": {"num_predict": -2}, "max_tokens": -1}, {"max_tokens": None}),
        ({"options": {"num_predict": 3, "temperature": 0}}, {"max_tokens": 3}),
        ({"repeat_penalty": 1.9}, {"repetition_penalty": 1.9}),
        ({"stop_sequences": ["a"]}, {"stop": ["a"]}),
        ({"do_sample": False, "temperature": None}, {"temperature": 0}),
        ({"top_k": -1}, {"top_k": 0}),
        ({"think": False}, {"reasoning_effort": "none"}),
        ({"best_of": 2, "n": 2}, {"n": 2}),
        ({"best_of": 2, "num_return_sequences": 2}, {"n": 2}),
    ],
)
def test_another_name_means_the_same(server: RunningServer, fields: dict[str, Any], same_as: dict[str, Any]) -> None:
    no_limit = {} if "max_tokens" in same_as and fields.get("n_predict") != -1 else {"max_tokens": 24}
    base = {"max_tokens": None} | (no_limit if "n_predict" not in fields else {})
    expected = ask(server, **base | same_as)
    assert ask(server, **base | fields)[1]["choices"] == expected[1]["choices"]
    assert expected[0] == 200


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({"guided_json": SCHEMA, "response_format": {"type": "json_object"}}, 422, "guided_json"),
        ({"guided_regex": "a", "guided_choice": ["a"]}, 422, "guided_choice"),
        ({"ebnf": "root ::= [a]", "grammar": "root ::= [a]"}, 422, "ebnf"),
        ({"format": "json", "regex": "a"}, 422, "format"),
        ({"response_format": {"type": "json_schema", "schema": SCHEMA, "json_schema": {"schema": {}}}}, 422,
         "response_format.schema"),
        ({"structured_outputs": {"regex": "a", "choice": ["a"]}}, 422, "structured_outputs"),
        ({"structured_outputs": {}}, 422, "structured_outputs"),
        ({"structured_outputs": {"regex": "a", "whitespace_pattern": " "}}, 400,
         "structured_outputs.whitespace_pattern"),
        ({"guided_json": "{"}, 422, "guided_json"),
        ({"guided_json": 1}, 422, "guided_json"),
        ({"guided_choice": []}, 422, "guided_choice"),
        ({"guided_choice": [1]}, 422, "guided_choice[0]"),
        ({"guided_choice": "a"}, 422, "guided_choice"),
        ({"guided_regex": ""}, 422, "guided_regex"),
        ({"format": "xml"}, 422, "format"),
        ({"n_predict": 3, "max_tokens": 4}, 422, "n_predict"),
        ({"max_tokens": -1, "max_completion_tokens": 5}, 422, "max_completion_tokens"),
        ({"max_tokens": 5, "num_predict": -2}, 422, "num_predict"),
        ({"max_tokens": None, "max_new_tokens": -2}, 422, "max_tokens"),
        ({"options": {"temperature": 1}}, 422, "options.temperature"),
        ({"options": {"temperature": 9}, "temperature": None}, 422, "temperature"),
        ({"options": {"model": "x"}}, 422, "options.model"),
        ({"options": 1}, 422, "options"),
        ({"enable_thinking": True, "reasoning_effort": "none"}, 422, "enable_thinking"),
        ({"chat_template_kwargs": {"enable_thinking": False, "date": "today"}}, 400, "chat_template_kwargs.date"),
        ({"thinking": {"type": "enabled", "budget_tokens": 10}}, 400, "thinking.budget_tokens"),
        ({"reasoning": {"exclude": True}}, 400, "reasoning.exclude"),
        ({"response_format": {"type": "structural_tag"}}, 400, "response_format.type"),
        ({"response_format": {"type": "text", "schema": SCHEMA}}, 422, "response_format.schema"),
        ({"maxTokens": 3}, 422, "maxTokens"),
        ({"responseFormat": {"type": "json_object"}}, 422, "responseFormat"),
        ({"max_length": 50}, 400, "max_length"),
        ({"sampling_params": {"temperature": 0}}, 400, "sampling_params"),
        ({"typical_p": 0.9}, 400, "typical_p"),
        ({"mirostat": 2, "mirostat_tau": 5}, 400, "mirostat"),
        ({"dry_multiplier": 0.8}, 400, "dry_multiplier"),
        ({"xtc_probability": 0.5}, 400, "xtc_probability"),
        ({"top_n_sigma": 1}, 400, "top_n_sigma"),
        ({"use_beam_search": True}, 400, "use_beam_search"),
        ({"best_of": 3, "n": 2}, 400, "best_of"),
        ({"allowed_token_ids": [1]}, 400, "allowed_token_ids"),
        ({"bad_words": ["x"]}, 400, "bad_words"),
        ({"repeat_last_n": 64, "repeat_penalty": 1.1}, 400, "repeat_last_n"),
        ({"truncate_prompt_tokens": 5}, 400, "truncate_prompt_tokens"),
        ({"skip_special_tokens": False}, 400, "skip_special_tokens"),
        ({"include_stop_str_in_output": True}, 400, "include_stop_str_in_output"),
        ({"chat_template": "{{ x }}"}, 400, "chat_template"),
        ({"add_generation_prompt": False}, 400, "add_generation_prompt"),
        ({"add_generation_prompt": False, "continue_final_message": True}, 400, "add_generation_prompt"),
        ({"prompt_logprobs": 0}, 400, "prompt_logprobs"),
        ({"prompt_logprobs": -1}, 400, "prompt_logprobs"),
        ({"stop_token_ids": [10**6]}, 422, "stop_token_ids"),
        ({"min_tokens": 30}, 422, "min_tokens"),
    ],
)  # fmt: skip
def test_unsupported_fields_are_refused_by_name(
    server: RunningServer, fields: dict[str, Any], status: int, param: str
) -> None:
    answered, body, _ = ask(server, **fields)
    assert (answered, body["error"]["param"]) == (status, param), body


def test_disabled_samplers_are_accepted(server: RunningServer) -> None:
    off: dict[str, Any] = {
        "typical_p": 1.0, "tfs_z": 1, "mirostat": 0, "dry_multiplier": 0.0, "xtc_probability": 0, "top_n_sigma": -1,
        "dynatemp_range": 0, "use_beam_search": False, "length_penalty": 1.0, "best_of": 1, "samplers": [],
        "skip_special_tokens": True, "n_probs": 0, "ignore_eos": False, "min_tokens": 0,
    }  # fmt: skip
    assert text(server, **off) == text(server)
    status, _, ignored = ask(server, mirostat_tau=5, xtc_threshold=0.1, cache_prompt=True, repeat_last_n=64, num_ctx=4)
    assert status == 200
    assert ignored == "mirostat_tau, xtc_threshold, cache_prompt, repeat_last_n, num_ctx"


def test_a_continued_message_as_vllm_requires_it(server: RunningServer) -> None:
    messages = [USER, {"role": "assistant", "content": "3 + 4 ="}]
    fields: dict[str, Any] = {"add_generation_prompt": False, "continue_final_message": True}
    assert text(server, messages=messages, **fields) == text(server, messages=messages)


def test_the_length_of_an_answer(server: RunningServer) -> None:
    _, plain, _ = ask(server)
    assert plain["choices"][0]["finish_reason"] == "stop"
    length = plain["usage"]["completion_tokens"]
    _, longer, _ = ask(server, min_tokens=length + 4, max_tokens=length + 8)
    assert length + 4 <= longer["usage"]["completion_tokens"] <= length + 8
    _, endless, _ = ask(server, ignore_eos=True, max_tokens=length + 8)
    assert endless["usage"]["completion_tokens"] == length + 8
    assert endless["choices"][0]["finish_reason"] == "length"
    status, body, _ = ask(server, min_tokens=8, regex="[ab]{1,30}")
    assert status == 200
    assert len(body["choices"][0]["message"]["content"]) >= 8
    status, body, _ = ask(server, min_tokens=20, regex="ab", max_tokens=24)
    assert (status, body["choices"][0]["message"]["content"]) == (200, "ab")


def test_stop_tokens_and_stop_strings(server: RunningServer) -> None:
    fields: dict[str, Any] = {"model": "tiny", "max_tokens": 20, "temperature": 0, "logit_bias": {"2": -100}}
    plain = text(server, **fields)
    with server.client() as client:
        scores = client.post(PATH, json=fields | {"messages": [USER], "logprobs": True}).json()
    tokens = [entry["token"] for entry in scores["choices"][0]["logprobs"]["content"]]
    # The tiny model's tokens 3 to 258 are bytes.
    once = next(token for token, count in Counter(tokens).items() if len(token.encode()) == 1 and token != "\ufffd")
    place = tokens.index(once)
    status, body, _ = ask(server, **fields, stop_token_ids=[ord(once) + 3])
    assert status == 200
    choice = body["choices"][0]
    assert plain.startswith(choice["message"]["content"])
    assert (choice["finish_reason"], body["usage"]["completion_tokens"]) in (("stop", place + 1), ("length", 20))


def test_the_documentation_has_every_field() -> None:
    for name in (
        *_ENGINE_ALIASES,
        *FORMAT_ALIASES,
        *REASONING_ALIASES,
        "options",
        "do_sample",
        "stop_token_ids",
        "min_tokens",
    ):
        assert f"`{name}`" in DOCS, name
