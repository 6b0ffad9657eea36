"""Calls of tools as JSON objects."""

import json
from string import hexdigits
from typing import Final

from forefront.chat.output.marker_scanner import Take, TextReading
from forefront.chat.tools.call_cursor import CallCursor, NotACallError

_NAMES: Final = frozenset({"name", "tool_name"})
_ARGUMENTS: Final = frozenset({"arguments", "parameters"})
# Keys that a call object may have before its name.
_OTHER_KEYS: Final = frozenset({"type", "id", "tool_call_id"})
_SHORT_ESCAPES: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class JsonCallParser(CallCursor):
    """Parses the JSON of one call.

    Arguments written as a JSON string are unwrapped; those left out, null or "" are `{}`. Arguments end where their
    brackets do. They are passed on as they are, JSON throughout or not; only `<` outside a string, which begins a
    marker, breaks them off. A second name or second arguments, and all other keys, have no effect once the call has
    begun; before, `type` and `id` are passed over and others are no call's.
    """

    def object(self, char: str) -> TextReading[str]:
        """Reads `{"name": …, "arguments": {…}}`, whose first character is `char`; returns the character after it.

        Raises `NotACallError`, before the call has begun or after.
        """
        char = yield from self.expect("{", char)
        while char != "}":
            key, char = yield from self._string(char)
            char = yield from self.expect(":", char)
            char = yield from self._member(key, char)
            char = yield from self.skip_whitespace(char)
            if char == ",":
                char = yield from self.expect(",", char)
            elif char != "}":
                raise NotACallError(char)
        if self._name is None:
            raise NotACallError(char)
        if not self._complete:
            self.take("{}")
        return (yield None)

    def entry(self, char: str) -> TextReading[str]:
        """Reads `{NAME: {…}}`, whose first character is `char`; returns the character after it."""
        char = yield from self.expect("{", char)
        name, char = yield from self._string(char)
        self.name(name, char)
        char = yield from self.expect(":", char)
        char = yield from self.arguments(char)
        char = yield from self.skip_whitespace(char)
        if char != "}":
            raise NotACallError(char)
        return (yield None)

    def arguments(self, char: str) -> TextReading[str]:
        """Reads arguments directly after the name, `{…}`; returns the character after them."""
        if char != "{":
            raise NotACallError(char)
        return (yield from self._nested(char, self.take))

    def _member(self, key: str, char: str) -> TextReading[str]:
        if key in _NAMES and self._name is None:
            name, char = yield from self._string(char)
            self.name(name, char)
            if self._held:
                self.take("")
            return char
        if key in _ARGUMENTS and not self._complete:
            return (yield from self._arguments(char))
        if self.begun or key in _OTHER_KEYS:
            return (yield from self._value(char))
        raise NotACallError(char)

    def _arguments(self, char: str) -> TextReading[str]:
        self._complete = char in ("{", '"')
        if char == "{":
            return (yield from self._nested(char, self.take))
        if char == '"':
            return (yield from self._unwrapped(char))
        literal, char = yield from self._literal(char)
        if literal != "null":
            raise NotACallError(char)
        return char

    def _nested(self, char: str, take: Take) -> TextReading[str]:
        """Gives an object or array, as it is written, to `take`."""
        depth = 0
        while char and char != "<":
            if char == '"':
                char = yield from self._quoted(char, take)
                continue
            take(char)
            depth += (char in "{[") - (char in "}]")
            char = yield from self.accept(char)
            if depth == 0:
                return char
        raise NotACallError(char)

    def _quoted(self, char: str, take: Take) -> TextReading[str]:
        """Gives a string, as it is written, to `take`."""
        take(char)
        char = yield from self.accept(char, take)
        while char and char != '"':
            take(char)
            if char == "\\":
                char = yield from self.accept(char)
                take(char)
            if char:
                char = yield from self.accept(char, take)
        if not char:
            raise NotACallError(char)
        take(char)
        return (yield from self.accept(char))

    def _unwrapped(self, char: str) -> TextReading[str]:
        """Takes arguments out of a string. Surrogates without a partner become U+FFFD."""
        high = ""
        self._complete = False
        char = yield from self.accept(char)
        while char and char != '"':
            text, char = yield from self._unescaped(char)
            text = high + text
            high = text if len(text) == 1 and "\ud800" <= text <= "\udbff" else ""
            if high or (text.isspace() and not self._complete):
                continue
            if text != "{" and not self._complete:
                raise NotACallError(char)
            self._complete = True
            self.take(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
        if not char:
            raise NotACallError(char)
        return (yield from self.accept(char))

    def _unescaped(self, char: str) -> TextReading[tuple[str, str]]:
        """The next character of a string's value, and the one after it in the text."""
        if char != "\\":
            return char, (yield from self.accept(char))
        char = yield from self.accept(char)
        if char and char != "u":
            return _SHORT_ESCAPES.get(char, char), (yield from self.accept(char))
        digits = ""
        while char and len(digits) < 4:
            char = yield from self.accept(char)
            if char not in hexdigits:
                return "\\u" + digits, char
            digits += char
        if not char:
            raise NotACallError(char)
        return chr(int(digits, 16)), (yield from self.accept(char))

    def _string(self, char: str) -> TextReading[tuple[str, str]]:
        """The value of a string."""
        if char != '"':
            raise NotACallError(char)
        parts: list[str] = []
        char = yield from self._quoted(char, parts.append)
        try:
            return str(json.loads("".join(parts), strict=False)), char
        except ValueError:
            raise NotACallError(char) from None

    def _literal(self, char: str) -> TextReading[tuple[str, str]]:
        """A number, or `true`, `false`, `null`."""
        literal = ""
        while char and (char.isalnum() or char in "+-."):
            literal += char
            char = yield from self.accept(char)
        if not literal:
            raise NotACallError(char)
        return literal, char

    def _value(self, char: str) -> TextReading[str]:
        """Passes over any value."""
        if char == '"':
            return (yield from self._quoted(char, _drop))
        if char and char in "{[":
            return (yield from self._nested(char, _drop))
        return (yield from self._literal(char))[1]


def _drop(_text: str) -> None:
    pass
