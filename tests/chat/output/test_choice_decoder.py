"""Choices decoded from tokens: stops end content, and only content, however the text is cut into tokens."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forefront.chat.events import ChoiceEnd, ContentDelta, ReasoningDelta, ToolCallBegin, ToolInputDelta
from forefront.chat.output.choice_decoder import ChoiceDecoder, DecodeOptions, TokenTexts
from forefront.chat.output.output_parser import MarkupParser
from forefront.chat.output.reasoning import ReasoningFormat, ReasoningParser
from forefront.chat.output.stop_strings import StopStrings
from forefront.chat.tools.tool_parser import ToolParser
from forefront.engine.generation import Logprob, Token
from tests.chat.parsed import HERMES

THINK = ReasoningFormat(("<think>",), ("</think>",))
CALL = '<tool_call>\n{"name": "f", "arguments": {"a": "END"}}\n</tool_call>'
TEXT = f"<think>I END here.</think>One END two\n{CALL}"


def decode(text: str, places: Any = (), **options: Any) -> tuple[dict[str, str], str | None, ChoiceDecoder, list[Any]]:
    """The texts of each kind, the finish reason, the decoder and the log-probabilities, for `text` in tokens that are
    cut at `places`."""
    ends = sorted({min(place, len(text)) for place in places} | {len(text)})
    pieces = [text[begin:end].encode() for begin, end in zip([0, *ends], ends, strict=False)]
    parser = MarkupParser(0, ReasoningParser(THINK, opened=False), ToolParser(0, HERMES, {"f": {}}))
    stops = StopStrings(options.pop("stops", ()))
    vocabulary = [*pieces, b""]
    decoder = ChoiceDecoder(0, TokenTexts(vocabulary, {len(pieces): "<end>"}), DecodeOptions(stops, **options), parser)
    tokens = [Token(0, number) for number in range(len(pieces))] + [Token(0, len(pieces), "stop")]
    shown = dict.fromkeys(("content", "reasoning", "call", "arguments"), "")
    reason, logprobs = None, []
    for token in tokens:
        for event in decoder.events([token]):
            match event:
                case ContentDelta():
                    shown["content"] += event.text
                    logprobs += event.logprobs or []
                case ReasoningDelta():
                    shown["reasoning"] += event.text
                case ToolCallBegin():
                    shown["call"] += event.name
                case ToolInputDelta():
                    shown["arguments"] += event.arguments
                case ChoiceEnd():
                    reason = event.reason
        if decoder.ended:
            break
    return shown, reason, decoder, logprobs


PLACES = st.lists(st.integers(1, len(TEXT)), max_size=30)


@given(PLACES)
def test_a_stop_string_ends_content(places: list[int]) -> None:
    shown, reason, _, _ = decode(TEXT, places, stops=["END"])
    assert shown == {"content": "One ", "reasoning": "I END here.", "call": "", "arguments": ""}
    assert reason == "stop"


@given(PLACES, st.sampled_from(["}", '"', "\n<", "f", "tool_call", "here", "think"]))
def test_reasoning_calls_and_markup_are_never_cut(places: list[int], stop: str) -> None:
    shown, reason, decoder, _ = decode(TEXT, places, stops=[stop])
    assert shown["reasoning"] == "I END here."
    assert shown["content"] == "One END two"
    assert (shown["call"], shown["arguments"]) == ("f", '{"a": "END"}')
    assert reason == "tool_calls"
    assert decoder.tokens == len({min(place, len(TEXT)) for place in places} | {len(TEXT)}) + 1


@given(PLACES)
def test_text_held_back_for_a_stop_string_is_shown_at_the_end(places: list[int]) -> None:
    shown, _, _, _ = decode("One two EN", places, stops=["END"])
    assert shown["content"] == "One two EN"


def test_a_stop_token_ends_content_alone() -> None:
    text = "<think>a</think>ab"
    each = range(1, len(text))
    a, b = text.index("a"), text.rindex("b")
    assert decode(text, each, stop_tokens=frozenset({a}))[0]["content"] == "ab"
    shown, reason, decoder, _ = decode(text, each, stop_tokens=frozenset({b}))
    assert (shown["content"], shown["reasoning"], reason) == ("a", "a", "stop")
    assert decoder.tokens == b + 1
    call = CALL + "}"
    inside = call.index("}")
    assert decode(call, range(1, len(call)), stop_tokens=frozenset({inside}))[0]["arguments"] == '{"a": "END"}'


@pytest.mark.parametrize(
    ("minimum", "content"), [(0, ""), (1, "a"), (3, "aabb"), (4, "aabb"), (5, "aabbab"), (9, "aabbab")]
)
def test_min_tokens_prevents_every_early_end(minimum: int, content: str) -> None:
    text = "aabbab"
    shown, _, _, _ = decode(text, range(1, len(text)), stops=["a"], min_tokens=minimum)
    assert shown["content"] == content


def test_log_probabilities_with_the_end_token_and_without() -> None:
    for end in (False, True):
        _, _, _, logprobs = decode("abc", range(1, 3), logprobs=True, end_logprob=end)
        assert [entry.token for entry in logprobs] == ["a", "b", "c", *(["<end>"] if end else [])]
    _, _, decoder, logprobs = decode("abcENDxyz", range(1, 9), logprobs=True, end_logprob=True, stops=["END"])
    assert [entry.token for entry in logprobs] == ["a", "b", "c"]
    assert decoder.tokens == 6


@pytest.mark.parametrize("where", ["prompt", "answer"])
def test_log_probabilities_come_a_few_at_a_time(where: str) -> None:
    """20 alternatives of 128 tokens took ten milliseconds of the event loop between two events, with their JSON."""
    top = tuple(Logprob(token, -1.0) for token in range(20))
    scored = tuple(Token(0, token % 20, None, -1.0, top) for token in range(1000))
    echo = [token.token for token in scored] if where == "prompt" else []
    texts = TokenTexts([b"x"] * 20)
    decoder = ChoiceDecoder(0, texts, DecodeOptions(StopStrings(()), logprobs=True), echo=echo)
    tokens = [Token(0, 1, "length", -1.0, top, scored)] if echo else list(scored)
    counts = [len(event.logprobs or ()) for event in decoder.events(tokens) if isinstance(event, ContentDelta)]
    assert sum(counts) == 1000 + bool(echo)
    assert max(counts) <= 16
