"""Every format of calls: what a model was trained to write is read, in any pieces, and allowed by the grammar."""

import json
import random
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from llguidance import LLMatcher, LLTokenizer

from forefront.chat.grammar.grammar_source import GrammarSource, expand
from forefront.chat.tools.tool_format import ToolFormat
from forefront.chat.tools.tool_grammar import ToolGrammar, tool_grammar
from forefront.wire.completions.tools import Function, Tool
from forefront.wire.errors import RequestError
from tests.chat.byte_tokenizer import byte_tokenizer
from tests.chat.lines import steps
from tests.chat.parsed import Plain, calls, content, cut, parsed
from tests.chat.tool_formats import FORMS, PLACE, TEMPLATE_TEXTS, TYPED, WHOLE, controlled, markers

SCHEMAS: dict[str, dict[str, Any]] = {
    "get_weather": PLACE,
    "a.b-C_9": {"type": "object", "properties": {"text": {"type": "string"}}},
    "none": {"type": "object", "properties": {}, "additionalProperties": False},
}
# Each of these runs once for every format.
FEW = settings(max_examples=25, deadline=None)
CUTS = st.lists(st.integers(0, 600), max_size=20)
# What would end a value, in some format.
_ENDS = ("</parameter", "</arg_value", "<escape", '<|"', "\ufffd")
TEXTS = st.lists(
    st.text(max_size=5) | st.sampled_from(["</tool_call>", '"}', "'", "\\n", "\n", "😀", "[f(", ")]", "<", "</", "5"]),
    max_size=4,
).map("".join)
STRINGS = TEXTS.filter(lambda text: not any(end in text for end in _ENDS) and text.isprintable() | ("\n" in text))
ARGUMENTS: dict[str, st.SearchStrategy[Any]] = {
    "get_weather": st.fixed_dictionaries(
        {"city": STRINGS},
        optional={
            "days": st.integers(),
            "exact": st.booleans(),
            "tags": st.lists(STRINGS, max_size=2),
            "unit": st.sampled_from(["celsius", "kelvin"]),
            "height": st.none() | st.integers(-9, 9) | st.floats(allow_nan=False, allow_infinity=False),
            "where": st.fixed_dictionaries({"x": st.integers(-5, 5)}),
        },
    ),
    "a.b-C_9": st.fixed_dictionaries({}, optional={"text": STRINGS}),
    "none": st.just({}),
}
CALLS = st.lists(
    st.sampled_from(sorted(SCHEMAS)).flatmap(lambda name: ARGUMENTS[name].map(lambda found: (name, found))),
    min_size=1,
    max_size=3,
)
PROSE = st.text(st.sampled_from("ab {}_|\\;,: \n\tЖ😀"), max_size=12).map(lambda text: "x" + text + "y")


def read(form: ToolFormat, text: str, places: Any = ()) -> list[tuple[str, int, str]]:
    return parsed(Plain(0, form, SCHEMAS), cut(text, places))


def decoded(entries: list[tuple[str, int, str]]) -> list[tuple[str, Any]]:
    return [(name, json.loads(arguments)) for name, arguments in calls(entries)]


@pytest.mark.parametrize("name", FORMS)
@FEW
@given(made=CALLS, before=PROSE, after=PROSE, places=CUTS)
def test_calls_are_parsed_at_any_split(
    name: str, made: list[tuple[str, Any]], before: str, after: str, places: list[int]
) -> None:
    form = FORMS[name]
    before = "" if form.bare else before
    text = f"{before}{form.write(made)}\n\n{after}"
    entries = read(form, text)
    assert decoded(entries) == made
    assert content(entries) == before + after
    assert entries == read(form, text, places) == read(form, text, range(len(text)))


@pytest.mark.parametrize("name", FORMS)
@FEW
@given(made=CALLS, data=st.data())
def test_a_truncated_answer_keeps_its_beginning(name: str, made: list[tuple[str, Any]], data: st.DataObject) -> None:
    form = FORMS[name]
    text = form.write(made)
    text = text[: data.draw(st.integers(0, len(text)))]
    entries = read(form, text)
    begun = calls(entries)
    if not begun:
        assert content(entries) == text
    for (found, arguments), (expected, whole) in zip(begun, made, strict=False):
        assert found == expected
        if name in WHOLE or (found, arguments) != begun[-1]:
            assert json.loads(arguments) == whole
        elif name not in TYPED:
            assert json.dumps(whole, ensure_ascii=False).startswith(arguments)


@pytest.mark.parametrize("name", FORMS)
@FEW
@given(data=st.data(), places=CUTS)
def test_no_text_fails_and_none_depends_on_cuts_or_is_lost(name: str, data: st.DataObject, places: list[int]) -> None:
    form = FORMS[name]
    whole = form.write([("get_weather", {"city": "Rome", "days": 2}), ("none", {})])
    bits = [*markers(form), *(whole[at : at + 7] for at in range(0, len(whole), 7)), "\n", '"', "'", "{", "}", "é", "<"]
    text = "".join(data.draw(st.lists(st.sampled_from([*bits, whole, whole[:-3], whole[2:]]), max_size=12)))
    entries = read(form, text)
    assert entries == read(form, text, places) == read(form, text, range(len(text)))
    if calls(entries):
        rest = iter(text)
        assert all(char in rest for char in content(entries)), "content is in the text, in its order"
    else:
        assert content(entries) == text


@pytest.mark.parametrize("name", FORMS)
def test_an_unknown_function_is_verbatim_content(name: str) -> None:
    text = FORMS[name].write([("unknown", {"city": "Rome"})])
    assert read(FORMS[name], text) == [("content", -1, text)]


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("unit", ["word ", "<", "{", '"', "'", "(", "[", "\\", "]", "=,"])
def test_work_grows_with_the_text_alone(name: str, unit: str) -> None:
    form = FORMS[name]
    whole = form.write([("get_weather", {"city": "Rome"})])
    for opening in (
        whole[: len(whole) // 2],
        whole[: whole.index("Rome") + 1],
        form.openings[0] if form.openings else "[",
    ):

        def work(count: int, opening: str = opening) -> object:
            text = opening + unit * count
            return read(form, text, range(0, len(text), 7))

        assert steps(partial(work, 400)) < 2.3 * steps(partial(work, 200))


@given(places=CUTS)
def test_a_cdata_section_is_its_text(places: list[int]) -> None:
    form, raw = FORMS["minicpm"], 'a <b> & ]] "c"</param>\n]'
    head = '<function name="get_weather"><param name="city">'
    text = f'{head}<![CDATA[{raw}]]></param><param name="days"><![CDATA[3]]></param></function>'
    text += f"{head}x <![CDATA[y]]></param></function>"
    assert decoded(read(form, text)) == [
        ("get_weather", {"city": raw, "days": 3}),
        ("get_weather", {"city": "x <![CDATA[y]]>"}),
    ]
    assert read(form, text, places) == read(form, text)
    assert calls(read(form, f"{head}<![CDATA[ab", places)) == [("get_weather", '{"city": "ab')]


@given(places=CUTS)
def test_several_calls_within_one_block(places: list[int]) -> None:
    form = FORMS["minimax"]
    text = form.write([("get_weather", {"city": "Rome"}), ("none", {}), ("get_weather", {"city": "Oslo"})])
    assert text.count(form.openings[0]) == 1
    entries = read(form, f"Now:\n{text}\nDone", places)
    assert decoded(entries) == [("get_weather", {"city": "Rome"}), ("none", {}), ("get_weather", {"city": "Oslo"})]
    assert content(entries) == "Now:\nDone"


TAGGED = FORMS["qwen-coder"]


def tagged(**values: str) -> str:
    inner = "".join(f"<parameter={key}>\n{value}\n</parameter>\n" for key, value in values.items())
    return f"<tool_call>\n<function=get_weather>\n{inner}</function>\n</tool_call>"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"city": "12"}, {"city": "12"}),
        ({"city": '"quoted"'}, {"city": '"quoted"'}),
        ({"days": "3"}, {"days": 3}),
        ({"days": "3.0"}, {"days": 3}),
        ({"days": "many"}, {"days": "many"}),
        ({"exact": "True"}, {"exact": True}),
        ({"exact": "false"}, {"exact": False}),
        ({"height": "None"}, {"height": None}),
        ({"height": "1.5"}, {"height": 1.5}),
        ({"tags": '["a", "b"]'}, {"tags": ["a", "b"]}),
        ({"unit": "kelvin"}, {"unit": "kelvin"}),
        ({"where": '{"x": 1}'}, {"where": {"x": 1}}),
        ({"unheard": "5"}, {"unheard": 5}),
        ({"unheard": "a b"}, {"unheard": "a b"}),
        ({"city": "\n two\n\n"}, {"city": "\n two\n\n"}),
    ],
)
def test_values_between_tags_get_the_types_of_the_schema(values: dict[str, str], expected: dict[str, Any]) -> None:
    assert decoded(read(TAGGED, tagged(**values))) == [("get_weather", expected)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("city='a\\'b\\u00e9', days=3", {"city": "a'bé", "days": 3}),
        ("city=12", {"city": "12"}),
        ('days="3"', {"days": 3}),
        ("exact=True, height=None", {"exact": True, "height": None}),
        ("exact=true, height=null", {"exact": True, "height": None}),
        ("tags=['a', \"b\"], where={'x': -1}", {"tags": ["a", "b"], "where": {"x": -1}}),
        ("tags=('a',)", {"tags": ["a"]}),
        ("city='a' 'b'", {"city": "ab"}),
        ("height=1e3,", {"height": 1000.0}),
        ('city="\\ud83d\\ude00 \\ud83d"', {"city": "😀 \ufffd"}),
        ("", {}),
    ],
)
def test_values_of_python_get_the_types_of_the_schema(text: str, expected: dict[str, Any]) -> None:
    for name in ("pythonic", "lfm2", "tool-code"):
        form = FORMS[name]
        opening = form.openings[0] + "\n" if form.openings else ""
        call = f"get_weather({text})"
        entries = read(form, opening + (call if name == "tool-code" else f"[{call}]"))
        assert decoded(entries) == [("get_weather", expected)]


@pytest.mark.parametrize(
    "text",
    ["('Rome')]", "(city=Rome)]", "(city=f(1))]", "(city='a')(b)", "(days=1e999)]", "(a=1 b=2)]", "(=1)]", "(a=1,,)]"],
)
def test_text_that_is_no_python_call_stays_content(text: str) -> None:
    text = "[get_weather" + text
    entries = read(FORMS["pythonic"], text)
    assert content(entries) == text or calls(entries) == [("get_weather", '{"city": "a"}')]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("qwen-coder", "<function=none>\n</function>", [("none", {})]),
        ("tool-code", "```tool_code\nprint(get_weather(city='Rome'))\n```", [("get_weather", {"city": "Rome"})]),
        (
            "olmo3",
            "<function_calls>\nget_weather(city='Rome')\nnone()\n</function_calls>",
            [("get_weather", {"city": "Rome"}), ("none", {})],
        ),
        ("tool-code", "```tool_code\nnone()\nnone()\n```", [("none", {}), ("none", {})]),
        ("phi", '<|tool_call|>{"name": "none", "arguments": {}}<|/tool_call|>', [("none", {})]),
        ("phi", '<|tool_call|>[{"type": "function", "name": "none", "parameters": {}}]', [("none", {})]),
        ("gemma4", "<|tool_call>call:get_weather{days:two}<tool_call|>", [("get_weather", {"days": "two"})]),
        ("deepseek-v3.1", "<｜tool▁call▁begin｜>none<｜tool▁sep｜>{}<｜tool▁call▁end｜>", [("none", {})]),
        ("cohere", '<|START_ACTION|>[\n {"tool_name": "none", "parameters": {}}\n]<|END_ACTION|>', [("none", {})]),
        ("internlm", '<|action_start|><|plugin|>{"name": "none", "arguments": {}}<|action_end|>\n', [("none", {})]),
        (
            "solar-open2",
            "<|tool_call:start|>none<|tool_call:end|>\n"
            "<|tool_call:start|>get_weather\n<|tool_arg:start|>city<|tool_arg:value|>a <b>\n<|tool_arg:end|>"
            "<|tool_arg:start|>days<|tool_arg:value|>2<|tool_arg:end|>\n<|tool_call:end|>",
            [("none", {}), ("get_weather", {"city": "a <b>\n", "days": 2})],
        ),
        (
            "dots3",
            '<dots_function_call><invoke name="none"></invoke><invoke name="get_weather">'
            '<parameter name="days">3</parameter></invoke></dots_function_call>',
            [("none", {}), ("get_weather", {"days": 3})],
        ),
        ("glm", "<tool_call>none</tool_call>", [("none", {})]),
        ("mistral-named", '[TOOL_CALLS] [{"name": "none", "arguments": {}}]', [("none", {})]),
    ],
)  # fmt: skip
def test_further_call_formats_of_models(name: str, text: str, expected: list[tuple[str, Any]]) -> None:
    entries = read(FORMS[name], text)
    assert decoded(entries) == expected
    assert content(entries) == ""


# Every byte is a token, and so is every marker of any format as a control token.
MARKERS = sorted({marker for form in FORMS.values() for marker in markers(form)})
PIECES = [bytes([byte]) for byte in range(256)] + [marker.encode() for marker in MARKERS] + [b"<end>"]
END = len(PIECES) - 1


@pytest.fixture(scope="module")
def tokenizer() -> LLTokenizer:
    return byte_tokenizer(PIECES, END)


def in_control(form: ToolFormat) -> ToolFormat:
    """The format with control tokens as markers."""
    import dataclasses

    return dataclasses.replace(form, control={marker: 256 + MARKERS.index(marker) for marker in markers(form)})


BOTH: dict[str, Callable[[ToolFormat], ToolFormat]] = {"text": lambda form: form, "control": in_control}


def offer(strict: bool | None = None) -> list[Tool]:
    return [
        Tool(type="function", function=Function(name=name, parameters=schema, strict=strict))
        for name, schema in SCHEMAS.items()
    ]


def compiled(tokenizer: LLTokenizer, grammar: ToolGrammar) -> LLMatcher:
    matcher = LLMatcher(tokenizer, expand(GrammarSource("lark", grammar.lark)).llguidance, log_level=0)
    assert not matcher.is_error(), matcher.get_error() + grammar.lark
    return matcher


def tokens_of(form: ToolFormat, text: str) -> list[int]:
    for marker, token in form.control.items():
        text = text.replace(marker, chr(0xF0000 + token))
    return [token for char in text for token in ([ord(char) - 0xF0000] if ord(char) > 0xF0000 else list(char.encode()))]


def sample(matcher: LLMatcher, dice: random.Random, ends: tuple[str, ...]) -> str:
    """A text of the grammar. What closes something is taken half of the time, so that texts end; `ends` close text."""
    tokens: list[int] = []
    while len(tokens) < 4000 and not matcher.is_stopped():
        if dice.random() < 0.2:
            for end in ends:
                known = list(end.encode())
                if matcher.validate_tokens(known) == len(known):
                    matcher.try_consume_tokens(known)
                    tokens += known
        allowed = [token for token, bias in enumerate(matcher.compute_logit_bias()) if bias]
        closing = [token for token in allowed if token >= 256 or token in b"\"}]'),/><"]
        token = dice.choice(closing if closing and dice.random() < 0.5 else allowed)
        if token == END:
            break
        assert matcher.consume_token(token), matcher.get_error()
        tokens.append(token)
    assert matcher.is_accepting(), "the sampled text has an end"
    return b"".join(PIECES[token] for token in tokens).decode()


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("choice", ["required", "auto", "get_weather"])
def test_every_text_of_the_grammar_parses_as_valid_calls(
    tokenizer: LLTokenizer, name: str, kind: str, choice: Any
) -> None:
    form = BOTH[kind](FORMS[name])
    named = choice not in ("required", "auto")
    tools = [tool for tool in offer() if not named or tool.function.name == choice]
    grammar = tool_grammar(form, tools, "one" if named else choice, parallel=True)
    matcher = compiled(tokenizer, grammar)
    dice = random.Random(f"{name} {choice}")
    end = getattr(form, "trim", "") + getattr(form, "valued", "")
    before_control = next((end.partition(marker)[0] for marker in form.control if marker in end), "")
    ends = tuple(filter(None, (end, before_control, getattr(form, "quote", ""))))
    for _ in range(6):
        text = grammar.trigger + sample(matcher.deep_copy(), dice, ends)
        entries = read(form, text)
        if form.bare and choice == "auto" and not calls(entries):
            continue  # the grammar holds for the whole answer, which need not be a call
        assert content(entries) == ""
        assert calls(entries)
        for called, arguments in decoded(entries):
            assert called == choice or not named
            Draft202012Validator(SCHEMAS[called]).validate(arguments)


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("name", FORMS)
def test_the_grammar_takes_calls_as_models_were_trained_to_write_them(
    tokenizer: LLTokenizer, name: str, kind: str
) -> None:
    form = BOTH[kind](FORMS[name])
    one: tuple[str, dict[str, Any]] = (
        "get_weather",
        {"city": "Rome é", "days": 3, "exact": True, "tags": ["a"], "where": {"x": -1}},
    )
    several: list[tuple[str, dict[str, Any]]] = [one, ("none", {}), ("a.b-C_9", {"text": "b"})]
    for made, parallel in (([one], False), (several, True)):
        text = form.write(made)
        for choice in ("required", "auto"):
            grammar = tool_grammar(form, offer(), choice, parallel=parallel)
            if choice == "auto" and grammar.trigger and len(made) > 1:
                continue  # the trigger comes again for the next one
            assert text.startswith(grammar.trigger)
            matcher = compiled(tokenizer, grammar)
            tokens = tokens_of(form, text.removeprefix(grammar.trigger))
            assert matcher.try_consume_tokens(tokens) == len(tokens), (text, grammar.lark)
            assert matcher.is_accepting()


@pytest.mark.parametrize("name", ["qwen-coder", "glm", "gemma4"])
@pytest.mark.parametrize(
    ("schema", "kept", "broken"),
    [
        ({"pattern": "^[a-c]+$"}, "abc", "abd"),
        ({"pattern": "b"}, "abc", "acc"),
        ({"maxLength": 3}, "abc", "abcd"),
        ({"minLength": 2}, "ab", "a"),
        ({"enum": ["ab", "é"]}, "é", "a"),
        ({"const": "ab"}, "ab", "a"),
        ({"pattern": "^(?!x)[ax]$"}, "a", "x"),
        ({"pattern": r"^\d$"}, "1", "\u0661"),
        ({"format": "email"}, "a@b.de", "x"),
        ({"pattern": "("}, "x", None),
        ({"pattern": r"(a)\1"}, "x", None),
        ({"minLength": 10**9}, "x", None),
    ],
)
def test_text_follows_the_enforceable_schema(
    tokenizer: LLTokenizer, name: str, schema: dict[str, Any], kept: str, broken: str | None
) -> None:
    form = FORMS[name]
    parameters = {"type": "object", "properties": {"a": {"type": "string"} | schema}, "required": ["a"]}

    def grammar(strict: bool) -> ToolGrammar:
        tool = Tool(type="function", function=Function(name="f", parameters=parameters, strict=strict))
        return tool_grammar(form, [tool], "required", parallel=False)

    for text, allowed in ((kept, True), (broken, False)):
        if text is not None:
            tokens = tokens_of(form, form.write([("f", {"a": text})]))
            matcher = compiled(tokenizer, grammar(strict=False))
            assert (matcher.try_consume_tokens(tokens) == len(tokens)) is allowed
    if broken is not None:
        grammar(strict=True)
        return
    with pytest.raises(RequestError, match=r"`tools\[f\]\.function\.parameters\.properties\.a\.\w+` cannot be used"):
        grammar(strict=True)


def test_formats_are_found_by_what_templates_say() -> None:
    kinds = {name: type(form).__name__ for name, form in FORMS.items()}
    assert kinds["hermes"] == "HermesFormat"
    assert kinds["granite"] == kinds["phi"] == kinds["cohere"] == kinds["lfm2-json"] == "JsonListFormat"
    assert kinds["qwen-coder"] == kinds["glm"] == kinds["minimax"] == "TaggedFormat"
    assert len({str(form) for form in FORMS.values()}) == len(TEMPLATE_TEXTS)


def test_markers_that_are_control_tokens_become_text() -> None:
    form = controlled(FORMS["cohere"], 7)
    assert form.marker_bytes == {7: b"<|START_ACTION|>", 8: b"<|END_ACTION|>"}
