"""What an answer is bound to, as a client or a tool definition writes it, and as llguidance reads it."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Literal

from llguidance import LLMatcher
from llguidance.gbnf_to_lark import gbnf_to_lark

Kind = Literal["json_object", "json_schema", "regex", "lark", "gbnf"]

# JSON as `json.dumps` writes it: what models have read most of, and no white space that could go on for ever.
_JSON_STYLE: dict[str, Any] = {
    "whitespace_flexible": False,
    "whitespace_pattern": None,
    "item_separator": ", ",
    "key_separator": ": ",
    "lenient": False,
    "coerce_one_of": False,
}
# Else llguidance would allow one way alone to cut what must come into tokens: its own, not the model's.
_OPTIONS = '\n%llguidance {"no_forcing": true}\n'


class GrammarRefusedError(Exception):
    """A grammar cannot be used. The text says why, fit to be shown to whoever wrote it."""


@dataclass(frozen=True, slots=True)
class GrammarSource:
    """A grammar of `kind`. `text` is the schema as JSON, the regex or the grammar; nothing for `json_object`.

    With `triggers`, the answer is free text until it ends in one of them; the grammar holds for what follows, and once
    that is complete the text is free again, or, if it `ends`, the answer is over. A control token is a trigger by its
    text, too. `hints` end free text within the grammar: see `Completer.hinted`.
    """

    kind: Kind
    text: str = ""
    triggers: tuple[str, ...] = ()
    ends: bool = False
    hints: tuple[bytes, ...] = ()

    @property
    def key(self) -> bytes:
        """A hash of all that matters."""
        parts = repr((self.kind, self.text, self.triggers, self.ends, self.hints)).encode(errors="replace")
        return hashlib.blake2b(parts, digest_size=16).digest()

    def compile(self) -> str:
        """llguidance's own form of it. Raises `GrammarRefusedError`."""
        try:
            if self.kind in ("json_object", "json_schema"):
                schema = self.text if self.kind == "json_schema" else '{"type": "object"}'
                return _unforced(LLMatcher.grammar_from_json_schema(schema, overrides=_JSON_STYLE))
            if self.kind == "regex":
                return _unforced(LLMatcher.grammar_from_regex(self.text))
            lark = gbnf_to_lark(self.text) if self.kind == "gbnf" else self.text
            # As JSON in any case, or a text that is JSON would pass for llguidance's own form.
            return json.dumps({"grammars": [{"lark_grammar": lark + _OPTIONS}]})
        except RecursionError:
            raise GrammarRefusedError("it is nested too deeply") from None
        except Exception as error:  # the GBNF reader raises all kinds
            raise GrammarRefusedError(str(error)) from None


def json_lark(schema: dict[str, Any], *, lenient: bool = False) -> str:
    """A Lark expression for JSON of `schema`, to be used in a grammar of kind `lark`; the same style as elsewhere.

    If `lenient`, keywords that llguidance cannot keep are left out of the schema; else they make the grammar invalid.
    """
    return "%json " + json.dumps(schema | {"x-guidance": _JSON_STYLE | {"lenient": lenient}})


def _unforced(grammar: str) -> str:
    """A grammar that llguidance has made of a schema or a regex, with our options."""
    made: dict[str, Any] = json.loads(grammar)
    first = made["grammars"][0]
    if first.get("lark_grammar") is None:
        made["grammars"].insert(0, {"name": "answer", "lark_grammar": f"start: @{first['name']}{_OPTIONS}"})
    else:
        first["lark_grammar"] += _OPTIONS
    return json.dumps(made)
