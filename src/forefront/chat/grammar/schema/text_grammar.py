"""A client's grammar for a text within other text: in a JSON string, or verbatim."""

import json

from forefront.chat.grammar.automaton.lark_reader import (
    Complement,
    Control,
    Expression,
    Intersection,
    Json,
    LarkString,
    LarkSyntaxError,
    Name,
    Options,
    Pattern,
    Series,
    Times,
    read_lark,
)
from forefront.chat.grammar.automaton.regex_syntax import RegexSyntaxError, parse_regex, without_anchors
from forefront.chat.grammar.schema.ecma_pattern import TextNotation, regex_text


def regex_within(definition: str, text: TextNotation) -> str:
    """Lark expression, for use in a terminal, for the texts that match the whole of a regex in Rust's syntax.

    Raises `RegexSyntaxError`.
    """
    return f"/(?:{regex_text(parse_regex(without_anchors(definition), 'rust'), text)})/"


def lark_within(definition: str, text: TextNotation, prefix: str) -> tuple[str, list[str]]:
    """The name of the first rule of a Lark grammar, and all of its rules, with names that begin with `prefix`, for
    characters that are written as in `text`. Raises `LarkSyntaxError` and `RegexSyntaxError`."""
    rules = read_lark(definition)
    if "start" not in rules:
        raise LarkSyntaxError("no rule `start`")
    writer = _Writer(text, prefix, frozenset(rules))
    return writer.name("start"), [f"{writer.name(name)}: {writer.write(rule)}" for name, rule in rules.items()]


class _Writer:
    """Writes the expressions of a grammar."""

    def __init__(self, text: TextNotation, prefix: str, names: frozenset[str]) -> None:
        self._text = text
        self._prefix = prefix
        self._names = names

    def name(self, name: str) -> str:
        """The new name of a rule or a terminal."""
        is_terminal = name.lstrip("_")[:1].isupper()
        return f"{self._prefix.upper() if is_terminal else self._prefix}{name}"

    def write(self, expression: Expression) -> str:
        """The expression with other names and characters."""
        match expression:
            case LarkString(data, any_case):
                if any_case:
                    raise LarkSyntaxError("a string of any case")
                written = data.decode()
                return json.dumps(written if self._text.is_raw else json.dumps(written, ensure_ascii=False)[1:-1])
            case Pattern(regex, flags):
                return f"/(?:{regex_text(parse_regex(without_anchors(regex), 'rust', flags), self._text)})/"
            case Name(name):
                if name not in self._names:
                    raise LarkSyntaxError(f"no rule `{name[:40]}`")
                return self.name(name)
            case Series(items):
                return " ".join(map(self._inner, items)) or '""'
            case Options(items):
                return " | ".join(map(self.write, items))
            case Intersection(items):
                return " & ".join(map(self._inner, items))
            case Complement(item):
                return f"~{self._inner(item)}"
            case Times(item, minimum, maximum):
                return f"{self._inner(item)}{{{minimum},{'' if maximum is None else maximum}}}"
            case Control() | Json():
                raise LarkSyntaxError("a control token or a schema within a text")

    def _inner(self, expression: Expression) -> str:
        written = self.write(expression)
        return f"({written})" if isinstance(expression, Options | Intersection | Series) else written


TextGrammarError = (LarkSyntaxError, RegexSyntaxError)
