"""The same comparison on real engines: `python -m simulation.real_replicas`.

Two replicas of the built-in model in their own processes, conversations of 24 tenants with system prompts of 400
tokens, and a server's engine that routes them. Prints the prompt tokens that the replicas computed.
"""

import asyncio
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from forefront.catalog.source import BUILT_IN_NAME
from forefront.cluster.replica.replica_spec import ReplicaSpec
from forefront.cluster.routing.router import PrefixRouter
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


async def measure(router: PrefixRouter, replicas: Sequence[Replica]) -> tuple[int, int, float]:
    """Prompt tokens, those of them that were computed, and seconds, for the same conversations each time."""
    workload = Workload(WORKLOAD, seed=1)
    started = [(workload.conversation(), workload.turns()) for _ in range(CONVERSATIONS)]
    prompt = cached = 0
    async with engine_on(replicas) as engine:
        engine.router = engine.dispatcher.router = engine.pool.router = router
        engine.set_replicas([replica.address for replica in replicas])
        while len(engine.replicas()) < len(replicas):
            await asyncio.sleep(0.05)
        begin = time.perf_counter()

        async def converse() -> None:
            nonlocal prompt, cached
            while started:
                conversation, turns = started.pop()
                for _ in range(turns):
                    conversation.add(*workload.text(WORKLOAD.message))
                    answer = workload.text(WORKLOAD.answer)
                    if conversation.length + answer[1] >= engine.context_limit:
                        break
                    tokens = spread(conversation.tokens())
                    request = GenerateRequest(
                        tokens, answer[1], SamplingParams(temperature=0), tenant=conversation.tenant
                    )
                    generation = engine.submit(request)
                    async for _ in generation:
                        pass
                    prompt += len(tokens)
                    cached += generation.cached_tokens
                    conversation.add(*answer)

        await asyncio.gather(*(converse() for _ in range(AT_ONCE)))
        return prompt, prompt - cached, time.perf_counter() - begin


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        for cache, mebibytes in CACHES.items():
            for name in ("random", "prefix"):
                options = ModelOptions(threads=1, kv_cache_bytes=mebibytes * 2**20)
                spec = ReplicaSpec(name=BUILT_IN_NAME, source=BUILT_IN_NAME, options=options, home=str(Path(home)))
                replicas = [Replica(spec) for _ in range(2)]
                try:
                    tokens, computed, seconds = asyncio.run(measure(ROUTERS[name](), replicas))
                finally:
                    for replica in replicas:
                        replica.close()
                print(
                    f"{cache} {mebibytes} MiB, {name}: {computed} of {tokens} prompt tokens computed "
                    f"({1 - computed / tokens:.0%} cached), {seconds:.0f} s",
                    flush=True,
                )


if __name__ == "__main__":
    main()
