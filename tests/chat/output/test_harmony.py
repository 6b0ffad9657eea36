"""Answers in channels, as GPT-OSS writes them."""

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llguidance import LLMatcher, LLTokenizer

from forefront.chat.grammar.grammar_source import GrammarSource, expand, schema_lark
from forefront.chat.output.harmony import HarmonyFormat, HarmonyParser, find_harmony
from forefront.wire.completions.tools import Function, Tool
from tests.chat.byte_tokenizer import byte_tokenizer
from tests.chat.parsed import Entry, calls, content, cut, parsed

PROMPT = "<|start|>user<|message|>Hi<|end|><|start|>assistant"
SCHEMAS: dict[str, dict[str, Any]] = {
    "get_weather": {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 9}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "get_time": {"type": "object", "properties": {}, "additionalProperties": False},
}
THOUGHT = "<|channel|>analysis<|message|>I look.<|end|><|start|>assistant"
CALL = '<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{"city": "Rome"}'
FINAL = "<|channel|>final<|message|>It is warm."
MARKERS = ("<|start|>", "<|channel|>", "<|message|>", "<|constrain|>", "<|end|>", "<|call|>", "<|return|>")
BITS = [*MARKERS, "assistant", "analysis", "final", "commentary", " to=functions.get_weather", "json", "{}", "x", " ",
        "\n", "<|", "<", '{"city": "Rome"}', "to=functions.unknown", THOUGHT, CALL, FINAL]  # fmt: skip


def read(text: str, places: Any = (), prompt: str = PROMPT) -> list[Entry]:
    return parsed(HarmonyParser(0, prompt, SCHEMAS), cut(text, places))


def reasoning(entries: list[Entry]) -> str:
    return "".join(text for kind, _, text in entries if kind == "reasoning")


@pytest.mark.parametrize(
    ("text", "thoughts", "shown", "made"),
    [
        (THOUGHT + FINAL, "I look.", "It is warm.", []),
        (THOUGHT + FINAL + "<|return|>", "I look.", "It is warm.", []),
        (FINAL, "", "It is warm.", []),
        (THOUGHT + CALL + "<|call|>", "I look.", "", [("get_weather", '{"city": "Rome"}')]),
        (THOUGHT * 2 + FINAL, "I look.\n\nI look.", "It is warm.", []),
        ("Just text.", "", "Just text.", []),
        (
            "<|channel|>commentary<|message|>I will look.<|end|><|start|>assistant" + CALL,
            "",
            "I will look.",
            [("get_weather", '{"city": "Rome"}')],
        ),
        (
            " to=functions.get_time<|channel|>commentary <|constrain|>json<|message|>{}<|call|>",
            "",
            "",
            [("get_time", "{}")],
        ),
        (CALL.replace("get_weather", "unknown"), "", CALL.replace("get_weather", "unknown"), []),
        (CALL.replace('{"city"', "city"), "", CALL.replace('{"city"', "city"), []),
        ("<|channel|>analysis<|message|>Hm", "Hm", "", []),
        (CALL[:-7], "", "", [("get_weather", '{"city": ')]),
        ("<|channel|>anal", "", "", []),
    ],
)
def test_channels_are_parsed_separately(text: str, thoughts: str, shown: str, made: list[tuple[str, str]]) -> None:
    entries = read(text)
    assert (reasoning(entries), content(entries), calls(entries)) == (thoughts, shown, made)


@given(st.lists(st.sampled_from(BITS), max_size=14).map("".join), st.lists(st.integers(0, 200), max_size=12))
def test_any_text_parses_at_any_split(text: str, places: list[int]) -> None:
    entries = read(text)
    assert entries == read(text, places) == read(text, range(len(text)))
    rest = iter(text)
    shown = "".join(content for _, _, content in entries)
    assert all(char in rest for char in shown if not char.isspace()), "what is shown is in the text, in its order"


def test_the_reasoning_state_is_known() -> None:
    reader = HarmonyParser(0, PROMPT, {})
    active = []
    for piece in ["<|channel|>", "analysis", "<|message|>", "a", "<|end|>", "<|start|>assistant", FINAL]:
        reader.feed(piece)
        active.append(reader.reasoning)
    assert active == [False, False, True, True, False, False, False]


def test_a_prompt_may_end_inside_a_message() -> None:
    assert content(read("warm.", prompt=PROMPT + "<|channel|>final<|message|>It is ")) == "warm."
    assert reasoning(read("Hm.", prompt=PROMPT + "<|channel|>analysis<|message|>")) == "Hm."


PIECES = [bytes([byte]) for byte in range(256)] + [marker.encode() for marker in MARKERS]
FORM = HarmonyFormat({marker: 256 + place for place, marker in enumerate(MARKERS)})
END = 256 + MARKERS.index("<|return|>")


@pytest.fixture(scope="module")
def tokenizer() -> LLTokenizer:
    return byte_tokenizer(PIECES, END)


def offered() -> list[Tool]:
    return [Tool(type="function", function=Function(name=name, parameters=schema)) for name, schema in SCHEMAS.items()]


def accepts(tokenizer: LLTokenizer, lark: str, text: str) -> bool:
    matcher = LLMatcher(tokenizer, expand(GrammarSource("lark", lark)).llguidance, log_level=0)
    assert not matcher.is_error(), matcher.get_error()
    for marker, token in FORM.control.items():
        text = text.replace(marker, chr(0xF0000 + token))
    tokens = [
        token for char in text for token in ([ord(char) - 0xF0000] if ord(char) > 0xF0000 else list(char.encode()))
    ]
    return bool(matcher.try_consume_tokens(tokens) == len(tokens) and matcher.is_accepting())


def test_grammars_apply_to_the_final_channel(tokenizer: LLTokenizer) -> None:
    forced = FORM.grammar(offered(), None, forced=True)
    free = FORM.grammar(offered(), None, forced=False)
    answer = FORM.grammar([], schema_lark({"enum": ["warm", "cold"]}, "form", strict=True), forced=False)
    either = FORM.grammar(offered(), schema_lark({"enum": ["warm", "cold"]}, "form", strict=True), forced=False)
    json_final = '<|channel|>final<|message|>"warm"'
    expected = {
        THOUGHT + CALL: (True, True, False, True),
        CALL: (True, True, False, True),
        THOUGHT + FINAL: (False, True, False, False),
        THOUGHT + json_final: (False, True, True, True),
        THOUGHT[:-20]: (False, True, False, False),
        CALL.replace("Rome", "Rome of old"): (False, False, False, False),
        CALL.replace("get_weather", "unknown"): (False, False, False, False),
    }
    for text, allowed in expected.items():
        assert tuple(accepts(tokenizer, lark, text) for lark in (forced, free, answer, either)) == allowed, text


def test_sampled_calls_are_valid(tokenizer: LLTokenizer) -> None:
    matcher = LLMatcher(
        tokenizer, expand(GrammarSource("lark", FORM.grammar(offered(), None, forced=True))).llguidance, log_level=0
    )
    dice = random.Random(1)
    for _ in range(5):
        state, tokens = matcher.deep_copy(), list[int]()
        while not state.is_accepting() and len(tokens) < 2000:
            allowed = [token for token, bias in enumerate(state.compute_logit_bias()) if bias]
            special = [token for token in allowed if token >= 256 or token in b'"}']
            tokens.append(dice.choice(special if special and dice.random() < 0.5 else allowed))
            assert state.consume_token(tokens[-1])
        entries = read(b"".join(PIECES[token] for token in tokens).decode())
        assert calls(entries)
        assert content(entries) == ""
        for name, arguments in calls(entries):
            assert set(json.loads(arguments)) == set(SCHEMAS[name].get("required", []))


def test_the_format_is_found_and_ends_only_with_an_answer() -> None:
    found = find_harmony("<|start|>assistant<|channel|>final<|message|>", FORM.control)
    assert found == FORM
    assert found.end_tokens == {FORM.control["<|return|>"], FORM.control["<|call|>"]}
    assert found.message_end == {FORM.control["<|end|>"]}
    assert find_harmony("<|im_start|>assistant", {}) is None
