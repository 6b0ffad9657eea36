"""Separates an answer's text into reasoning, content and tool calls."""

from typing import Protocol

from forefront.chat.events import AnswerDelta, ContentDelta, ReasoningDelta
from forefront.chat.output.reasoning import ReasoningParser
from forefront.chat.tools.tool_parser import ToolParser


class OutputParser(Protocol):
    """Parses the text of one choice. The deltas add up to the same result for any split of the text."""

    @property
    def reasoning(self) -> bool:
        """Whether the next text belongs to the model's reasoning, as far as is known."""

    @property
    def in_content(self) -> bool:
        """Whether the next text is content: neither reasoning, nor within a call or a message's header."""

    def feed(self, text: str) -> list[AnswerDelta]:
        """The deltas of more text."""

    def finish(self) -> list[AnswerDelta]:
        """The deltas of the withheld text, at the end of the answer."""


class MarkupParser:
    """The `OutputParser` of choice `index` for markup: reasoning at the beginning, then content and calls. Without
    `reasoning_parser` nothing is reasoning, without `tool_parser` nothing is a call."""

    def __init__(self, index: int, reasoning_parser: ReasoningParser | None, tool_parser: ToolParser | None) -> None:
        self._index = index
        self._reasoning = reasoning_parser
        self._tools = tool_parser

    @property
    def reasoning(self) -> bool:
        """See `OutputParser.reasoning`."""
        return self._reasoning is not None and self._reasoning.active

    @property
    def in_content(self) -> bool:
        """See `OutputParser.in_content`."""
        return not self.reasoning and (self._tools is None or self._tools.in_content)

    def feed(self, text: str) -> list[AnswerDelta]:
        """See `OutputParser.feed`."""
        return self._deltas(*(self._reasoning.feed(text) if self._reasoning else ("", text)))

    def finish(self) -> list[AnswerDelta]:
        """See `OutputParser.finish`."""
        deltas = self._deltas(*(self._reasoning.finish() if self._reasoning else ("", "")))
        return deltas + (self._tools.finish() if self._tools else [])

    def _deltas(self, reasoning: str, content: str) -> list[AnswerDelta]:
        deltas: list[AnswerDelta] = [ReasoningDelta(self._index, reasoning)] if reasoning else []
        if content:
            deltas += self._tools.feed(content) if self._tools else [ContentDelta(self._index, content)]
        return deltas
