"""What reads an answer: first its reasoning, then content and calls of tools."""

from forefront.chat.events import Delta, ReasoningDelta, TextDelta
from forefront.chat.output.reasoning import ReasoningParser
from forefront.chat.tools.tool_parser import ToolParser


class AnswerReader:
    """The `Reader` of choice `index`. Without `thoughts` nothing is reasoning, without `tools` nothing is a call."""

    def __init__(self, index: int, thoughts: ReasoningParser | None, tools: ToolParser | None) -> None:
        self._index = index
        self._thoughts = thoughts
        self._tools = tools

    @property
    def reasoning(self) -> bool:
        """See `Reader.reasoning`."""
        return self._thoughts is not None and self._thoughts.active

    def feed(self, text: str) -> list[Delta]:
        """See `Reader.feed`."""
        return self._told(*(self._thoughts.feed(text) if self._thoughts else ("", text)))

    def finish(self) -> list[Delta]:
        """See `Reader.finish`."""
        deltas = self._told(*(self._thoughts.finish() if self._thoughts else ("", "")))
        return deltas + (self._tools.finish() if self._tools else [])

    def _told(self, reasoning: str, content: str) -> list[Delta]:
        deltas: list[Delta] = [ReasoningDelta(self._index, reasoning)] if reasoning else []
        if content:
            deltas += self._tools.feed(content) if self._tools else [TextDelta(self._index, content)]
        return deltas
