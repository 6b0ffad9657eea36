"""Parser that separates an answer's text into content and calls of tools."""

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from forefront.chat.events import AnswerDelta, ContentDelta, ToolCallBegin, ToolInputDelta
from forefront.chat.output.marker_scanner import TextReading, TextScanner, until
from forefront.chat.tools.call_cursor import NotACallError
from forefront.chat.tools.json_call_parser import JsonCallParser
from forefront.chat.tools.tool_format import ToolFormat


class ToolParser:
    """Reads the answer of choice `index`, in which calls of `tools` (name → JSON schema of the arguments) are written
    in `form`.

    The deltas add up to the same result for any split of the text, in time linear in its length.

    A call begins (`ToolCallBegin`) once its name is known and its arguments have begun. Text that turns out not to be a
    call before that (another format, an unknown tool, a truncated call) is verbatim content, markers included. Markers
    within it are ignored. A call that has begun stays one: if its arguments break off, they stay as they are, and what
    follows is read as what follows a call. Only this text is not shown: markers and the syntax around arguments;
    whitespace around a run of calls, except between two contents; and closing markers, complete or truncated, directly
    after a call.
    """

    def __init__(self, index: int, form: ToolFormat, tools: Mapping[str, Mapping[str, Any]]) -> None:
        self.in_content = True  # the next text is outside a run of calls
        self._index = index
        self._form = form
        self._tools = tools
        self._calls = 0
        self._pending: list[tuple[int, str, str]] = []  # call or -1, its name where it begins, text
        self._content = _Content(self._pending)
        self._markers = (*form.openings, *form.closings)
        self._machine = TextScanner(self._answer(), self._markers)

    def feed(self, text: str) -> list[AnswerDelta]:
        """The deltas of more text."""
        self._machine.feed(text)
        return self._deltas()

    def finish(self) -> list[AnswerDelta]:
        """The text held back, at the end of the answer."""
        self._machine.finish()
        self._content.end()
        return self._deltas()

    def _answer(self) -> TextReading[None]:
        char = yield None
        if self._form.bare:
            while char and char.isspace():
                self._content.take(char)
                char = yield None
            if char == self._form.bare:
                char = yield from self._run("", char)
        while char:
            found = yield from until(self._markers, char, self._content.take)
            if found in self._form.openings:
                self.in_content = False
                char = yield from self._run(found, (yield None))
                continue
            if not (self._content.behind_call and any(mark.startswith(found) for mark in self._form.closings)):
                self._content.take(found)
            char = (yield None) if found in self._markers else ""

    def _run(self, marker: str, char: str) -> TextReading[str]:
        """Calls after `marker`; returns the first character after them."""
        self.in_content = False
        char = yield from self._run_of_calls(marker, char)
        self.in_content = True
        return char

    def _run_of_calls(self, marker: str, char: str) -> TextReading[str]:
        opening = marker
        while True:
            reader = JsonCallParser(self._tools, self._begin, self._argument, opening)
            unread = ""
            try:
                char = yield from self._form.read(reader, marker, char)
            except NotACallError as error:
                char, unread = error.char, error.unread
            if not reader.begun:
                self._content.take(reader.raw)
                return char
            if unread:
                self._content.take(unread)
                return char
            while char and char.isspace():
                char = yield None
            if not char or char not in self._form.more:
                return char
            marker, opening = "", char if char in ",;" else ""
            if opening:
                char = yield None

    def _begin(self, name: str) -> None:
        self._content.call()
        self._pending.append((self._calls, name, ""))
        self._calls += 1

    def _argument(self, text: str) -> None:
        self._pending.append((self._calls - 1, "", text))

    def _deltas(self) -> list[AnswerDelta]:
        deltas: list[AnswerDelta] = []
        for (call, name), entries in groupby(self._pending, key=lambda entry: entry[:2]):
            text = "".join(entry[2] for entry in entries)
            if name:
                deltas.append(ToolCallBegin(self._index, call, name))
            else:
                deltas.append(ContentDelta(self._index, text) if call < 0 else ToolInputDelta(self._index, call, text))
        self._pending.clear()
        return deltas


class _Content:
    """Content on its way to `pending`, without the whitespace around calls."""

    def __init__(self, pending: list[tuple[int, str, str]]) -> None:
        self.behind_call = False  # only whitespace has come since the last call
        self._pending = pending
        self._shown = False
        self._white: list[str] = []

    def take(self, text: str) -> None:
        if self.behind_call:
            text = text.lstrip()
        solid = text.rstrip()
        if solid:
            self._show(solid)
        if len(solid) < len(text):
            self._white.append(text[len(solid) :])

    def call(self) -> None:
        """A call begins here."""
        self.behind_call = True
        if not self._shown:
            self._white.clear()

    def end(self) -> None:
        """The answer ends here."""
        if self._white and not self.behind_call:
            self._show("")

    def _show(self, text: str) -> None:
        self._pending.append((-1, "", "".join(self._white) + text))
        self._white.clear()
        self._shown = True
        self.behind_call = False
