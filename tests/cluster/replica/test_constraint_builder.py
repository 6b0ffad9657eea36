"""The constraints of generations that move to a replica together."""

import asyncio

from forefront.chat.grammar.compiler import Grammars
from forefront.chat.grammar.vocabulary import Vocabulary
from forefront.cluster.protocol.constraint_source import ConstraintSource
from forefront.cluster.replica.constraint_builder import ConstraintBuilder
from forefront.engine.request import GenerateRequest, ResumedOutput
from forefront.fairness.tenant import Tenant


async def test_more_grammars_than_may_wait_at_once() -> None:
    end = frozenset({1})
    builder = ConstraintBuilder(Grammars(Vocabulary([b"a", b""], {"<end>": 1}, end)), end, 2)
    sources = [ConstraintSource("regex", "a" * (3 + number)) for number in range(100)]
    resumed = GenerateRequest([0], 200, tenant=Tenant("one"), resumed=[ResumedOutput(0, [0, 0])])
    try:
        requests = await asyncio.gather(*(builder.build(source, resumed) for source in sources))
        # Each continues its own grammar.
        for number, request in enumerate(requests):
            constraint = request.resumed[0].constraint
            assert constraint is not None
            for _ in range(1 + number):
                assert not constraint.ended
                constraint.accept(0, 150)
            assert constraint.ended
    finally:
        await asyncio.to_thread(builder.close)
