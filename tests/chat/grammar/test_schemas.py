"""Random schemas, answers at temperature 1: every one validates, however few tokens there are."""

import asyncio
import json
import random
from collections import Counter

import jsonschema
import pytest

from forefront.chat.local.loading import ModelParts
from tests.chat.bound import Bound, bound
from tests.chat.schemas import random_schema


async def check(made: Bound, number: int) -> str:
    """One schema and one answer to it; how that finished."""
    chance = random.Random(number)
    schema = random_schema(chance)
    grammar = await made.compile(json.dumps(schema))
    assert grammar.shortest is not None
    room = grammar.shortest + chance.choice([0, 1, chance.randint(2, 30), 100])
    answer, finish, _ = await made.answer(grammar, room, number)
    jsonschema.validate(json.loads(answer), schema)
    return finish


async def check_all(made: Bound, numbers: range) -> Counter[str]:
    """All of them, 16 at a time."""
    turns = asyncio.Semaphore(16)

    async def one(number: int) -> str:
        async with turns:
            return await check(made, number)

    return Counter(await asyncio.gather(*(one(number) for number in numbers)))


async def test_answers_of_a_random_model_validate(tiny_parts: ModelParts) -> None:
    async with bound(tiny_parts) as made:
        assert await check_all(made, range(40))


@pytest.mark.slow
async def test_answers_of_the_built_in_model_validate(mini_parts: ModelParts) -> None:
    async with bound(mini_parts) as made:
        finished = await check_all(made, range(1_000, 1_040))
    assert finished["stop"]
    assert finished["length"]


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_a_thousand_schemas(tiny_parts: ModelParts) -> None:
    async with bound(tiny_parts) as made:
        assert (await check_all(made, range(2_000, 3_000))).total() == 1_000
