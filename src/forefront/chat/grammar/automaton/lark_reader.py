"""Reader of Lark grammars: the context-free part of llguidance's dialect."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

_TOKEN: Final = re.compile(
    r"""(?P<space>\s+|//[^\n]*)
    |(?P<string>"(?:\\.|[^"\\\n])*"i?)
    |(?P<regex>/(?!/)(?:\\.|[^/\\])*/[imslux]*)
    |(?P<control><\[[0-9]+\]>)
    |(?P<range>\.\.)
    |(?P<number>[0-9]+)
    |(?P<name>[A-Za-z_][A-Za-z0-9_-]*)
    |(?P<directive>%[a-z_]+)
    |(?P<mark>[|&~?*+(){}\[\],:])
    """,
    re.VERBOSE | re.DOTALL,
)


class LarkSyntaxError(ValueError):
    """The grammar is invalid, or uses unsupported syntax."""


@dataclass(frozen=True, slots=True)
class LarkString:
    """A string."""

    data: bytes
    any_case: bool = False


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression."""

    text: str
    flags: str = ""


@dataclass(frozen=True, slots=True)
class Control:
    """A control token, by its id."""

    token: int


@dataclass(frozen=True, slots=True)
class Name:
    """A rule or a terminal."""

    name: str


@dataclass(frozen=True, slots=True)
class Json:
    """The JSON of a schema."""

    schema: Any


@dataclass(frozen=True, slots=True)
class Series:
    """All `items` in order."""

    items: "tuple[Expression, ...]"


@dataclass(frozen=True, slots=True)
class Options:
    """One of `items`."""

    items: "tuple[Expression, ...]"


@dataclass(frozen=True, slots=True)
class Intersection:
    """All `items` at once."""

    items: "tuple[Expression, ...]"


@dataclass(frozen=True, slots=True)
class Complement:
    """Anything but `item`."""

    item: "Expression"


@dataclass(frozen=True, slots=True)
class Times:
    """`item` at least `minimum` and at most `maximum` times (None: no limit)."""

    item: "Expression"
    minimum: int
    maximum: int | None


Expression = LarkString | Pattern | Control | Name | Json | Series | Options | Intersection | Complement | Times
LarkToken = tuple[str, str, int]


def tokens_of(text: str) -> Iterator[LarkToken]:
    """Kind, text and place of each token; a JSON value after a directive is one token of the kind `json`."""
    at = 0
    decoder = json.JSONDecoder()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise LarkSyntaxError(f"unexpected text at {at}")
        kind = match.lastgroup or ""
        if kind != "space":
            yield kind, match[0], at
        at = match.end()
        if kind == "directive" and (start := re.compile(r"\s*(?=[\[{])").match(text, at)):
            try:
                _, end = decoder.raw_decode(text, start.end())
            except (ValueError, RecursionError):
                raise LarkSyntaxError(f"invalid JSON after `{match[0]}`") from None
            yield "json", text[start.end() : end], start.end()
            at = end


def read_lark(text: str) -> dict[str, Expression]:
    """Rules and terminals by name. Raises `LarkSyntaxError`."""
    try:
        return _Reader(list(tokens_of(text))).rules()
    except RecursionError:
        raise LarkSyntaxError("it is nested too deeply") from None


class _Reader:
    """A recursive descent over tokens."""

    def __init__(self, tokens: list[LarkToken]) -> None:
        self._tokens = tokens
        self._at = 0

    def rules(self) -> dict[str, Expression]:
        """All definitions."""
        found: dict[str, Expression] = {}
        while self._at < len(self._tokens):
            kind, text, _ = self._next()
            if kind == "directive" and text == "%llguidance":
                self._next()
                continue
            if kind != "name":
                raise LarkSyntaxError(f"`{text}` where a rule should begin")
            self._expect(":")
            found[text] = self._options()
        return found

    def _options(self) -> Expression:
        self._take("|")
        items = [self._conjunction()]
        while self._take("|"):
            items.append(self._conjunction())
        return items[0] if len(items) == 1 else Options(tuple(items))

    def _conjunction(self) -> Expression:
        items = [self._series()]
        while self._take("&"):
            items.append(self._series())
        return items[0] if len(items) == 1 else Intersection(tuple(items))

    def _series(self) -> Expression:
        items: list[Expression] = []
        while True:
            kind, text = self._peek()
            if kind == "" or text in ("|", "&", ")", "]") or self._begins_rule():
                return items[0] if len(items) == 1 else Series(tuple(items))
            items.append(self._item())

    def _item(self) -> Expression:
        if self._take("~"):
            return Complement(self._item())
        item = self._atom()
        while True:
            if self._take("?"):
                item = Times(item, 0, 1)
            elif self._take("*"):
                item = Times(item, 0, None)
            elif self._take("+"):
                item = Times(item, 1, None)
            elif self._take("{"):
                item = self._counted(item)
            else:
                return item

    def _counted(self, item: Expression) -> Expression:
        minimum = self._number() or 0
        maximum: int | None = minimum
        if self._take(","):
            maximum = self._number()
        self._expect("}")
        return Times(item, minimum, maximum)

    def _atom(self) -> Expression:
        kind, text, _ = self._next()
        match kind:
            case "string":
                try:
                    return LarkString(json.loads(text.removesuffix("i")).encode(), text.endswith("i"))
                except ValueError:
                    raise LarkSyntaxError("a malformed string") from None
            case "regex":
                body, _, flags = text[1:].rpartition("/")
                return Pattern(body.replace("\\/", "/"), flags)
            case "control":
                return Control(int(text[2:-2]))
            case "name":
                return Name(text)
            case "directive" if text == "%json":
                return Json(json.loads(self._next()[1]))
        if text == "(":
            found = self._options()
            self._expect(")")
            return found
        if text == "[":
            found = self._options()
            self._expect("]")
            return Times(found, 0, 1)
        raise LarkSyntaxError(f"unexpected `{text}`")

    def _begins_rule(self) -> bool:
        kind, text = self._peek()
        following = self._tokens[self._at + 1][1] if self._at + 1 < len(self._tokens) else ""
        return (kind == "name" and following == ":") or (kind == "directive" and text != "%json")

    def _number(self) -> int | None:
        kind, text = self._peek()
        if kind != "number":
            return None
        self._at += 1
        return int(text)

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at][:2] if self._at < len(self._tokens) else ("", "")

    def _next(self) -> LarkToken:
        if self._at >= len(self._tokens):
            raise LarkSyntaxError("it ends too early")
        self._at += 1
        return self._tokens[self._at - 1]

    def _take(self, text: str) -> bool:
        if self._peek()[1] != text or self._peek()[0] != "mark":
            return False
        self._at += 1
        return True

    def _expect(self, text: str) -> None:
        if not self._take(text):
            raise LarkSyntaxError(f"`{text}` expected")
