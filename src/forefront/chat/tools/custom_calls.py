"""Calls of custom tools, whose one argument is a text: unwrapped from the JSON of their arguments."""

import re
from collections.abc import Collection
from typing import Final

from msgspec.structs import replace

from forefront.chat.events import AnswerDelta, ToolCallBegin, ToolInputDelta
from forefront.chat.output.output_parser import OutputParser

_OPENING: Final = re.compile(r'\s*\{\s*"input"\s*:\s*"')
# The complete part of a JSON string: characters, escapes, and pairs of escapes for one character.
_COMPLETE: Final = re.compile(r'(?:[^"\\]|\\u[dD][89abAB]..\\u....|\\u(?![dD][89abAB])....|\\[^u])+', re.DOTALL)
_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_SHORT: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class CustomCallParser:
    """Another `OutputParser`, with the calls of the custom tools `names` as calls with a text."""

    def __init__(self, parser: OutputParser, names: Collection[str]) -> None:
        self._parser = parser
        self._names = names
        self._texts: dict[int, TextArgument] = {}  # by call

    @property
    def reasoning(self) -> bool:
        """See `OutputParser.reasoning`."""
        return self._parser.reasoning

    @property
    def in_content(self) -> bool:
        """See `OutputParser.in_content`."""
        return self._parser.in_content

    def feed(self, text: str) -> list[AnswerDelta]:
        """See `OutputParser.feed`."""
        return self._unwrapped(self._parser.feed(text))

    def finish(self) -> list[AnswerDelta]:
        """See `OutputParser.finish`."""
        return self._unwrapped(self._parser.finish())

    def _unwrapped(self, deltas: list[AnswerDelta]) -> list[AnswerDelta]:
        return [found for delta in deltas if (found := self._unwrapped_one(delta)) is not None]

    def _unwrapped_one(self, delta: AnswerDelta) -> AnswerDelta | None:
        if isinstance(delta, ToolCallBegin) and delta.name in self._names:
            self._texts[delta.call] = TextArgument()
            return replace(delta, custom=True)
        if isinstance(delta, ToolInputDelta) and delta.call in self._texts:
            text = self._texts[delta.call].feed(delta.arguments)
            return replace(delta, arguments=text, custom=True) if text else None
        return delta


class TextArgument:
    """The text in `{"input": "…"}`, as its JSON arrives."""

    def __init__(self) -> None:
        self._held = ""
        self._opened = self._closed = False

    def feed(self, json_text: str) -> str:
        """The additions of more JSON to the text."""
        if self._closed:
            return ""
        self._held += json_text
        if not self._opened:
            opening = _OPENING.match(self._held)
            if opening is None:
                return ""
            self._opened, self._held = True, self._held[opening.end() :]
        complete = _COMPLETE.match(self._held)
        end = complete.end() if complete is not None else 0
        found, self._held = self._held[:end], self._held[end:]
        self._closed = self._held.startswith('"')
        text = _ESCAPE.sub(_character, found)
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _character(match: re.Match[str]) -> str:
    code = match[1]
    return chr(int(code[1:], 16)) if len(code) == 5 else _SHORT.get(code, code)
