"""Values in notations other than JSON: Python's literals, and Gemma's."""

import re
from typing import Any, Final

# Quotes, brackets, separators, and runs of anything else.
_TOKEN: Final = re.compile(
    r"""\s*(?:([()\[\]{},:=])|("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|([^\s()\[\]{},:='"]+))""", re.DOTALL
)
_WORDS: Final = {"True": True, "true": True, "False": False, "false": False, "None": None, "null": None}
_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|x[0-9a-fA-F]{2}|[0-7]{1,3}|.)", re.DOTALL)
_SHORT: Final = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "a": "\a", "v": "\v", "0": "\0", "\n": ""}
_CLOSING: Final = {"(": ")", "[": "]", "{": "}"}


class ValueTextError(ValueError):
    """The text is not a complete value."""


class LiteralReader:
    """Reads values from `text`, in which strings are quoted by `quote`, or as Python does where that is empty."""

    def __init__(self, text: str, quote: str = "") -> None:
        self._tokens = _split(text, quote)
        self._place = 0
        self._quote = quote

    def next(self) -> tuple[str, str]:
        """The next token: its kind (the bracket or separator itself, `string` or `word`) and its text."""
        kind, text = self.peek()
        self._place += 1
        return kind, text

    def peek(self) -> tuple[str, str]:
        """The next token without consuming it. Its kind is empty at the end."""
        return self._tokens[self._place] if self._place < len(self._tokens) else ("", "")

    def expect(self, kind: str) -> str:
        """The text of the next token, which must be of that kind. Raises `ValueTextError`."""
        found, text = self.next()
        if found != kind:
            raise ValueTextError
        return text

    def value(self) -> Any:
        """The next value. Raises `ValueTextError`."""
        kind, text = self.next()
        if kind == "string":
            while self.peek()[0] == "string":
                text += self.next()[1]
            return text
        if kind in ("[", "("):
            return self._items(_CLOSING[kind])
        if kind == "{":
            return dict(self.members("}", ":"))
        if kind == "word":
            return self._word(text)
        raise ValueTextError

    def members(self, closing: str, separator: str) -> list[tuple[str, Any]]:
        """Keys and values up to `closing`."""
        found: list[tuple[str, Any]] = []
        while self.peek()[0] != closing:
            kind, key = self.next()
            if kind not in ("string", "word"):
                raise ValueTextError
            self.expect(separator)
            found.append((key, self.value()))
            if self.peek()[0] != closing:
                self.expect(",")
        self.next()
        return found

    def _items(self, closing: str) -> list[Any]:
        found = []
        while self.peek()[0] != closing:
            found.append(self.value())
            if self.peek()[0] != closing:
                self.expect(",")
        self.next()
        return found

    def _word(self, text: str) -> Any:
        if text in _WORDS:
            return _WORDS[text]
        try:
            return int(text)
        except ValueError:
            pass
        try:
            number = float(text)
        except ValueError:
            number = float("nan")
        if number - number == 0:  # neither infinite nor not a number
            return number
        if self._quote:  # Gemma sometimes omits the quotes
            return text
        raise ValueTextError


def _split(text: str, quote: str) -> list[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    # With their own quotes, every other part is a string.
    for place, part in enumerate(text.split(quote) if quote else [text]):
        if place % 2:
            tokens.append(("string", part))
            continue
        end = 0
        while match := _TOKEN.match(part, end):
            mark, string, word = match.groups()
            tokens.append((mark, mark) if mark else ("string", _unescaped(string)) if string else ("word", word))
            end = match.end()
        if part[end:].strip():
            raise ValueTextError
    return tokens


def _unescaped(quoted: str) -> str:
    """The value of a quoted string. Escapes are Python's and JSON's; a surrogate without a partner becomes U+FFFD."""
    if "\\" not in quoted:
        return quoted[1:-1]
    text = _ESCAPE.sub(_character, quoted[1:-1])
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _character(match: re.Match[str]) -> str:
    code = match[1]
    if code[0] in "uUx":
        number = int(code[1:], 16)
        return chr(number) if number <= 0x10FFFF else "\ufffd"
    if code[0] in "01234567" and code != "0":
        return chr(int(code, 8))
    if code in _SHORT:
        return _SHORT[code]
    return code if code in "\\'\"/" else "\\" + code
