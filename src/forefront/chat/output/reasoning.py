"""Separates a model's reasoning from its answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from forefront.chat.output.marker_scanner import TextReading, TextScanner, until


@dataclass(frozen=True, slots=True)
class ReasoningFormat:
    """The markers around reasoning; any of `openings` begins it and any of `closings` ends it.

    `answer` are the markers that may surround the answer itself; without the first one, the end of reasoning begins it.
    `control` are the markers that are control tokens (text → id), whose bytes the detokenizer needs.
    """

    openings: tuple[str, ...]
    closings: tuple[str, ...]
    answer: tuple[str, str] | None = None
    control: Mapping[str, int] = field(default_factory=dict)

    @property
    def marker_bytes(self) -> dict[int, bytes]:
        """The text of each control token that the parser needs, by id."""
        return {token: text.encode() for text, token in self.control.items()}

    def opened(self, prompt: str) -> bool:
        """Whether the rendered `prompt` ends within reasoning: some templates open it themselves."""
        return prompt.rstrip().endswith(tuple(opening.rstrip() for opening in self.openings))


_THINK: Final = ReasoningFormat(("<think>",), ("</think>",))
# The phrases of Granite 3.2.
_PHRASES: Final = ReasoningFormat(
    ("Here is my thought process:", "Here's my thought process:"), ("Here is my response:", "Here's my response:")
)
_APRIEL: Final = ("Here are my reasoning steps:",)
# MiniMax M2 writes tool results, not its answers, between `<response>` and `</response>`.
_WITHOUT_ANSWER: Final = "<minimax:tool_call>"
_KNOWN: Final = (
    ReasoningFormat(("<think>",), ("</think>",), ("<response>", "</response>")),
    ReasoningFormat(("<think>",), ("</think>",), ("<answer>", "</answer>")),
    _THINK,
    ReasoningFormat(("[THINK]",), ("[/THINK]",)),
    ReasoningFormat(("<thought>",), ("</thought>",)),
    ReasoningFormat(("<|START_THINKING|>",), ("<|END_THINKING|>",), ("<|START_RESPONSE|>", "<|END_RESPONSE|>")),
    ReasoningFormat(("<seed:think>",), ("</seed:think>",)),
    ReasoningFormat(("<|think:start|>",), ("<|think:end|>",)),
    ReasoningFormat(("<|inner_prefix|>",), ("<|inner_suffix|>",)),
    ReasoningFormat(("<|channel>thought\n",), ("<channel|>",)),
    # Apriel 1.5 and 1.6.
    ReasoningFormat(_APRIEL, ("[BEGIN FINAL RESPONSE]",), ("", "[END FINAL RESPONSE]")),
    ReasoningFormat(_APRIEL, ("[BEGIN FINAL RESPONSE]",)),
    _PHRASES,
)


def find_reasoning_format(template: str, control: Mapping[str, int]) -> ReasoningFormat | None:
    """The format that the chat template's source uses; `control` are the tokenizer's control tokens (text → id)."""
    for form in _KNOWN:
        if form.answer is not None and (
            _WITHOUT_ANSWER in template or not all(marker in template for marker in form.answer)
        ):
            continue
        if any(_named(marker, template) for marker in (*form.openings, *form.closings)) or (
            form.answer is None and {form.openings[0], form.closings[0]} <= set(control)
        ):
            markers = (*form.openings, *form.closings, *(form.answer or ()))
            present = {
                text: token
                for text, token in control.items()
                if len(text) > 1 and any(text in marker for marker in markers)
            }
            return ReasoningFormat(form.openings, form.closings, form.answer, present)
    return None


def _named(marker: str, template: str) -> bool:
    """Whether the template writes the marker. A line break is an escape sequence in Jinja's strings."""
    return marker.rstrip() in template


class ReasoningParser:
    """Splits an answer into reasoning and content. `opened`: the prompt has opened the reasoning.

    Reasoning is the text between the markers at the beginning of the answer; markers further on are content. Whitespace
    at both ends of the reasoning and after it is dropped, and so are markers around the answer itself. An answer that
    ends within reasoning has no content. The result is the same for any split of the text, in time linear in its
    length.
    """

    def __init__(self, form: ReasoningFormat, *, opened: bool) -> None:
        self.active = opened  # the next text belongs to the reasoning, as far as is known
        self._form = form
        self._reasoning: list[str] = []
        self._content: list[str] = []
        self._white: list[str] = []
        self._begun = False
        markers = (*form.closings, *filter(None, form.answer or ()))
        self._machine = TextScanner(self._answer(), markers)

    def feed(self, text: str) -> tuple[str, str]:
        """The additions of more text to the reasoning and to the content."""
        self._machine.feed(text)
        return self._taken()

    def finish(self) -> tuple[str, str]:
        """The text held back, at the end of the answer."""
        self._machine.finish()
        return self._taken()

    def _answer(self) -> TextReading[None]:
        char = yield None
        begin, end = self._form.answer or ("", "")
        found = read = ""
        if not self.active:
            markers = (*self._form.openings, begin) if begin else self._form.openings
            found, read, char = yield from self._opening(markers, char)
        if self.active:
            char = yield from self._reasoning_text(char)
            found, read, char = (yield from self._opening((begin,), char)) if begin else (end, "", char)
        if found:
            char = yield from self._framed(end, char)
        elif read:
            self._content.append(read)
        while char:
            self._content.append(char)
            char = yield self._content.append

    def _opening(self, markers: tuple[str, ...], char: str) -> TextReading[tuple[str, str, str]]:
        """Reads whitespace and one of the markers; returns the marker, else the text, and the next character."""
        read = ""
        while char.isspace():
            read += char
            char = yield None
        held = ""
        while char and any(marker.startswith(held + char) for marker in markers):
            held += char
            if held in markers:
                self.active = held in self._form.openings
                return held, "", (yield None)
            char = yield None
        return "", read + held, char

    def _reasoning_text(self, char: str) -> TextReading[str]:
        """Reads up to the first character of the content."""
        found = yield from until(self._form.closings, char, self._add_reasoning)
        if found not in self._form.closings:
            self._add_reasoning(found)
            return ""
        self.active = False
        char = yield None
        while char.isspace():
            char = yield None
        return char

    def _framed(self, end: str, char: str) -> TextReading[str]:
        """Reads an answer up to the marker after it; returns what follows that."""
        while char.isspace():
            char = yield None
        found = yield from until((end,), char, self._content.append)
        if found != end:
            self._content.append(found)
            return ""
        return (yield None)

    def _add_reasoning(self, text: str) -> None:
        if not self._begun:
            text = text.lstrip()
        solid = text.rstrip()
        if solid:
            self._reasoning += [*self._white, solid]
            self._white.clear()
            self._begun = True
        if len(solid) < len(text):
            self._white.append(text[len(solid) :])

    def _taken(self) -> tuple[str, str]:
        taken = "".join(self._reasoning), "".join(self._content)
        self._reasoning.clear()
        self._content.clear()
        return taken
