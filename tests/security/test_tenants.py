"""Projects share the engine only: no cached prompt, no text of an answer, no limit."""

import asyncio
import json
import random
from typing import Any

import httpx
import pytest

from forefront.chat.local.loading import ModelParts
from forefront.engine.engine import Engine
from forefront.engine.model.model import ModelOptions, PagedModel
from forefront.engine.request import GenerateRequest, SamplingParams
from forefront.fairness.tenant import Tenant
from tests.engine.engines import small, until_idle
from tests.security.conftest import Stored

GREEDY = SamplingParams(temperature=0)
TENANTS = 8
PREFIX = [random.Random(1).randrange(3, 500) for _ in range(96)]
CHAT: dict[str, Any] = {"model": "tiny", "max_tokens": 8, "temperature": 0, "logit_bias": {"2": -100}}


def prompt_of(tenant: int, turn: int) -> list[int]:
    """The same beginning for all, then what is the tenant's own, in two turns of a conversation."""
    own = random.Random(tenant)
    return PREFIX + [own.randrange(3, 500) for _ in range(40 + 30 * turn)]


async def answer(engine: Engine, tenant: int, turn: int) -> tuple[list[int], int]:
    """The tokens, and how much of the prompt was found in the cache."""
    request = GenerateRequest(prompt_of(tenant, turn), 70, GREEDY, tenant=Tenant(f"tenant-{tenant}"))
    generation = engine.submit(request)
    tokens = [token.token async for batch in generation for token in batch]
    return tokens, generation.cached_tokens


@pytest.fixture(scope="module")
def model(tiny_parts: ModelParts) -> PagedModel:
    options = ModelOptions(contexts=2, kv_precision="f32", quantize_activations=False)
    return PagedModel(tiny_parts.graph, 2048, options)


@pytest.fixture
async def cold(model: PagedModel) -> dict[tuple[int, int], list[int]]:
    """Every answer, each given by an engine that has seen nothing else."""
    answers = {}
    for tenant in range(TENANTS):
        for turn in (0, 1):
            engine = small(model, 64)
            answers[tenant, turn] = (await answer(engine, tenant, turn))[0]
            await engine.stop()
    return answers


async def test_no_tenants_tokens_are_in_anothers_answer(
    model: PagedModel, cold: dict[tuple[int, int], list[int]]
) -> None:
    """An answer of this model depends on its whole prompt: a block of another tenant would change it."""
    assert len({tuple(tokens) for tokens in cold.values()}) == len(cold)
    engine = small(model, 22)  # room for three at a time, so that blocks are evicted and sequences preempted
    try:
        for seed in range(3):
            jobs = [(tenant, turn) for tenant in range(TENANTS) for turn in (0, 1)] * 2
            random.Random(seed).shuffle(jobs)
            given = await asyncio.gather(*(answer(engine, *job) for job in jobs))
            for job, (tokens, _) in zip(jobs, given, strict=True):
                assert tokens == cold[job], job
        assert engine.stats().preemptions > 0
        await until_idle(engine)
    finally:
        await engine.stop()


async def test_only_a_tenants_own_prefix_is_found(model: PagedModel) -> None:
    """What the cache holds shows in how much is computed, and so in the time; another's prompt must not."""
    engine = small(model, 200)
    try:
        assert (await answer(engine, 0, 0))[1] == 0
        assert (await answer(engine, 0, 0))[1] == 128
        for tenant in range(1, TENANTS):
            assert (await answer(engine, tenant, 0))[1] == 0
        assert (await answer(engine, 0, 1))[1] == 128  # and everybody's own is still there
    finally:
        await engine.stop()


def key_of(admin: httpx.Client, **fields: Any) -> dict[str, str]:
    """The header of a new key."""
    made = admin.post("/admin/keys", json={"name": "x"} | fields)
    assert made.status_code == 201, made.text
    return {"authorization": f"Bearer {made.json()['key']}"}


def test_another_projects_prompt_is_uncached_over_http(stored: Stored) -> None:
    fields = CHAT | {"messages": [{"role": "user", "content": "The secret plan. The secret plan. " * 20}]}
    with stored.server.client() as admin:

        def cached(headers: dict[str, str], **more: Any) -> int:
            usage = admin.post("/v1/chat/completions", json=fields | more, headers=headers).json()["usage"]
            count: int = usage["prompt_tokens_details"]["cached_tokens"]
            return count

        alice = key_of(admin, project="alice")
        assert cached(alice) == 0
        warm = cached(alice)
        assert warm > 0
        assert cached(key_of(admin, project="alice")) == warm  # one project, one cache
        bob = key_of(admin, project="bob")
        # No other field of a request selects another tenant's cache.
        assert cached(bob, user="alice", prompt_cache_key="alice", metadata={"project": "alice"}) == 0
        carol = key_of(admin, project="carol")
        assert cached(carol | {"x-project": "alice", "openai-project": "alice"}) == 0
        assert cached(key_of(admin, project="Alice")) == 0
        assert cached(key_of(admin, project="alic")) == 0


async def test_a_budget_for_five_admits_five_of_fifty_concurrent_requests(stored: Stored) -> None:
    fields = CHAT | {"messages": [{"role": "user", "content": "Hi"}]}
    with stored.server.client() as admin:
        usage = admin.post("/v1/chat/completions", json=fields).json()["usage"]
        assert usage["completion_tokens"] == 8
        budget = {"tokens": usage["total_tokens"] * 6 - 1, "period": "ever"}
        headers = key_of(admin, project="poor", budget=budget)
        async with stored.server.async_client() as client:
            sent = [client.post("/v1/chat/completions", json=fields, headers=headers) for _ in range(50)]
            responses = await asyncio.gather(*sent)
        statuses = [response.status_code for response in responses]
        assert (statuses.count(200), statuses.count(403)) == (5, 45)
        [row] = admin.get("/admin/usage", params={"by": "project", "project": "poor"}).json()["data"]
        assert (row["requests"], row["input_tokens"] + row["output_tokens"]) == (5, 5 * usage["total_tokens"])
        ids = [response.json()["id"] for response in responses if response.status_code == 200]
        for completion in ids:
            shown = admin.get(f"/v1/usage/{completion}", headers=headers).json()
            assert shown["output_tokens"] == 8
            assert admin.get(f"/v1/usage/{completion}", headers=key_of(admin, project="rich")).status_code == 404


async def test_concurrent_requests_are_counted_under_load(stored: Stored) -> None:
    fields = CHAT | {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 300}
    with stored.server.client() as admin:
        headers = key_of(admin, project="narrow", limits={"concurrency": 3})
    async with stored.server.async_client() as client:
        sent = [client.post("/v1/chat/completions", json=fields, headers=headers) for _ in range(30)]
        statuses = [response.status_code for response in await asyncio.gather(*sent)]
        assert statuses.count(200) >= 3
        assert statuses.count(200) + statuses.count(429) == 30
        assert statuses.count(429) > 0
        again = await client.post("/v1/chat/completions", json=fields | {"max_tokens": 1}, headers=headers)
        assert again.status_code == 200, "what was refused has given its place back"


async def test_a_broken_stream_is_charged_for_its_computed_tokens(stored: Stored) -> None:
    fields = CHAT | {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1500, "n": 16, "stream": True}
    with stored.server.client() as admin:
        headers = key_of(admin, project="leaver")
        seen: list[str] = []
        for cut in (1, 5, 20):
            with admin.stream("POST", "/v1/chat/completions", json=fields, headers=headers) as response:
                lines = (line for line in response.iter_lines() if line.startswith("data: {"))
                chunks = [json.loads(next(lines).removeprefix("data: ")) for _ in range(cut)]
            seen.append(chunks[0]["id"])
        for completion in seen:
            while (usage := admin.get(f"/v1/usage/{completion}")).status_code == 404:
                await asyncio.sleep(0.01)
            assert usage.json()["status"] == "aborted"
            assert usage.json()["output_tokens"] < 16 * 1500
        [row] = admin.get("/admin/usage", params={"by": "project", "project": "leaver"}).json()["data"]
        assert row["requests"] == 3
