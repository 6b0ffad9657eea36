"""What tool grammars let a model write is what it was trained to write, and is read back as valid calls."""

import dataclasses
import json
import random
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from llguidance import LLMatcher, LLTokenizer, TokenizerWrapper

from forefront.chat.grammar.grammar_source import GrammarRefusedError, GrammarSource, expand
from forefront.chat.tools.formats.llama import LlamaFormat
from forefront.chat.tools.formats.named import MistralFormat
from forefront.chat.tools.tool_format import ToolFormat
from forefront.chat.tools.tool_grammar import CallMode, ToolGrammar, tool_grammar
from forefront.chat.tools.tool_parser import ToolParser
from forefront.wire.completions.tools import Function, Tool
from tests.chat.parsed import HERMES, LLAMA3, MISTRAL, MISTRAL_NAMED, Plain, calls, content, parsed
from training.dialogues.tools import call as trained_call

CONTROL = {"<|end|>": 256, "<tool_call>": 257, "</tool_call>": 258, "<|python_tag|>": 259, "[TOOL_CALLS]": 260}
CONTROL |= {"[ARGS]": 261, "[CALL_ID]": 262}
END = CONTROL["<|end|>"]
CLOSING = {*b'"}]', END}
# Every byte is a token, and so is every marker, as text that can be written in bytes or as a control token.
PIECES = [bytes([byte]) for byte in range(256)] + [text.encode() for text in CONTROL]


def controlled(form: ToolFormat, *markers: str) -> ToolFormat:
    form = dataclasses.replace(form, control={marker: CONTROL[marker] for marker in markers})
    return dataclasses.replace(form, space=" ") if isinstance(form, MistralFormat) else form


FORMATS = (
    HERMES,
    LLAMA3,
    MISTRAL,
    MISTRAL_NAMED,
    controlled(HERMES, "<tool_call>", "</tool_call>"),
    controlled(LLAMA3, "<|python_tag|>"),
    controlled(MISTRAL, "[TOOL_CALLS]"),
    controlled(MISTRAL_NAMED, "[TOOL_CALLS]", "[ARGS]", "[CALL_ID]"),
)

SCHEMAS: dict[str, dict[str, Any] | None] = {
    "get_weather": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "none": None,
    "any": {},
    "a.b-C_9": {
        "$defs": {
            "c/d": {"enum": ['a"b', "</tool_call>", "}]", "\\", "é😀", " // # %json {"]},
            "n": {"type": "integer"},
        },
        "properties": {"x": {"$ref": "#/$defs/c~1d"}, "y": {"type": "array", "items": {"$ref": "#/$defs/n"}}},
        "required": ["y", "x"],
        "additionalProperties": False,
    },
    "tree": {
        "type": "object",
        "properties": {"v": {"type": ["boolean", "null"]}, "next": {"$ref": "#"}},
        "required": ["v"],
        "additionalProperties": False,
    },
}


def offer(schemas: dict[str, dict[str, Any] | None], *, strict: bool | None = None) -> list[Tool]:
    return [
        Tool(type="function", function=Function(name=name, parameters=schema, strict=strict))
        for name, schema in schemas.items()
    ]


class Bytes:
    """What `TokenizerWrapper` reads."""

    eos_token_id = END
    bos_token_id = None
    tokens = PIECES
    special_token_ids = tuple(CONTROL.values())

    def __call__(self, text: bytes | str) -> list[int]:
        return list(text.encode() if isinstance(text, str) else text)


@pytest.fixture(scope="module")
def tokenizer() -> LLTokenizer:
    return LLTokenizer(TokenizerWrapper(Bytes()), n_vocab=len(PIECES))


def compiled(tokenizer: LLTokenizer, grammar: ToolGrammar) -> LLMatcher:
    matcher = LLMatcher(tokenizer, expand(GrammarSource("lark", grammar.lark)).llguidance, log_level=0)
    assert not matcher.is_error(), matcher.get_error()
    return matcher


def sample(matcher: LLMatcher, dice: random.Random) -> str:
    """A text of the grammar. What closes something is taken one time in three, so that texts end."""
    tokens: list[int] = []
    while len(tokens) < 3000 and not matcher.is_stopped():
        allowed = [token for token, bias in enumerate(matcher.compute_logit_bias()) if bias]
        closing = [token for token in allowed if token in CLOSING]
        token = dice.choice(closing if closing and dice.random() < 0.34 else allowed)
        if token == END:
            break
        assert matcher.consume_token(token), matcher.get_error()
        tokens.append(token)
    assert matcher.is_accepting(), "the sampled text has an end"
    return b"".join(PIECES[token] for token in tokens).decode()


def accepts(matcher: LLMatcher, form: ToolFormat, text: str) -> bool:
    """Whether `text` is the grammar's, its control tokens read as such."""
    for marker in form.control:
        text = text.replace(marker, chr(0xF0000 + form.control[marker]))
    tokens = [
        token for char in text for token in ([ord(char) - 0xF0000] if ord(char) > 0xF0000 else list(char.encode()))
    ]
    return bool(matcher.try_consume_tokens(tokens) == len(tokens) and matcher.is_accepting())


def check(form: ToolFormat, text: str) -> list[tuple[str, str]]:
    """The calls in `text`, all of it calls, each valid against the schema of its tool."""
    entries = parsed(Plain(0, form, {name: schema or {} for name, schema in SCHEMAS.items()}), [text])
    assert content(entries) == ""
    found = calls(entries)
    for name, arguments in found:
        value = json.loads(arguments)
        assert isinstance(value, dict)
        Draft202012Validator(SCHEMAS[name] or {}).validate(value)
        assert SCHEMAS[name] is not None or value == {}
    return found


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("choice", ["required", "auto", "one"])
@pytest.mark.parametrize("parallel", [True, False])
def test_every_text_of_the_grammar_parses_as_valid_calls(
    tokenizer: LLTokenizer, form: ToolFormat, choice: Any, parallel: bool
) -> None:
    tools = offer(SCHEMAS if choice != "one" else {"tree": SCHEMAS["tree"]})
    grammar = tool_grammar(form, tools, choice, parallel=parallel)
    matcher = compiled(tokenizer, grammar)
    dice = random.Random(f"{form} {choice} {parallel}")
    counts = set()
    for _ in range(12):
        text = grammar.trigger + sample(matcher.deep_copy(), dice)
        if (
            isinstance(form, LlamaFormat)
            and choice == "auto"
            and not calls(parsed(Plain(0, form, {name: schema or {} for name, schema in SCHEMAS.items()}), [text]))
        ):
            continue  # the grammar holds for the whole answer, which need not be a call
        found = check(form, text)
        counts.add(len(found))
        assert found
        assert choice != "one" or [name for name, _ in found] == ["tree"]
    assert parallel or counts <= {1}


@pytest.mark.parametrize("choice", ["required", "auto"])
@pytest.mark.parametrize(
    ("form", "text"),
    [
        (HERMES, trained_call("get_weather", {"city": "Rome"})),
        (HERMES, trained_call("any", {"n": [1, {"a": None}]})),
        (controlled(HERMES, "<tool_call>", "</tool_call>"), trained_call("get_weather", {"city": "Rome"})),
        (LLAMA3, '{"name": "get_weather", "parameters": {"city": "Rome"}}'),
        (LLAMA3, '{"type": "function", "name": "get_weather", "parameters": {"city": "Rome"}}'),
        (MISTRAL, '[TOOL_CALLS][{"name": "get_weather", "arguments": {"city": "Rome"}}]'),
        (controlled(MISTRAL, "[TOOL_CALLS]"), '[TOOL_CALLS] [{"name": "get_weather", "arguments": {"city": "Rome"}}]'),
        (MISTRAL_NAMED, '[TOOL_CALLS]get_weather[ARGS]{"city": "Rome"}'),
        (FORMATS[-1], '[TOOL_CALLS]get_weather[CALL_ID]0123456aZ[ARGS]{"city": "Rome"}'),
    ],
)
def test_calls_are_rendered_in_the_trained_format(
    tokenizer: LLTokenizer, choice: CallMode, form: ToolFormat, text: str
) -> None:
    grammar = tool_grammar(form, offer(SCHEMAS), choice, parallel=False)
    assert text.startswith(grammar.trigger)
    matcher = compiled(tokenizer, grammar)
    assert accepts(matcher.deep_copy(), form, text.removeprefix(grammar.trigger))
    for other in (text.replace(": ", ":", 1), text.replace('"name": "', '"name": "x', 1), text.replace('"Rome"', "5")):
        assert other == text or not accepts(matcher.deep_copy(), form, other.removeprefix(grammar.trigger))


@pytest.mark.parametrize("parallel", [True, False])
@pytest.mark.parametrize(
    ("form", "text"),
    [
        (HERMES, trained_call("get_weather", {"city": "Rome"}) + "\n" + trained_call("none", {})),
        (LLAMA3, '{"name": "get_weather", "parameters": {"city": "Rome"}}; {"name": "none", "parameters": {}}'),
        (MISTRAL, '[TOOL_CALLS][{"name": "none", "arguments": {}}, {"name": "none", "arguments": {}}]'),
        (MISTRAL_NAMED, '[TOOL_CALLS]get_weather[ARGS]{"city": "Rome"}[TOOL_CALLS]none[ARGS]{}'),
    ],
)  # fmt: skip
def test_several_calls_are_for_parallel_requests(
    tokenizer: LLTokenizer, form: ToolFormat, text: str, parallel: bool
) -> None:
    required = tool_grammar(form, offer(SCHEMAS), "required", parallel=parallel)
    assert accepts(compiled(tokenizer, required), form, text) is parallel
    assert tool_grammar(form, offer(SCHEMAS), "auto", parallel=parallel).ends is not parallel or form is LLAMA3


@pytest.mark.parametrize(("breaks", "thought"), [(0, True), (1, True), (2, True), (3, False)])
def test_line_breaks_may_stand_between_reasoning_and_a_forced_call(
    tokenizer: LLTokenizer, breaks: int, thought: bool
) -> None:
    text = "\n" * breaks + trained_call("none", {})
    for form in (HERMES, FORMATS[4]):
        after = tool_grammar(form, offer(SCHEMAS), "required", parallel=True, thought=True)
        assert accepts(compiled(tokenizer, after), form, text) is thought
        first = tool_grammar(form, offer(SCHEMAS), "required", parallel=True)
        assert accepts(compiled(tokenizer, first), form, text) is (breaks == 0)


@pytest.mark.parametrize("text", ["", "It is warm.", '{"temperature": 3}', '{"name', "{}", "5"])
def test_a_llama_with_optional_tools_may_answer_in_text(tokenizer: LLTokenizer, text: str) -> None:
    matcher = compiled(tokenizer, tool_grammar(LLAMA3, offer(SCHEMAS), "auto", parallel=True))
    assert accepts(matcher, LLAMA3, text)


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "get_news"',
        '{"type":"function","name"',
        ' { "name": "none"',
        '{"name": "none", "parameters": {"a": 1}}',
    ],
)
def test_a_llama_that_begins_a_call_completes_it(tokenizer: LLTokenizer, text: str) -> None:
    matcher = compiled(tokenizer, tool_grammar(LLAMA3, offer(SCHEMAS), "auto", parallel=True))
    assert not accepts(matcher, LLAMA3, text)


@pytest.mark.parametrize("form", FORMATS)
def test_the_maximum_number_of_tools(tokenizer: LLTokenizer, form: ToolFormat) -> None:
    tools = offer({f"tool_{place}": SCHEMAS["a.b-C_9"] for place in range(128)})
    matcher = compiled(tokenizer, tool_grammar(form, tools, "required", parallel=True))
    text = sample(matcher, random.Random(1))
    assert calls(parsed(Plain(0, form, {tool.function.name: {} for tool in tools}), [text]))


def test_schemas_and_names_cannot_change_the_call_format(tokenizer: LLTokenizer) -> None:
    name = 'we"ird\\ /{}|%json é\n'
    schema = {"type": "object", "additionalProperties": False, "x-guidance": {"whitespace_flexible": True}}
    for form in (HERMES, LLAMA3, MISTRAL):
        tools = [Tool(type="function", function=Function(name=name, parameters=schema))]
        matcher = compiled(tokenizer, tool_grammar(form, tools, "required", parallel=False))
        text = sample(matcher, random.Random(1))
        assert calls(parsed(ToolReader(form, name), [text])) == [(name, "{}")]


class ToolReader(ToolParser):
    """A reader for one tool."""

    reasoning = False

    def __init__(self, form: ToolFormat, name: str) -> None:
        super().__init__(0, form, {name: {}})


def test_unenforceable_keywords_are_refused_only_in_strict_schemas(tokenizer: LLTokenizer) -> None:
    schemas: dict[str, dict[str, Any] | None] = {"f": {"type": "object", "not": {"required": ["a"]}}}
    loose = tool_grammar(HERMES, offer(schemas, strict=False), "required", parallel=True)
    strict = tool_grammar(HERMES, offer(schemas, strict=True), "required", parallel=True)
    assert not LLMatcher(tokenizer, expand(GrammarSource("lark", loose.lark)).llguidance, log_level=0).is_error()
    with pytest.raises(GrammarRefusedError) as caught:
        expand(GrammarSource("lark", strict.lark))
    assert caught.value.path == "tools[f].function.parameters.not"
