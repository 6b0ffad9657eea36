"""Answers end within their tokens: random tokens of a real vocabulary, every limit, at a cost that does not grow."""

import json
import random
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forefront.chat.grammar.compiler import CompiledGrammar
from forefront.chat.grammar.grammar_source import GrammarSource, json_schema_source
from forefront.chat.grammar.grammar_worker import check_grammar, compile_here
from forefront.chat.grammar.vocabulary import TokenIndex, Vocabulary
from forefront.chat.local.loading import ModelParts
from tests.chat.lines import steps
from tests.chat.schemas import random_schema

# The pattern of Zod's `z.email()`.
EMAIL = r"^(?!\.)(?!.*\.\.)([A-Za-z0-9_'+\-\.]*)[A-Za-z0-9_+-]@([A-Za-z0-9][A-Za-z0-9\-]*\.)+[A-Za-z]{2,}$"
USER = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 3},
        "mail": {"type": "string", "pattern": EMAIL},
        "ids": {"type": "array", "items": {"type": "string", "format": "uuid"}, "minItems": 1, "maxItems": 2},
        "age": {"type": "integer", "multipleOf": 7, "minimum": 10},
        "more": {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "number"}}},
    },
    "required": ["name", "mail", "ids", "age", "more"],
}


@pytest.fixture(scope="module")
def index(mini_parts: ModelParts) -> TokenIndex:
    tokenizer = mini_parts.tokenizer
    return TokenIndex(Vocabulary(tokenizer.pieces, tokenizer.control, tokenizer.end_tokens))


def compiled(index: TokenIndex, source: GrammarSource) -> CompiledGrammar:
    checked = check_grammar(index, source)
    return CompiledGrammar(compile_here(index, checked.llguidance), index, checked, source)


def schema_grammar(index: TokenIndex, schema: Any) -> CompiledGrammar:
    return compiled(index, json_schema_source(schema, "schema", strict=True))


def answer(grammar: CompiledGrammar, index: TokenIndex, limit: int, seed: int) -> tuple[str, bool]:
    """A text of random tokens, and whether the constraint completed it."""
    constraint, dice, tokens = grammar.start(), random.Random(seed), list[int]()
    vocabulary = index.vocabulary
    for left in range(limit, 0, -1):
        mask = constraint.mask(left)
        assert mask is not None
        allowed = np.flatnonzero(np.unpackbits(mask.view(np.uint8), bitorder="little", count=len(vocabulary.pieces)))
        token = constraint.accept(int(dice.choice(list(allowed))), left)
        if token in vocabulary.end_tokens:
            break
        tokens.append(token)
        if constraint.ended:
            break
    return b"".join(vocabulary.pieces[token] for token in tokens).decode(errors="replace"), constraint.forced_finish


def test_json_is_complete_at_every_limit(index: TokenIndex) -> None:
    grammar = schema_grammar(index, USER)
    assert grammar.shortest is not None
    for limit in range(1, 200):
        text, _ = answer(grammar, index, limit, limit)
        if limit >= grammar.shortest:
            jsonschema.validate(json.loads(text), USER)


@settings(max_examples=60, deadline=None)
@given(number=st.integers(0, 10**6), extra=st.integers(0, 60))
def test_json_of_any_schema_is_complete(index: TokenIndex, number: int, extra: int) -> None:
    schema = random_schema(random.Random(number))
    grammar = schema_grammar(index, schema)
    assert grammar.shortest is not None
    text, _ = answer(grammar, index, grammar.shortest + extra, number)
    jsonschema.validate(json.loads(text), schema)


def test_json_is_complete_with_two_multiples_at_one_place(index: TokenIndex) -> None:
    numbers = [{"type": "integer", "multipleOf": multiple} for multiple in (28, 21)]
    schema = {"type": "array", "items": {"anyOf": numbers}, "minItems": 1}
    grammar = schema_grammar(index, schema)
    assert grammar.shortest is not None
    for seed in range(40):
        text, _ = answer(grammar, index, grammar.shortest, seed)
        jsonschema.validate(json.loads(text), schema)


@pytest.mark.parametrize(
    ("source", "ends"),
    [
        (GrammarSource("lark", 'start: "<" item ("," item)* ">"\nitem: /[a-z]+/ | "(" start ")"'), ">"),
        (GrammarSource("lark", 'start: start "+" term | term\nterm: /[0-9]{2}/ ";"'), ";"),
        (GrammarSource("gbnf", 'root ::= "[" (root | "x") "]"'), "]"),
        (GrammarSource("regex", r"(ab|cd)*[0-9]{5}-z"), "z"),
    ],
)
def test_other_grammars_are_completed_too(index: TokenIndex, source: GrammarSource, ends: str) -> None:
    grammar = compiled(index, source)
    assert grammar.shortest is not None
    for limit in range(grammar.shortest, grammar.shortest + 30):
        assert answer(grammar, index, limit, limit)[0].endswith(ends)


def test_following_an_answer_costs_the_same_at_any_distance_from_the_limit(index: TokenIndex) -> None:
    grammar = schema_grammar(index, {"type": "array", "items": USER})
    tokens = index.cut(
        json.dumps(
            [{"name": "Ann Lee", "mail": f"a{n}.b@c.de", "ids": [], "age": 14, "more": {}} for n in range(8)]
        ).encode()
    )[:150]

    def cost(spare: int) -> int:
        constraint = grammar.start()
        counts = []
        for place, token in enumerate(tokens):
            constraint.mask(1)
            if not constraint.mask(1)[token >> 5] >> (token & 31) & 1:  # type: ignore[index]
                break
            left = len(tokens) + spare - place
            counts.append(steps(lambda t=token, n=left: constraint.accept(t, n)))  # type: ignore[misc]
        assert len(counts) > 10
        return max(counts)

    cost(10**6)  # states are made
    assert cost(200) < 1.5 * cost(10**6)


def test_accepted_tokens_can_be_rolled_back(index: TokenIndex) -> None:
    grammar = schema_grammar(index, USER)
    constraint, dice = grammar.start(), random.Random(3)
    for left in range(90, 0, -1):
        masks, kept = [], (constraint.ended, constraint.forced_finish)
        for step in range(dice.randint(0, 4)):
            mask = constraint.mask(left - step)
            assert mask is not None
            masks.append(mask.copy())
            bits = np.unpackbits(mask.view(np.uint8), bitorder="little", count=len(index.vocabulary.pieces))
            if (
                constraint.accept(int(dice.choice(list(np.flatnonzero(bits)))), left - step)
                in index.vocabulary.end_tokens
            ):
                break
        constraint.rollback(len(masks))
        assert (constraint.ended, constraint.forced_finish) == kept
        mask = constraint.mask(left)
        assert mask is not None
        assert not masks or np.array_equal(mask, masks[0])
        bits = np.unpackbits(mask.view(np.uint8), bitorder="little", count=len(index.vocabulary.pieces))
        constraint.accept(int(dice.choice(list(np.flatnonzero(bits)))), left)
        if constraint.ended:
            break
