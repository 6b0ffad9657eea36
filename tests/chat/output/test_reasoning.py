"""Reasoning is separated from the answer, for any division of the text into pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forefront.chat.output.output_parser import MarkupParser
from forefront.chat.output.reasoning import ReasoningFormat, ReasoningParser, find_reasoning_format
from forefront.chat.tools.tool_parser import ToolParser
from tests.chat.parsed import HERMES, NAMES, calls, content, cut, parsed
from training.dialogues.tools import call

THINK = ReasoningFormat(("<think>",), ("</think>",))
SOUP = st.lists(st.sampled_from(["<think>", "</think>", "<", "think>", "</", "a", " ", "\n", "é", "<think"])).map(
    "".join
)
CUTS = st.lists(st.integers(0, 60), max_size=12)


def split(text: str, places: list[int], *, opened: bool) -> tuple[str, str]:
    """Reasoning and content."""
    entries = parsed(MarkupParser(0, ReasoningParser(THINK, opened=opened), None), cut(text, places))
    return "".join(text for kind, _, text in entries if kind == "reasoning"), content(entries)


@pytest.mark.parametrize(
    ("text", "opened", "reasoning", "shown"),
    [
        ("<think>\nHm,  so.\n</think>\n\nYes. ", False, "Hm,  so.", "Yes. "),
        ("\n <think></think> x", False, "", "x"),
        ("Hm.</think>Yes.", True, "Hm.", "Yes."),
        ("\nHm. And", True, "Hm. And", ""),
        ("<think>Hm </thin", False, "Hm </thin", ""),
        ("a</think>b</think><think>c</think>", True, "a", "b</think><think>c</think>"),
        (" Yes. <think>Hm</think>", False, "", " Yes. <think>Hm</think>"),
        ("<thin", False, "", "<thin"),
        ("\n", False, "", "\n"),
        ("<<think>", False, "", "<<think>"),
        ("<think><think>a</think>", False, "<think>a", ""),
    ],
)
def test_reasoning_is_the_text_between_the_markers(text: str, opened: bool, reasoning: str, shown: str) -> None:
    assert split(text, [], opened=opened) == (reasoning, shown)


@given(SOUP, CUTS, st.booleans())
def test_no_text_is_lost_at_any_split(text: str, places: list[int], opened: bool) -> None:
    reasoning, shown = split(text, places, opened=opened)
    assert (reasoning, shown) == split(text, [], opened=opened) == split(text, list(range(len(text))), opened=opened)
    marked = ("" if opened or not text.lstrip().startswith("<think>") else "<think>") + reasoning
    inside = opened or marked != reasoning
    closed = "</think>" if inside and "</think>" in text else ""
    assert "".join((marked + closed + shown).split()) == "".join(text.split())


def test_the_reasoning_state_is_known_after_each_piece() -> None:
    parser = ReasoningParser(THINK, opened=False)
    active = []
    for piece in ["\n", "<thi", "nk>", "a", "</think", ">", "b", "<think>"]:
        parser.feed(piece)
        active.append(parser.active)
    assert active == [False, False, True, True, True, False, False, False]


@pytest.mark.parametrize(
    ("prompt", "opened"),
    [
        ("<|im_start|>assistant\n<think>\n", True),
        ("<|im_start|>assistant\n<think>", True),
        ("<|im_start|>assistant\n<think>\n\n</think>\n\n", False),
        ("<|im_start|>user\nWhat is <think>?<|im_end|>\n<|im_start|>assistant\n", False),
        ("", False),
    ],
)
def test_the_end_of_the_prompt_decides_whether_reasoning_is_open(prompt: str, opened: bool) -> None:
    assert THINK.opened(prompt) is opened


def test_the_format_is_found_from_the_template_or_the_vocabulary() -> None:
    assert find_reasoning_format("{{ content.split('</think>')[-1] }}", {}) == THINK
    mistral = find_reasoning_format("", {"[THINK]": 34, "[/THINK]": 35})
    assert mistral == ReasoningFormat(("[THINK]",), ("[/THINK]",), control={"[THINK]": 34, "[/THINK]": 35})
    assert mistral.marker_bytes == {34: b"[THINK]", 35: b"[/THINK]"}
    minimax = "<minimax:tool_call> <think>\\n </think> '\\n<response>' ~ result ~ '</response>'"
    assert find_reasoning_format(minimax, {}) == THINK
    solar = find_reasoning_format("<|im:start|>assistant<|think:start|>", {"<|think:end|>": 36})
    assert solar == ReasoningFormat(("<|think:start|>",), ("<|think:end|>",), control={"<|think:end|>": 36})
    assert find_reasoning_format("{{ messages }}", {"[INST]": 3}) is None


APRIEL = "Here are my reasoning steps:\nHm.\n[BEGIN FINAL RESPONSE]\nYes [x].\n[END FINAL RESPONSE]"


@given(CUTS, st.booleans())
def test_the_reasoning_markers_of_apriel(places: list[int], opened: bool) -> None:
    """The first version has a marker after the answer, the second opens the reasoning in the prompt."""
    text = APRIEL.removeprefix("Here are my reasoning steps:") if opened else APRIEL
    first = find_reasoning_format("... [BEGIN FINAL RESPONSE] ... [END FINAL RESPONSE].", {})
    second = find_reasoning_format("'Here are my reasoning steps:\\n' ... [BEGIN FINAL RESPONSE]", {})
    assert first is not None
    assert second is not None
    assert second.opened("<|begin_assistant|>\nHere are my reasoning steps:\n")
    for form, shown in ((first, "Yes [x].\n"), (second, "Yes [x].\n[END FINAL RESPONSE]")):
        entries = parsed(MarkupParser(0, ReasoningParser(form, opened=opened), None), cut(text, places))
        assert "".join(text for kind, _, text in entries if kind == "reasoning") == "Hm."
        assert content(entries) == shown


@given(CUTS)
def test_only_calls_after_the_reasoning_count(places: list[int]) -> None:
    text = f"<think>\nI could {call('f', {})}\n</think>\n\nSo: {call('f', {'a': 1})}"
    reader = MarkupParser(0, ReasoningParser(THINK, opened=False), ToolParser(0, HERMES, {name: {} for name in NAMES}))
    entries = parsed(reader, cut(text, places))
    assert [kind for kind, _, _ in entries] == ["reasoning", "content", "begin", "arguments"]
    assert calls(entries) == [("f", '{"a": 1}')]
    assert content(entries) == "So:"
    assert not reader.reasoning
