"""The grammar of an answer, as a client or a tool definition writes it, and as llguidance reads it."""

import hashlib
import itertools
import json
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from llguidance import LLMatcher
from llguidance.gbnf_to_lark import gbnf_to_lark

from forefront.chat.grammar.automaton.lark_reader import LarkSyntaxError, tokens_of
from forefront.chat.grammar.schema.schema_compiler import SchemaCompiler
from forefront.chat.grammar.schema.schema_intersection import NoValueError
from forefront.chat.grammar.schema.schema_report import SchemaReport, UnenforceableError
from forefront.chat.grammar.schema.schema_rules import SchemaRules

Kind = Literal["json_schema", "regex", "lark", "gbnf"]

# Without this option llguidance would allow only its own tokenisation of forced text, not the model's.
_OPTIONS: Final = '\n%llguidance {"no_forcing": true}\n'
# The directive of `schema_lark`.
_SCHEMA: Final = "%schema"
MAX_RELAXATION: Final = 2


class GrammarRefusedError(Exception):
    """A grammar cannot be used. The message gives its author the reason; `path` locates the fault."""

    def __init__(self, text: str, path: str = "") -> None:
        super().__init__(text)
        self.path = path


@dataclass(frozen=True, slots=True)
class GrammarSource:
    """A grammar of `kind`: `text` is the regex, the grammar, or a `schema_lark` expression.

    With `triggers`, the answer is free text until it ends in one of them; the grammar holds for what follows, and once
    that is complete the text is free again, or, if it `ends`, the answer is over. A control token is a trigger by its
    text, too. An answer that is `whole` ends at once where there is no room for all of it.
    """

    kind: Kind
    text: str
    triggers: tuple[str, ...] = ()
    ends: bool = False
    whole: bool = False

    @property
    def key(self) -> bytes:
        """A hash of all fields that affect compilation."""
        parts = repr((self.kind, self.text, self.triggers, self.ends, self.whole)).encode(errors="replace")
        return hashlib.blake2b(parts, digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class ExpandedGrammar:
    """A grammar whose schemas have become rules. `llguidance` is its form for that library, `lark` its text.

    `schemas` has the rule of each schema by its path, `left_out` the paths of keywords that are not enforced.
    """

    llguidance: str
    lark: str
    schemas: dict[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()


def schema_lark(schema: Any, path: str, *, strict: bool, fallback: Any = None) -> str:
    """A Lark expression for JSON of `schema`, which the request has at `path`.

    Without `strict`, keywords that cannot be enforced are left out. `fallback` is the schema in place of one that no
    value satisfies; None: that is an error, and so is a malformed keyword.
    """
    return f"{_SCHEMA} {json.dumps({'schema': schema, 'path': path, 'strict': strict, 'fallback': fallback})}"


def json_schema_source(schema: Any, path: str, *, strict: bool) -> GrammarSource:
    """The source for an answer that is JSON of `schema`."""
    return GrammarSource("json_schema", schema_lark(schema, path, strict=strict))


def expand(source: GrammarSource, relaxation: int = 0, unsatisfiable: Collection[str] = ()) -> ExpandedGrammar:
    """The source with rules in place of schemas. Raises `GrammarRefusedError`.

    Schemas that are not strict are relaxed: 1 omits constraints of strings and numbers, 2 omits all constraints. Those
    at the paths `unsatisfiable` have no value.
    """
    try:
        if source.kind == "regex":
            lark = f"start: /{_escaped_slashes(source.text)}/"
            return ExpandedGrammar(_unforced(LLMatcher.grammar_from_regex(source.text)), lark)
        lark = gbnf_to_lark(source.text) if source.kind == "gbnf" else source.text
        if source.kind == "json_schema":
            lark = f"start: {lark}"
        expansion = _Expansion(relaxation, unsatisfiable)
        lark = expansion.expanded(lark)
    except RecursionError:
        raise GrammarRefusedError("it is nested too deeply") from None
    except GrammarRefusedError:
        raise
    except Exception as error:  # the GBNF reader raises all kinds
        raise GrammarRefusedError(str(error)) from None
    # Always as JSON: a text that is itself JSON would be read as llguidance's own format.
    grammar = json.dumps({"grammars": [{"lark_grammar": lark + _OPTIONS}]})
    return ExpandedGrammar(grammar, lark, expansion.schemas, tuple(expansion.left_out))


class _Expansion:
    """Replaces the schemas of one grammar."""

    def __init__(self, relaxation: int, unsatisfiable: Collection[str]) -> None:
        self.schemas: dict[str, str] = {}
        self.left_out: list[str] = []
        self._relaxation = relaxation
        self._unsatisfiable = unsatisfiable
        self._rules = SchemaRules()

    def expanded(self, lark: str) -> str:
        """`lark` with rules in place of schemas, a client's own `%json` included."""
        if _SCHEMA not in lark and "%json" not in lark:
            return lark
        try:
            tokens = list(tokens_of(lark))
        except LarkSyntaxError:
            return lark  # llguidance reads more of the language
        parts, at = [], 0
        for (kind, text, start), (_, value, value_start) in itertools.pairwise(tokens):
            if kind == "directive" and text in (_SCHEMA, "%json"):
                given = json.loads(value)
                if text == "%json":
                    given = {"schema": given, "path": "grammar", "strict": True, "fallback": None}
                parts += [lark[at:start], self._rule(given)]
                at = value_start + len(value)
        return "\n".join(["".join([*parts, lark[at:]]), *self._rules.lines])

    def _rule(self, given: dict[str, Any]) -> str:
        schema, path, strict = given["schema"], given["path"], given["strict"]
        lenient = given["fallback"] is not None
        report = SchemaReport(strict=strict, relaxed=self._relaxation == 1, lenient=lenient)
        if self._relaxation == MAX_RELAXATION and not strict:
            report.leave_out(path, "", "it is too complex")
            schema = {} if given["fallback"] is None else given["fallback"]
        try:
            if path in self._unsatisfiable:
                raise NoValueError
            rule = self._rules.rule(SchemaCompiler(schema, self._rules, report, path).compile())
        except UnenforceableError as error:
            raise GrammarRefusedError(str(error), error.path) from None
        except NoValueError:
            if strict or given["fallback"] is None:
                raise GrammarRefusedError("no value satisfies it", path) from None
            report.leave_out(path, "", "no value satisfies it")
            rule = self._rules.rule(SchemaCompiler(given["fallback"], self._rules, report, path).compile())
        self.schemas[path] = rule
        self.left_out += [found for found in report.left_out if found not in self.left_out]
        return rule


def _escaped_slashes(regex: str) -> str:
    return regex.replace("\\/", "/").replace("/", "\\/")


def _unforced(grammar: str) -> str:
    """A grammar that llguidance has made of a regex, with our options."""
    made: dict[str, Any] = json.loads(grammar)
    first = made["grammars"][0]
    if first.get("lark_grammar") is None:
        made["grammars"].insert(0, {"name": "answer", "lark_grammar": f"start: @{first['name']}{_OPTIONS}"})
    else:
        first["lark_grammar"] += _OPTIONS
    return json.dumps(made)
