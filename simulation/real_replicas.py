"""The same comparison on real engines: `python -m simulation.real_replicas`.

Two replicas of the built-in model in their own processes, conversations of 24 tenants with system prompts of 400
tokens, and a server's engine that routes them. Prints the prompt tokens that the replicas computed.
"""

import asyncio
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path

from forefront.catalog.sources.source import BUILT_IN_NAME
from forefront.cluster.replica.replica_spec import ReplicaSpec
from forefront.cluster.routing.router import BLOCK_SIZE, PrefixRouter
from forefront.engine.kv_blocks.block_pool import extend_block_hashes
from forefront.engine.model.model import ModelOptions
from forefront.engine.request import GenerateRequest, SamplingParams
from simulation.routers import ROUTERS
from simulation.workload import Workload, WorkloadSettings
from tests.cluster.replicas import Replica, engine_on

WORKLOAD = WorkloadSettings(24, 1.0, skew=0.5, head=(400, 400), message=(20, 60), answer=(8, 24), turns=3.0)
CONVERSATIONS = 240
AT_ONCE = 4
CACHES = {"small": 16, "ample": 128}  # MiB
# Of the model's vocabulary; texts are spread over them.
FIRST_TOKEN, TOKENS = 300, 1700


def spread(tokens: Sequence[int]) -> list[int]:
    """Token ids of the model for those of a simulated text."""
    return [FIRST_TOKEN + token * 2_654_435_761 % 4_294_967_291 % TOKENS for token in tokens]


@dataclass
class Measured:
    """Prompt tokens of a run: all, those that were computed, and those that no prompt had computed before, which the
    best router with unlimited caches computes too."""

    prompt: int = 0
    computed: int = 0
    new: int = 0
    seconds: float = 0.0
    _known: set[bytes] = field(default_factory=set)

    def add(self, tokens: Sequence[int], answer: Sequence[int], cached: int, salt: bytes) -> None:
        """Count a request."""
        keys: list[bytes] = []
        extend_block_hashes(keys, [*tokens, *answer], len(tokens) + len(answer), BLOCK_SIZE, salt)
        # The last token of a prompt is computed in any case.
        prefix = takewhile(self._known.__contains__, keys[: (len(tokens) - 1) // BLOCK_SIZE])
        self.new += len(tokens) - BLOCK_SIZE * sum(1 for _ in prefix)
        self._known.update(keys)
        self.prompt += len(tokens)
        self.computed += len(tokens) - cached


async def measure(router: PrefixRouter, replicas: Sequence[Replica]) -> Measured:
    """The same conversations each time, but for their answers, which are the model's."""
    workload = Workload(WORKLOAD, seed=1)
    started = [(workload.conversation(), workload.turns()) for _ in range(CONVERSATIONS)]
    measured = Measured()
    async with engine_on(replicas) as engine:
        engine.router = engine.dispatcher.router = engine.pool.router = router
        engine.set_replicas([replica.address for replica in replicas])
        while len(engine.replicas()) < len(replicas):
            await asyncio.sleep(0.05)
        begin = time.perf_counter()

        async def converse() -> None:
            while started:
                conversation, turns = started.pop()
                history = spread(conversation.tokens())
                for _ in range(turns):
                    first, length = workload.text(WORKLOAD.message)
                    history += spread(range(first, first + length))
                    _, size = workload.text(WORKLOAD.answer)
                    if len(history) + size >= engine.context_limit:
                        break
                    request = GenerateRequest(history, size, SamplingParams(seed=1), tenant=conversation.tenant)
                    generation = engine.submit(request)
                    answer = [token.token async for tokens in generation for token in tokens]
                    measured.add(history, answer, generation.cached_tokens, conversation.tenant.salt)
                    history = history + answer

        await asyncio.gather(*(converse() for _ in range(AT_ONCE)))
        measured.seconds = time.perf_counter() - begin
        return measured


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        for cache, mebibytes in CACHES.items():
            for name in ("random", "prefix"):
                options = ModelOptions(threads=1, kv_cache_bytes=mebibytes * 2**20)
                spec = ReplicaSpec(name=BUILT_IN_NAME, source=BUILT_IN_NAME, options=options, home=str(Path(home)))
                replicas = [Replica(spec) for _ in range(2)]
                try:
                    measured = asyncio.run(measure(ROUTERS[name](), replicas))
                finally:
                    for replica in replicas:
                        replica.close()
                cached = 1 - measured.computed / measured.prompt
                print(
                    f"{cache} {mebibytes} MiB, {name}: {measured.computed} of {measured.prompt} prompt tokens computed "
                    f"({cached:.0%} cached), {measured.new} of them new, {measured.seconds:.0f} s",
                    flush=True,
                )


if __name__ == "__main__":
    main()
