"""Translation of the `pattern` of a JSON schema to a terminal of a Lark grammar."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from forefront.chat.grammar.automaton.character_ranges import ALL, Ranges, complement, intersection
from forefront.chat.grammar.automaton.regex_syntax import RegexSyntaxError, parse_regex
from forefront.chat.grammar.automaton.regex_tree import (
    Alternation,
    Anchor,
    Chars,
    Concat,
    Lookaround,
    Regex,
    Repeat,
    has_assertion,
)

# Escapes of JSON that are shorter than \u00XX, by code point.
_SHORT_ESCAPES: Final = {8: "b", 9: "t", 10: "n", 12: "f", 13: "r", 0x22: '"', 0x5C: "\\"}
_ESCAPED: Final[Ranges] = ((0, 0x1F), (0x22, 0x22), (0x5C, 0x5C))
_NOTHING: Final = "/[^\\x{0}-\\x{10FFFF}]/"
_MAX_LENGTH: Final = 200_000


@dataclass(frozen=True, slots=True)
class TextNotation:
    """The notation of a text's characters: literal, or escaped as in a JSON string."""

    character: Callable[[Ranges], str]
    is_raw: bool

    @property
    def any_character(self) -> str:
        """Regex for any character."""
        return self.character(ALL)

    @property
    def anything(self) -> str:
        """Lark expression for any text."""
        return f"/{self.any_character}*/"


def json_character(ranges: Ranges) -> str:
    """Regex for one character out of `ranges` within a JSON string, in the shortest form."""
    options = [_class(plain)] if (plain := intersection(ranges, complement(_ESCAPED))) else []
    escaped = [code for low, high in intersection(ranges, _ESCAPED) for code in range(low, high + 1)]
    short = "".join(f"\\x{{{ord(_SHORT_ESCAPES[code]):x}}}" for code in escaped if code in _SHORT_ESCAPES)
    options += [rf"\\[{short}]"] if short else []
    options += [rf"\\u{code:04x}" for code in escaped if code not in _SHORT_ESCAPES]
    if not options:
        raise RegexSyntaxError("a class of no character")
    return options[0] if len(options) == 1 else f"(?:{'|'.join(options)})"


def raw_character(ranges: Ranges) -> str:
    """Regex for one character out of `ranges`."""
    if not ranges:
        raise RegexSyntaxError("a class of no character")
    return _class(ranges)


JSON_TEXT: Final = TextNotation(json_character, is_raw=False)
RAW_TEXT: Final = TextNotation(raw_character, is_raw=True)


def pattern_terminal(pattern: str, text: TextNotation) -> str:
    """Lark expression, for use in a terminal, for the texts that have a match of the ECMA-262 `pattern` anywhere.

    Raises `RegexSyntaxError` for what no regular expression without look-arounds can express.
    """
    tree = parse_regex(pattern, "ecma")
    try:
        at_start = _Translation(text, starts=True).before(tree, text.anything)
        if _begins_with_start(tree):
            return at_start
        later = _Translation(text, starts=False).before(tree, text.anything)
    except RecursionError:
        raise RegexSyntaxError("it is nested too deeply") from None
    if not _mentions_start(tree):
        return f"({text.anything} {at_start})"
    return f"({at_start} | /{text.any_character}/ {text.anything} {later})"


class _Translation:
    """Writes a tree together with what follows it, so that assertions apply to the rest of the text."""

    def __init__(self, text: TextNotation, *, starts: bool) -> None:
        self._text = text
        self._starts = starts

    def before(self, node: Regex, rest: str) -> str:
        """Lark expression for a match of `node`, then `rest`."""
        if len(rest) > _MAX_LENGTH:
            raise RegexSyntaxError("its assertions are too many")
        if not has_assertion(node):
            regex = self._regex(node)
            return rest if not regex else f"/{regex}/" if rest == '""' else f"(/{regex}/ {rest})"
        match node:
            case Concat(items):
                return self._in_order(items, rest)
            case Alternation(items):
                return f"({' | '.join(self.before(item, rest) for item in items)})"
            case Anchor(at_start=True):
                return rest if self._starts else _NOTHING
            case Anchor():
                return '""' if rest in (self._text.anything, '""') else f'({rest} & "")'
            case Lookaround(item, ahead=True, negative=negative):
                seen = self.before(item, self._text.anything)
                return f"({rest} & {'~' if negative else ''}{seen})"
            case Repeat(item, minimum, maximum) if maximum is not None and maximum <= 8:
                options = [self._in_order((item,) * count, rest) for count in range(minimum, maximum + 1)]
                return options[0] if len(options) == 1 else f"({' | '.join(options)})"
            case Lookaround():
                raise RegexSyntaxError("a look-behind")
        raise RegexSyntaxError("an assertion within a repetition")

    def _in_order(self, items: tuple[Regex, ...], rest: str) -> str:
        at = len(items)
        while at:
            start = at
            while start and not has_assertion(items[start - 1]):
                start -= 1
            if start < at:
                rest = self.before(Concat(items[start:at]), rest)
                at = start
                continue
            at -= 1
            # Characters may precede the assertion, so `^` in it cannot match; after nullable parts it could.
            inner = self if not at or all(isinstance(i, Lookaround | Anchor) for i in items[:at]) else None
            if inner is None and _mentions_start(items[at]):
                raise RegexSyntaxError("`^` after other text")
            rest = self.before(items[at], rest)
        return rest

    def _regex(self, node: Regex) -> str:
        return regex_text(node, self._text)


def regex_text(node: Regex, text: TextNotation) -> str:
    """A tree without assertions as a regex in Rust's syntax, to be put between slashes."""
    match node:
        case Chars(ranges):
            return text.character(ranges)
        case Concat(items):
            return "".join(
                f"(?:{regex_text(i, text)})" if isinstance(i, Alternation) else regex_text(i, text) for i in items
            )
        case Alternation(items):
            return "|".join(regex_text(item, text) for item in items)
        case Repeat(item, minimum, maximum):
            bounds = f"{{{minimum},{'' if maximum is None else maximum}}}"
            return f"(?:{regex_text(item, text)}){_QUANTIFIERS.get((minimum, maximum), bounds)}"
    raise RegexSyntaxError("an assertion")


_QUANTIFIERS: Final = {(0, None): "*", (1, None): "+", (0, 1): "?"}


def _begins_with_start(node: Regex) -> bool:
    match node:
        case Anchor(at_start=True):
            return True
        case Concat(items):
            return bool(items) and _begins_with_start(items[0])
        case Alternation(items):
            return all(map(_begins_with_start, items))
    return False


def _mentions_start(node: Regex) -> bool:
    match node:
        case Anchor(at_start):
            return at_start
        case Concat(items) | Alternation(items):
            return any(map(_mentions_start, items))
        case Repeat(item) | Lookaround(item):
            return _mentions_start(item)
    return False


def _class(ranges: Ranges) -> str:
    parts = [_code(low) if low == high else f"{_code(low)}-{_code(high)}" for low, high in ranges]
    if len(ranges) == 1 and ranges[0][0] == ranges[0][1]:
        return parts[0]
    return f"[{''.join(parts)}]"


def _code(code: int) -> str:
    char = chr(code)
    return char if char.isalnum() and char.isascii() else f"\\x{{{code:x}}}"
