"""Constraints undo accepted tokens: afterwards they are as before."""

import json
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from forefront.chat.grammar.grammar_constraint import GrammarConstraint
from forefront.engine.constraint import Constraint
from forefront.engine.engine import Engine
from forefront.engine.request import GenerateRequest, SamplingParams
from forefront.engine.scheduling.sequence import Sequence as EngineSequence
from tests.chat.bound import Bound
from tests.engine.drafts import SimpleDrafter

PERSON = json.dumps(
    {
        "type": "object",
        "properties": {"name": {"type": "string", "maxLength": 12}, "age": {"type": "integer", "maximum": 120}},
        "required": ["name", "age"],
        "additionalProperties": False,
    }
)


def allowed_tokens(constraint: Constraint, tokens_left: int, size: int) -> list[int]:
    mask = constraint.mask(tokens_left)
    if mask is None:
        return list(range(size))
    bits = np.unpackbits(mask.view(np.uint8), bitorder="little")[:size]
    found: list[int] = np.flatnonzero(bits).tolist()
    return found


def walk(constraint: Constraint, size: int, ends: frozenset[int], chance: random.Random, left: int) -> int:
    """Drive a constraint to its end. Before each token, tokens are accepted and taken back. Returns the roll-backs."""
    count = 0
    while left > 0 and not constraint.ended:
        before = allowed_tokens(constraint, left, size)
        state = constraint.ended, constraint.forced_finish
        tried = 0
        for ahead in range(chance.randint(0, 6)):
            if constraint.ended or ahead >= left:
                break
            taken = constraint.accept(chance.choice(allowed_tokens(constraint, left - ahead, size)), left - ahead)
            tried += 1
            if taken in ends:
                break
        constraint.rollback(tried)
        count += tried
        assert allowed_tokens(constraint, left, size) == before
        assert (constraint.ended, constraint.forced_finish) == state
        if constraint.accept(chance.choice(before), left) in ends:
            break
        left -= 1
    return count


@pytest.mark.parametrize("room", [400, 2])
async def test_a_rollback_restores_a_grammar(mini: Bound, room: int) -> None:
    """Near the limit, too, where the constraint replaces tokens; and after the end."""
    grammar = await mini.compile(PERSON)
    size, ends = len(mini.vocabulary.pieces), mini.vocabulary.end_tokens
    assert grammar.shortest is not None
    left, chance = grammar.shortest + room, random.Random(room)
    forced = undone = 0
    for _ in range(12):
        constraint = grammar.start()
        undone += walk(constraint, size, ends, chance, left)
        assert constraint.ended
        forced += constraint.forced_finish
        if isinstance(constraint, GrammarConstraint):
            constraint.rollback(1)
            assert not constraint.ended
    assert undone > 50
    assert forced or room > 2


async def test_a_rollback_restores_a_trigger(mini: Bound) -> None:
    """Before a trigger, inside one, in the grammar after it and after its end."""
    grammar = await mini.compile('start: "{" /[a-z]{1,8}/ "}"', "lark", ("<a>", "<b>"))
    size, chance = len(mini.vocabulary.pieces), random.Random(1)
    text = "once <b>{abc} and <a>{d} again <"
    tokens = mini.tokenizer.encode(text)
    constraint, left = grammar.start(), 400
    undone = 0
    for place, token in enumerate(tokens):
        before = allowed_tokens(constraint, left, size)
        state = constraint.ended, constraint.forced_finish
        ahead = tokens[place : place + chance.randint(1, 12)]
        for later, tried in enumerate(ahead):
            assert constraint.accept(tried, left - later) == tried
        constraint.rollback(len(ahead))
        undone += len(ahead)
        assert allowed_tokens(constraint, left, size) == before
        assert (constraint.ended, constraint.forced_finish) == state
        assert token in before
        assert constraint.accept(token, left) == token
        left -= 1
    assert undone > 60


class KnownOutput(SimpleDrafter):
    """Proposes the tokens of a known output, every fifth of them wrong."""

    def __init__(self, output: Sequence[int], wrong: int) -> None:
        self._output, self._wrong = output, wrong

    def draft(self, sequence: EngineSequence, max_tokens: int) -> list[int]:
        place = sequence.num_output_tokens
        draft = self._output[place : place + max_tokens]
        return [self._wrong if (place + i) % 5 == 0 else token for i, token in enumerate(draft)][:8]


@pytest.mark.parametrize(("kind", "text"), [("json_schema", PERSON), ("regex", "(yes|no|maybe){3,9}!")])
async def test_structured_output_is_the_same_with_drafts(mini: Bound, kind: Any, text: str) -> None:
    grammar = await mini.compile(text, kind)
    request = GenerateRequest(
        mini.tokenizer.encode("Hello"),
        300,
        SamplingParams(seed=7),
        stop_tokens=mini.vocabulary.end_tokens,
        constraint=grammar.start,
    )
    expected = [token async for batch in mini.engine.submit(request) for token in batch]
    drafter = KnownOutput([token.token for token in expected], mini.tokenizer.encode("e")[0])
    engine = Engine(mini.engine._model, drafter=drafter)
    await mini.engine.stop()
    engine.start()
    mini.engine = engine
    assert [token async for batch in engine.submit(request) for token in batch] == expected
