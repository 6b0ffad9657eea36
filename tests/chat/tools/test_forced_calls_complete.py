"""Forced calls in every format are complete at every limit that has room for one."""

import random

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from forefront.chat.grammar.compiler import CompiledGrammar
from forefront.chat.grammar.grammar_source import GrammarSource
from forefront.chat.grammar.grammar_worker import check_grammar, compile_here
from forefront.chat.grammar.vocabulary import TokenIndex, Vocabulary
from forefront.chat.tools.tool_grammar import tool_grammar
from tests.chat.tool_formats import FORMS
from tests.chat.tools.test_tool_formats import BOTH, END, MARKERS, PIECES, SCHEMAS, decoded, offer, read

CONTROL = {marker: 256 + place for place, marker in enumerate(MARKERS)} | {"<end>": END}
INDEX = TokenIndex(Vocabulary([*PIECES[:256], *[b""] * (len(PIECES) - 256)], CONTROL, frozenset({END})))


def answer(grammar: CompiledGrammar, limit: int, dice: random.Random) -> str:
    """An answer of random tokens; control tokens by their texts."""
    constraint, tokens = grammar.start(), list[int]()
    for left in range(limit, 0, -1):
        mask = constraint.mask(left)
        assert mask is not None
        bits = np.unpackbits(mask.view(np.uint8), bitorder="little", count=len(PIECES))
        token = constraint.accept(int(dice.choice(list(np.flatnonzero(bits)))), left)
        if token == END:
            break
        tokens.append(token)
        if constraint.ended:
            break
    return b"".join(PIECES[token] for token in tokens).decode()


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("name", FORMS)
def test_forced_calls_are_complete(name: str, kind: str) -> None:
    form = BOTH[kind](FORMS[name])
    source = GrammarSource("lark", tool_grammar(form, offer(), "required", parallel=True).lark, whole=True)
    checked = check_grammar(INDEX, source)
    grammar = CompiledGrammar(compile_here(INDEX, checked.llguidance), INDEX, checked, source)
    assert grammar.shortest is not None
    dice = random.Random(name + kind)
    assert answer(grammar, grammar.shortest - 1, dice) == ""
    for extra in (0, 1, 2, 5, 20, 60, 90):
        calls = decoded(read(form, answer(grammar, grammar.shortest + extra, dice)))
        assert calls
        for called, arguments in calls:
            Draft202012Validator(SCHEMAS[called]).validate(arguments)
