"""Calls of tools in answers: whole, broken, and in any pieces."""

import json
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forefront.chat.tools.tool_format import ToolFormat
from tests.chat.lines import steps
from tests.chat.parsed import FORMATS, HERMES, LLAMA3, MISTRAL, MISTRAL_NAMED, NAMES, calls, content, read
from training.dialogues.tools import call as trained_call

CUTS = st.lists(st.integers(0, 400), max_size=20)
WORDS = st.text(max_size=6) | st.sampled_from(["</tool_call>", '"}', "\\", "];", "[TOOL_CALLS]", "😀\n"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(-1.5e9) | WORDS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner, max_size=2),
    max_leaves=3,
)
ARGUMENTS = st.dictionaries(WORDS, VALUES, max_size=2)
PROSE = st.text(st.sampled_from('ab<>{}[]/_|"\\;,: \n\tЖ😀'), min_size=1, max_size=12).map(
    lambda text: "x" + text + "y"
)
BITS = [
    "<tool_call>", "</tool_call>", "[TOOL_CALLS]", "[ARGS]", "[CALL_ID]", "<|python_tag|>", "<tool", "[", "]", "{", "}",
    '{"', "}}", '"name"', '"f"', '"arguments"', ":", ",", '{"name":"f","arguments":', '{"name":"f","parameters":{"a":',
    "f", '"', "\\", '\\"', "\\u00e9", "\\ud800", ";", "null", "1", "é", "😀", "word", " ", "\n",
]  # fmt: skip
SOUP = st.lists(st.sampled_from(BITS))


@st.composite
def written(draw: st.DrawFn) -> tuple[str, str]:
    """The text of arguments as a model may write them, and their parsed form."""
    arguments = draw(ARGUMENTS)
    style: dict[str, Any] = {"ensure_ascii": draw(st.booleans()), "indent": draw(st.sampled_from([None, 2]))}
    text = json.dumps(arguments, **style)
    return (json.dumps(text), text) if draw(st.booleans()) else (text, text)


@st.composite
def call_objects(draw: st.DrawFn, key: str) -> tuple[str, tuple[str, str]]:
    """A call as JSON, and its parsed form."""
    name = draw(st.sampled_from(NAMES))
    text, plain = draw(written())
    members = [f'"name": {json.dumps(name)}', f'"{key}": {text}']
    members += draw(st.sampled_from([[], ['"type": "function"'], ['"id": "x}"']]))
    return "{" + ", ".join(draw(st.permutations(members))) + "}", (name, plain)


@st.composite
def runs(draw: st.DrawFn, form: ToolFormat, *, first: bool) -> tuple[str, list[tuple[str, str]]]:
    """Calls one after the other."""
    if form is MISTRAL_NAMED:
        made = [(draw(st.sampled_from(NAMES)), json.dumps(draw(ARGUMENTS))) for _ in range(draw(st.integers(1, 3)))]
        return "".join(f"[TOOL_CALLS]{name}[ARGS]{arguments}" for name, arguments in made), made
    objects = draw(st.lists(call_objects("parameters" if form is LLAMA3 else "arguments"), min_size=1, max_size=2))
    texts, expected = [text for text, _ in objects], [plain for _, plain in objects]
    if form is HERMES:
        return "\n".join(f"<tool_call>\n{text}\n</tool_call>" for text in texts), expected
    if form is MISTRAL:
        return f"[TOOL_CALLS][{', '.join(texts)}]", expected
    return ("" if first else "<|python_tag|>") + "; ".join(texts), expected


@st.composite
def answers(draw: st.DrawFn) -> tuple[ToolFormat, str, str, list[tuple[str, str]]]:
    """A format, an answer in it, its content without whitespace, its calls."""
    form = draw(st.sampled_from(FORMATS))
    text, plain, expected = "", "", list[tuple[str, str]]()
    for place in range(draw(st.integers(1, 4))):
        if place % 2 == draw(st.integers(0, 1)):
            prose = draw(PROSE)
            text, plain = text + prose, plain + prose
        else:
            run, made = draw(runs(form, first=not text))
            text, expected = f"{text}\n{run}\n", expected + made
    return form, text, "".join(plain.split()), expected


@given(answers(), CUTS)
def test_content_and_calls_are_parsed_at_any_split(
    answer: tuple[ToolFormat, str, str, list[tuple[str, str]]], places: list[int]
) -> None:
    form, text, plain, expected = answer
    entries = read(form, text, places)
    assert entries == read(form, text)
    assert calls(entries) == expected
    assert "".join(content(entries).split()) == plain


@given(st.sampled_from(FORMATS), SOUP.map("".join) | st.text(), CUTS)
def test_no_text_fails_and_none_depends_on_cuts_or_is_lost(form: ToolFormat, text: str, places: list[int]) -> None:
    entries = read(form, text)
    assert entries == read(form, text, places)
    assert entries == read(form, text, range(len(text)))
    if calls(entries):
        rest = iter(text)
        assert all(char in rest for char in content(entries)), "content is in the text, in its order"
    else:
        assert content(entries) == text


@given(answers(), st.data())
def test_a_truncated_answer_gives_partial_arguments(
    answer: tuple[ToolFormat, str, str, list[tuple[str, str]]], data: st.DataObject
) -> None:
    form, text, _, expected = answer
    text = text[: data.draw(st.integers(0, len(text)))]
    entries = read(form, text)
    begun = calls(entries)
    assert begun or content(entries) == text
    for (name, arguments), (whole_name, whole) in zip(begun, expected, strict=False):
        assert name == whole_name
        assert whole.startswith(arguments)
    assert [arguments for _, arguments in begun[:-1]] == [arguments for _, arguments in expected[: len(begun)][:-1]]


def one(arguments: str, name: str = "f") -> list[tuple[str, int, str]]:
    return [("begin", 0, name), ("arguments", 0, arguments)]


@pytest.mark.parametrize(
    ("form", "text", "expected"),
    [
        (HERMES, trained_call("f", {"city": "Rome"}), one('{"city": "Rome"}')),
        (HERMES, '<tool_call>{"name": "f"}</tool_call>', one("{}")),
        (HERMES, '<tool_call>{"name": "f", "arguments": null}</tool_call>', one("{}")),
        (HERMES, '<tool_call>{"name": "f", "arguments": ""}</tool_call>', one("{}")),
        (HERMES, '<tool_call>{"arguments": " {\\"\\ud83d\\ude00\\ud83d\\": 1}", "name": "f"}', one('{"😀\ufffd": 1}')),
        (HERMES, '<tool_call>{"\\u006eame": "\\u0066", "arguments": {}}</tool_call>', one("{}")),
        (HERMES, '<tool_call>{"name": "f", "arguments": {"a": "</tool_call>"}}', one('{"a": "</tool_call>"}')),
        (HERMES, '<tool_call>{"name": "f", "arguments": {}, "note": {"}": "]"}, "name": "z"}</tool_call>', one("{}")),
        (LLAMA3, '\n<|python_tag|>{"type": "function", "name": "f", "parameters": {}}', one("{}")),
        (MISTRAL, '[TOOL_CALLS] [{"name": "f", "arguments": {}, "id": "123456789"}]', one("{}")),
        (MISTRAL, '[TOOL_CALLS]{"name": "f", "arguments": {}}', one("{}")),
        (MISTRAL, '[TOOL_CALLS]f[CALL_ID]abcdefghi[ARGS]{"a": 1}', one('{"a": 1}')),
        (MISTRAL, '[TOOL_CALLS]f{"a": 1}', one('{"a": 1}')),
    ],
)  # fmt: skip
def test_call_formats_of_models(form: ToolFormat, text: str, expected: list[tuple[str, int, str]]) -> None:
    assert read(form, text) == expected


@pytest.mark.parametrize(
    ("form", "text"),
    [
        (HERMES, '<tool_call>\n{"name": "unknown", "arguments": {}}\n</tool_call>\n'),
        (HERMES, '<tool_call>{"name": 5, "arguments": {}}</tool_call>'),
        (HERMES, '<tool_call>{"name": "f", "arguments": [1]}</tool_call>'),
        (HERMES, '<tool_call>{"name": "f", "arguments": 7}</tool_call>'),
        (HERMES, '<tool_call>{"name": "f", "arguments": "Rome"}</tool_call>'),
        (HERMES, '<tool_call>{"arguments": {"a": 1}}</tool_call>'),
        (HERMES, '<tool_call>{"title": "f", "name": "f", "arguments": {}}</tool_call>'),
        (HERMES, "<tool_call>f(1)</tool_call> and so on"),
        (HERMES, '<tool_call>\n{"name": "f", "argu'),
        (HERMES, '<tool_call>{"na\\qme": 1}'),
        (HERMES, '<tool_call>{"name": "f", "arguments": "\\'),
        (HERMES, '<tool_call>{"name": "f", "arguments": "\\u00'),
        (HERMES, '<tool_call>{"name": "f\\'),
        (HERMES, "if a<tool_cal then </tool_call> "),
        (HERMES, "  "),
        (LLAMA3, ' {"title": "Rome", "name": "f"}'),
        (LLAMA3, 'Here: {"name": "f", "parameters": {}}'),
        (LLAMA3, "<|python_tag|>brave_search.call(query='x')"),
        (MISTRAL, "[TOOL_CALLS][] [TOOL"),
        (MISTRAL, "[TOOL_CALLS]" + "f" * 300 + "{}"),
        (MISTRAL, "[TOOL_CALLS]g[ARGS]{}"),
        (MISTRAL, "[TOOL_CALLS]f[ARGS]"),
    ],
)
def test_text_that_is_no_call_stays_content(form: ToolFormat, text: str) -> None:
    assert read(form, text) == [("content", -1, text)]


@pytest.mark.parametrize(
    ("form", "text", "arguments", "rest"),
    [
        (HERMES, '<tool_call>{"name": "f", "arguments": {"a": [1', '{"a": [1', ""),
        (HERMES, '<tool_call>{"name": "f", "arguments": {"a": 1</tool_call> so', '{"a": 1', "so"),
        (HERMES, '<tool_call>{"name": "f", "arguments": {"a": 1}\n</tool_call> so', '{"a": 1}', "so"),
        (HERMES, '<tool_call>{"name": "f", "arguments": {"a": 1}} so</tool_call>', '{"a": 1}', "so</tool_call>"),
        (HERMES, '<tool_call>{"name": "f", "arguments": {"a": 1}, so', '{"a": 1}', "so"),
        (HERMES, '<tool_call>{"name": "f", "arguments": {a: Rome}}</tool_call>', "{a: Rome}", ""),
        (HERMES, '<tool_call>{"name": "f", "arguments": "{\\"a\\": \\u12', '{"a": ', ""),
        (HERMES, '<tool_call>{"name": "f", "arguments": {}}\n</tool_c', "{}", ""),
        (HERMES, '<tool_call>{"name": "f", "arguments": {}}\n<tool_call>{"na', "{}", '<tool_call>{"na'),
        (LLAMA3, '{"name": "f", "parameters": {}}; then {', "{}", "; then {"),
        (MISTRAL, '[TOOL_CALLS][{"name": "f", "arguments": {}}, {"name": "g"}]', "{}", ', {"name": "g"}]'),
    ],
)
def test_an_interrupted_tool_call_keeps_partial_arguments(
    form: ToolFormat, text: str, arguments: str, rest: str
) -> None:
    entries = read(form, text)
    assert calls(entries) == [("f", arguments)]
    assert content(entries) == rest


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        ("Let me see.\n\n", "\n", "Let me see."),
        ("\n", " \nDone. \n", "Done. \n"),
        (" A \n", "\n B\n", " A \nB\n"),
        ("A", "B", "AB"),
        ("\n\n", "", ""),
    ],
)
def test_whitespace_around_calls_is_dropped(before: str, after: str, shown: str) -> None:
    call = trained_call("f", {})
    assert content(read(HERMES, before + call + after)) == shown
    assert content(read(HERMES, f"{before}{call}\n{call}{after}")) == shown


def test_arguments_are_streamed() -> None:
    text = '<tool_call>{"name": "f", "arguments": {"a": "one two'
    assert read(HERMES, text) == one('{"a": "one two')
    parser_sees = [read(HERMES, text[:end])[-1][2] for end in range(len(text) - 6, len(text))]
    assert parser_sees == ['{"a": "o', '{"a": "on', '{"a": "one', '{"a": "one ', '{"a": "one t', '{"a": "one tw']


@pytest.mark.parametrize(
    "unit",
    [
        "word ", " ", "<", "<tool_call>", "[TOOL_CALLS]", '<tool_call>{"name": "z",', '{"', '\\"', "[[", "\\ud800",
        '<tool_call>{"name": "f", "arguments": {}}', '[TOOL_CALLS][{"name": "f", "arguments": {}},', '"', "}", "[",
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", [HERMES, MISTRAL])
@pytest.mark.parametrize("opening", ["", '<tool_call>{"arguments": {"a": ', '[TOOL_CALLS]f[ARGS]{"'])
def test_work_grows_with_the_text_alone(unit: str, form: ToolFormat, opening: str) -> None:
    def work(count: int) -> object:
        text = opening + unit * count
        return read(form, text, range(0, len(text), 7))

    assert steps(partial(work, 200)) < 2.2 * steps(partial(work, 100))
