"""One call of a tool, read character by character from what a model writes."""

import json
from collections.abc import Callable, Mapping
from string import hexdigits
from typing import Any

from forefront.chat.output.marker_scanner import Reading, Take

_NAMES = frozenset({"name", "tool_name"})
_ARGUMENTS = frozenset({"arguments", "parameters"})
# What else a call object may say before it is known to be one.
_ASIDE = frozenset({"type", "id", "tool_call_id"})
# Characters that may stand in front of the arguments: a name and its markers.
_HEAD = 512
_SHORT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
# Levels of brackets in arguments that are converted as a whole.
_DEPTH = 64


class NotACallError(Exception):
    """What is being read is no call, or not the whole of one.

    `char` is the first character that does not belong; `unread` is text before it that turned out not to belong.
    """

    def __init__(self, char: str, unread: str = "") -> None:
        super().__init__()
        self.char = char
        self.unread = unread


class CallReader:
    """Reads one call of one of `tools` (name → JSON schema of the arguments).

    `begin` is called with the name as soon as the name is known and arguments have begun, then `argument` with each
    piece of their JSON text. Until then `raw` collects what was read, from `opening` on.

    In the JSON formats arguments that come before the name are held back. Arguments written as a JSON string are
    unwrapped; those left out, null or "" are `{}`. Arguments end where their brackets do. They are passed on as they
    are, whether or not they are JSON throughout; only `<` outside a string, which begins a marker, breaks them off. A
    second name or second arguments, and all other keys, have no effect once the call has begun; before, `type` and
    `id` are passed over and others are no call's.
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

    def object(self, char: str) -> Reading[str]:
        """Reads `{"name": …, "arguments": {…}}`, whose first character is `char`; returns the character behind it.

        Raises `NotACallError`, before the call has begun or after.
        """
        char = yield from self.expect("{", char)
        while char != "}":
            key, char = yield from self._string(char)
            char = yield from self.expect(":", char)
            char = yield from self._member(key, char)
            char = yield from self.white(char)
            if char == ",":
                char = yield from self.expect(",", char)
            elif char != "}":
                raise NotACallError(char)
        if self._name is None:
            raise NotACallError(char)
        if not self._complete:
            self.take("{}")
        return (yield None)

    def arguments(self, char: str) -> Reading[str]:
        """Reads arguments that stand alone behind the name, `{…}`; returns the character behind them."""
        if char != "{":
            raise NotACallError(char)
        return (yield from self._nested(char, self.take))

    def head(self, end: str, char: str) -> Reading[tuple[str, str]]:
        """The text from `char` to the first of the characters `end`, and that character. Raises `NotACallError`."""
        parts: list[str] = []
        while char not in end or not char:
            if not char or len(parts) > _HEAD:
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

    def white(self, char: str) -> Reading[str]:
        """Passes over white space from `char` on."""
        while char and char in " \t\r\n":
            char = yield from self.accept(char)
        return char

    def accept(self, char: str, take: Take | None = None) -> Reading[str]:
        """Takes `char` for a part of the call; returns the next one. `take` may have the run behind it, if any."""
        if not self.begun:
            self._raw.append(char)
        return (yield take if self.begun else None)

    def expect(self, wanted: str, char: str) -> Reading[str]:
        """Accepts `char` if it is `wanted`, and white space around it."""
        char = yield from self.white(char)
        if char != wanted:
            raise NotACallError(char)
        char = yield from self.accept(char)
        return (yield from self.white(char))

    def one_of(self, texts: tuple[str, ...], char: str) -> Reading[tuple[str, str]]:
        """Reads one of `texts`, none of which begins another; returns it and the character behind it."""
        held = ""
        while held not in texts:
            if not char or not any(text.startswith(held + char) for text in texts):
                raise NotACallError(char, held if self.begun else "")
            held += char
            char = yield from self.accept(char)
        return held, char

    def tail(self, text: str, char: str) -> Reading[str]:
        """Reads `text`, which ends a call that has begun, with white space before it."""
        while char.isspace():
            char = yield None
        return (yield from self.one_of((text,), char))[1] if text else char

    def balanced(self, char: str, quotes: tuple[str, ...], *, escapes: bool) -> Reading[tuple[str, str]]:
        """The text from the bracket `char` to its partner, and the character behind it.

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
                if depth > _DEPTH:
                    raise NotACallError(char, "".join(parts[:-1]) if self.begun else "")
            char = yield from self.accept(char)
            if depth == 0 and not quote:
                return "".join(parts), char
        raise NotACallError(char, "".join(parts) if self.begun else "")

    def _member(self, key: str, char: str) -> Reading[str]:
        if key in _NAMES and self._name is None:
            name, char = yield from self._string(char)
            self.name(name, char)
            if self._held:
                self.take("")
            return char
        if key in _ARGUMENTS and not self._complete:
            return (yield from self._arguments(char))
        if self.begun or key in _ASIDE:
            return (yield from self._value(char))
        raise NotACallError(char)

    def _arguments(self, char: str) -> Reading[str]:
        self._complete = char in ("{", '"')
        if char == "{":
            return (yield from self._nested(char, self.take))
        if char == '"':
            return (yield from self._unwrapped(char))
        literal, char = yield from self._literal(char)
        if literal != "null":
            raise NotACallError(char)
        return char

    def _nested(self, char: str, take: Take) -> Reading[str]:
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

    def _quoted(self, char: str, take: Take) -> Reading[str]:
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

    def _unwrapped(self, char: str) -> Reading[str]:
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

    def _unescaped(self, char: str) -> Reading[tuple[str, str]]:
        """The next character of a string's value, and the one behind it in the text."""
        if char != "\\":
            return char, (yield from self.accept(char))
        char = yield from self.accept(char)
        if char and char != "u":
            return _SHORT.get(char, char), (yield from self.accept(char))
        digits = ""
        while char and len(digits) < 4:
            char = yield from self.accept(char)
            if char not in hexdigits:
                return "\\u" + digits, char
            digits += char
        if not char:
            raise NotACallError(char)
        return chr(int(digits, 16)), (yield from self.accept(char))

    def _string(self, char: str) -> Reading[tuple[str, str]]:
        """The value of a string."""
        if char != '"':
            raise NotACallError(char)
        parts: list[str] = []
        char = yield from self._quoted(char, parts.append)
        try:
            return str(json.loads("".join(parts), strict=False)), char
        except ValueError:
            raise NotACallError(char) from None

    def _literal(self, char: str) -> Reading[tuple[str, str]]:
        """A number, or `true`, `false`, `null`."""
        literal = ""
        while char and (char.isalnum() or char in "+-."):
            literal += char
            char = yield from self.accept(char)
        if not literal:
            raise NotACallError(char)
        return literal, char

    def _value(self, char: str) -> Reading[str]:
        """Passes over any value."""
        if char == '"':
            return (yield from self._quoted(char, _drop))
        if char and char in "{[":
            return (yield from self._nested(char, _drop))
        return (yield from self._literal(char))[1]


def _suffix(text: str, marks: tuple[str, ...]) -> str:
    """The longest end of `text` that is a mark or the beginning of one."""
    while text and not any(mark.startswith(text) for mark in marks):
        text = text[1:]
    return text


def _drop(_text: str) -> None:
    pass
