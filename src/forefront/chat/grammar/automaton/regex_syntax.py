"""Parser for regular expressions: ECMA-262 with the `u` flag, as in JSON Schema, or Rust's, as in Lark grammars."""

from typing import Final, Literal

from forefront.chat.grammar.automaton.character_ranges import (
    ALL,
    CATEGORIES,
    DIGITS,
    ECMA_LINE_ENDS,
    ECMA_SPACE,
    EMOJI,
    MAX_CODE,
    OTHER_SPACE,
    RUST_SPACE,
    WORD,
    Ranges,
    category,
    complement,
    intersection,
    normalized,
)
from forefront.chat.grammar.automaton.regex_tree import Alternation, Anchor, Chars, Concat, Lookaround, Regex, Repeat

RegexDialect = Literal["ecma", "rust"]

_MAX_REPEAT: Final = 10_000
_SHORT: Final = {"n": 10, "r": 13, "t": 9, "f": 12, "v": 11}


class RegexSyntaxError(ValueError):
    """The expression is invalid, or uses syntax that is not supported. The text names the syntax."""


def parse_regex(text: str, dialect: RegexDialect, flags: str = "") -> Regex:
    """The expression as a tree. Raises `RegexSyntaxError`."""
    parser = _Parser(text, dialect, frozenset(flags))
    try:
        found = parser.either()
    except RecursionError:
        raise RegexSyntaxError("it is nested too deeply") from None
    if parser.rest():
        raise RegexSyntaxError("`)` without `(`")
    return found


def without_anchors(text: str) -> str:
    """The expression without `^` and `$` at its ends, where the whole text has to match anyway."""
    if text.endswith("$") and not text.endswith("\\$"):
        text = text[:-1]
    return text.removeprefix("^")


class _Parser:
    """A recursive descent over `text`."""

    def __init__(self, text: str, dialect: RegexDialect, flags: frozenset[str]) -> None:
        self._text = text
        self._at = 0
        self._ecma = dialect == "ecma"
        self._flags = flags

    def rest(self) -> str:
        """The text that has not been read."""
        return self._text[self._at :]

    def either(self) -> Regex:
        """Alternatives up to `)` or the end."""
        options = [self._sequence()]
        while self._take("|"):
            options.append(self._sequence())
        return options[0] if len(options) == 1 else Alternation(tuple(options))

    def _sequence(self) -> Regex:
        items: list[Regex] = []
        while self._at < len(self._text) and self._text[self._at] not in "|)":
            item = self._atom()
            if item is not None:
                items.append(self._quantified(item))
        return items[0] if len(items) == 1 else Concat(tuple(items))

    def _atom(self) -> Regex | None:
        char = self._next()
        match char:
            case "(":
                return self._group()
            case "[":
                return Chars(self._class())
            case ".":
                if "s" in self._flags:
                    return Chars(ALL)
                return Chars(complement(ECMA_LINE_ENDS if self._ecma else ((10, 10),)))
            case "^" | "$":
                return Anchor(char == "^")
            case "\\":
                return self._escape()
            case "*" | "+" | "?":
                raise RegexSyntaxError(f"`{char}` has nothing to repeat")
        return Chars(self._cased(((ord(char), ord(char)),)))

    def _quantified(self, item: Regex) -> Regex:
        while True:
            bounds = self._bounds()
            if bounds is None:
                return item
            self._take("?")  # laziness does not change the matched texts
            minimum, maximum = bounds
            if minimum > _MAX_REPEAT or (maximum is not None and (maximum > _MAX_REPEAT or maximum < minimum)):
                raise RegexSyntaxError("a repetition is out of range")
            item = Repeat(item, minimum, maximum)

    def _bounds(self) -> tuple[int, int | None] | None:
        for char, bounds in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._take(char):
                return bounds
        if not self._text.startswith("{", self._at):
            return None
        minimum, comma, maximum = self._text[self._at + 1 :].partition("}")[0].partition(",")
        numbers = minimum.strip() + maximum.strip()
        if "}" not in self._text[self._at :] or not minimum.strip() or not numbers.isdecimal():
            return None
        self._at = self._text.index("}", self._at) + 1
        return int(minimum), int(maximum) if maximum.strip() else None if comma else int(minimum)

    def _group(self) -> Regex:
        if not self._take("?"):
            return self._closed(self.either())
        for mark, ahead, negative in (("=", True, False), ("!", True, True), ("<=", False, False), ("<!", False, True)):
            if self._take(mark):
                return Lookaround(self._closed(self.either()), ahead, negative)
        if self._take("P<") or self._take("<"):
            end = self.rest().find(">")
            if end < 1:
                raise RegexSyntaxError("a group has no name")
            self._at += end + 1
            return self._closed(self.either())
        before = self._flags
        inner = self._read_flags()
        if self._take(")"):  # for the rest of the enclosing group, which is the caller's
            return Concat(())
        if not self._take(":"):
            raise RegexSyntaxError("a group of an unknown kind")
        self._flags = inner
        found = self._closed(self.either())
        self._flags = before
        return found

    def _read_flags(self) -> frozenset[str]:
        added, removed, target = set(self._flags), False, self._at
        while target < len(self._text) and self._text[target] in "imsuUx-":
            flag = self._text[target]
            if flag == "-":
                removed = True
            elif flag in "xU" or (flag == "m" and not removed):
                raise RegexSyntaxError(f"the flag `{flag}`")
            elif removed:
                added.discard(flag)
            else:
                added.add(flag)
            target += 1
        self._at = target
        if self._text.startswith(")", target):
            self._flags = frozenset(added)
        return frozenset(added)

    def _closed(self, item: Regex) -> Regex:
        if not self._take(")"):
            raise RegexSyntaxError("`(` without `)`")
        return item

    def _escape(self) -> Regex | None:
        char = self._next()
        if char in "bB" or (char in "AzZ" and not self._ecma):
            if char == "A" or char == "z":
                return Anchor(char == "A")
            raise RegexSyntaxError(f"the assertion `\\{char}`")
        if (char.isdecimal() and char != "0") or char == "k":
            raise RegexSyntaxError("a back-reference")
        return Chars(self._cased(self._escaped_ranges(char)))

    def _escaped_ranges(self, char: str) -> Ranges:
        """The meaning of an escape of one character or of a class of characters."""
        lower = char.lower()
        if lower in "dsw":
            return self._shorthand(lower) if char == lower else complement(self._shorthand(lower, widest=True))
        if lower == "p":
            found = self._property()
            return complement(found) if char == "P" else found
        code = _SHORT.get(char)
        if code is None and char == "0":
            code = 0
        if code is None and char == "c" and self._ecma:
            code = ord(self._next()) % 32
        if code is None and (char == "x" or lower == "u"):
            code = self._hex({"x": 2, "u": 4, "U": 8}[char])
        if code is None and char.isalpha() and char.isascii():
            raise RegexSyntaxError(f"the escape `\\{char}`")
        code = ord(char) if code is None else code
        return ((code, code),)

    def _shorthand(self, name: str, *, widest: bool = False) -> Ranges:
        """A class of characters: those in which ECMA, Rust and Python agree; with `widest`, those that any of them
        includes."""
        if not self._ecma or widest:
            if name == "s":
                return normalized((*ECMA_SPACE[:-1], *OTHER_SPACE)) if widest and self._ecma else RUST_SPACE
            if name == "d":
                return category("Nd")
            return normalized((*category("L"), *category("M"), *category("Nd"), *category("Pc"), *category("Nl")))
        return {"s": ECMA_SPACE[:-1], "d": DIGITS, "w": WORD}[name]

    def _property(self) -> Ranges:
        name = self._next()
        if name == "{":
            end = self.rest().find("}")
            if end < 0:
                raise RegexSyntaxError("`\\p{` without `}`")
            name = self._text[self._at : self._at + end]
            self._at += end + 1
        name = name.rpartition("=")[2]
        if name in EMOJI and self._ecma:
            return EMOJI[name]
        if name.lower() == "ascii":
            return ((0, 127),)
        if name.lower() == "any":
            return ALL
        prefix = CATEGORIES.get(name.lower(), name)
        if not (1 <= len(prefix) <= 2 and prefix[0] in "LMNPSZC") or not category(prefix):
            raise RegexSyntaxError(f"the property `\\p{{{name[:40]}}}`")
        return category(prefix)

    def _hex(self, length: int) -> int:
        digits = self._text[self._at : self._at + length]
        if self._take("{"):
            digits = self.rest().partition("}")[0]
            self._at += 1
        try:
            code = int(digits, 16)
        except ValueError:
            raise RegexSyntaxError("a malformed code point") from None
        self._at += len(digits)
        if 0xD800 <= code <= 0xDBFF and self._text.startswith("\\u", self._at):
            self._at += 2
            low = self._hex(4)
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)
        if not 0 <= code <= MAX_CODE:
            raise RegexSyntaxError("a code point is out of range")
        return code

    def _class(self) -> Ranges:
        negative = self._take("^")
        found: list[tuple[int, int]] = []
        first = True
        while (first and not self._ecma and self.rest().startswith("]")) or not self._take("]"):
            first = False
            ranges = self._class_item()
            if self._text.startswith("-", self._at) and self._text[self._at + 1 : self._at + 2] not in ("]", ""):
                single = len(ranges) == 1 and ranges[0][0] == ranges[0][1]
                if single:
                    self._at += 1
                    upper = self._class_item()
                    if len(upper) != 1 or upper[0][0] != upper[0][1] or upper[0][0] < ranges[0][0]:
                        raise RegexSyntaxError("a malformed range of characters")
                    ranges = ((ranges[0][0], upper[0][0]),)
            found += ranges
        ranges = self._cased(normalized(tuple(found)))
        return complement(ranges) if negative else intersection(ranges, ALL)

    def _class_item(self) -> Ranges:
        char = self._next()
        if char == "\\":
            char = self._next()
            return ((8, 8),) if char == "b" else self._escaped_ranges(char)
        if not self._ecma and char == "[":
            raise RegexSyntaxError("a class within a class")
        if not self._ecma and char in "&-~" and self._text.startswith(char, self._at):
            raise RegexSyntaxError("an operation on classes")
        return ((ord(char), ord(char)),)

    def _cased(self, ranges: Ranges) -> Ranges:
        """With the flag `i`, ASCII letters of either case."""
        if "i" not in self._flags:
            return ranges
        if any(high > 0x7F for _, high in ranges) and len(ranges) < 4:
            raise RegexSyntaxError("characters beyond ASCII with the flag `i`")
        lower = intersection(ranges, ((0x61, 0x7A),))
        upper = intersection(ranges, ((0x41, 0x5A),))
        swapped = [(a - 32, b - 32) for a, b in lower] + [(a + 32, b + 32) for a, b in upper]
        return normalized((*ranges, *swapped))

    def _take(self, text: str) -> bool:
        if not self._text.startswith(text, self._at):
            return False
        self._at += len(text)
        return True

    def _next(self) -> str:
        if self._at >= len(self._text):
            raise RegexSyntaxError("it ends too early")
        self._at += 1
        return self._text[self._at - 1]
