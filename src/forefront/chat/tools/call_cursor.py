"""The text of one call of a tool, read character by character."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from forefront.chat.output.marker_scanner import Take, TextReading

# Maximum characters before the arguments: a name and its markers.
_MAX_HEAD: Final = 512
# Levels of brackets in arguments that are converted as a whole.
_MAX_DEPTH: Final = 64


class NotACallError(Exception):
    """The text is not a complete call.

    `char` is the first character that does not belong; `unread` is text before it that turned out not to belong.
    """

    def __init__(self, char: str, unread: str = "") -> None:
        super().__init__()
        self.char = char
        self.unread = unread


class CallCursor:
    """Reads the text of one call of one of `tools` (name → JSON schema of the arguments).

    `begin` is called with the name as soon as the name is known and arguments have begun, then `argument` with each
    piece of their JSON text. Until then `raw` collects the text, from `opening` on. Arguments that come before the name
    are held back.
    """

    def __init__(
        self,
        tools: Mapping[str, Mapping[str, Any]],
        begin: Callable[[str], None],
        argument: Callable[[str], None],
        opening: str = "",
    ) -> None:
        self.begun = False
        self._tools = tools
        self._begin = begin
        self._argument = argument
        self._name: str | None = None
        self._held: list[str] = []
        self._complete = False  # arguments have been read
        self._raw = [opening]

    @property
    def raw(self) -> str:
        """All text that was read before the call began."""
        return "".join(self._raw)

    @property
    def schema(self) -> Mapping[str, Any]:
        """The JSON schema of the call's arguments."""
        return self._tools[self._name] if self._name is not None else {}

    def head(self, end: str, char: str) -> TextReading[tuple[str, str]]:
        """The text from `char` to the first of the characters `end`, and that character. Raises `NotACallError`."""
        parts: list[str] = []
        while char not in end or not char:
            if not char or len(parts) > _MAX_HEAD:
                raise NotACallError(char)
            parts.append(char)
            char = yield from self.accept(char)
        return "".join(parts), char

    def name(self, name: str, char: str) -> None:
        """The call's name is known. Raises `NotACallError` if no tool has it."""
        if name not in self._tools:
            raise NotACallError(char)
        self._name = name

    def take(self, text: str) -> None:
        """Passes arguments on, or holds them back until the name is known."""
        if self._name is None:
            self._held.append(text)
            return
        if not self.begun:
            self.begun = True
            self._begin(self._name)
            text = "".join(self._held) + text
        self._argument(text)

    def skip_whitespace(self, char: str) -> TextReading[str]:
        """Passes over whitespace from `char` on."""
        while char and char in " \t\r\n":
            char = yield from self.accept(char)
        return char

    def accept(self, char: str, take: Take | None = None) -> TextReading[str]:
        """Takes `char` for a part of the call; returns the next one. `take` may have the run after it, if any."""
        if not self.begun:
            self._raw.append(char)
        return (yield take if self.begun else None)

    def expect(self, wanted: str, char: str) -> TextReading[str]:
        """Accepts `char` if it is `wanted`, and whitespace around it."""
        char = yield from self.skip_whitespace(char)
        if char != wanted:
            raise NotACallError(char)
        char = yield from self.accept(char)
        return (yield from self.skip_whitespace(char))

    def one_of(self, texts: tuple[str, ...], char: str) -> TextReading[tuple[str, str]]:
        """Reads one of `texts`, none of which begins another; returns it and the character after it."""
        held = ""
        while held not in texts:
            if not char or not any(text.startswith(held + char) for text in texts):
                raise NotACallError(char, held if self.begun else "")
            held += char
            char = yield from self.accept(char)
        return held, char

    def tail(self, text: str, char: str) -> TextReading[str]:
        """Reads `text`, which ends a call that has begun, with whitespace before it."""
        while char.isspace():
            char = yield None
        return (yield from self.one_of((text,), char))[1] if text else char

    def balanced(self, char: str, quotes: tuple[str, ...], *, escapes: bool) -> TextReading[tuple[str, str]]:
        """The text from the bracket `char` to its partner, and the character after it.

        Brackets within `quotes` do not count; with `escapes`, a backslash there hides the next character.
        """
        parts: list[str] = []
        depth = 0
        quote = held = ""
        while char:
            parts.append(char)
            held = _suffix(held + char, (quote,) if quote else quotes)
            if quote:
                if escapes and char == "\\":
                    char = yield from self.accept(char)
                    parts.append(char)
                    held = ""
                    if not char:
                        break
                elif held == quote:
                    quote = held = ""
            elif held in quotes:
                quote, held = held, ""
            else:
                depth += (char in "([{") - (char in ")]}")
                if depth > _MAX_DEPTH:
                    raise NotACallError(char, "".join(parts[:-1]) if self.begun else "")
            char = yield from self.accept(char)
            if depth == 0 and not quote:
                return "".join(parts), char
        raise NotACallError(char, "".join(parts) if self.begun else "")


def _suffix(text: str, marks: tuple[str, ...]) -> str:
    """The longest end of `text` that is a mark or the beginning of one."""
    while text and not any(mark.startswith(text) for mark in marks):
        text = text[1:]
    return text
