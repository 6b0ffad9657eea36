"""Sixteen tenants whose prompts begin alike, in an engine that has to evict: nobody reads another's words."""

import asyncio
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass

from forefront.gateway.keys import KeyStore
from forefront.wire.admin import NewKey
from torture.books import opened
from torture.client import Client
from torture.stage import Stage, entered

_TENANTS = 16
_AT_ONCE = 4  # requests of each
_WORDS = ("sun", "moon", "river", "mountain", "garden", "winter")


@dataclass
class _Tenant:
    """A project's key, what it has been told to repeat, and what it was answered."""

    key: str
    nonces: list[str]
    answers: list[str]
    own: int = 0


async def run(stage: Stage) -> None:
    """10,000 answers of the built-in model, which repeats what it is asked to."""
    store, numbers = stage.new_store("SQLite"), stage.numbers("nonces", stage.count(10_000, least=_TENANTS))
    tenants = await asyncio.to_thread(_make_tenants, store)
    # As little memory as can be chosen, so that blocks are taken from one tenant for another all the time.
    async with entered(stage.serve(store, "--kv-cache", "0.01")) as server:
        jobs = [_ask(server.url, tenant, numbers) for tenant in tenants for _ in range(_AT_ONCE)]
        await asyncio.gather(*jobs)
        mini = (await Client(server.url, server.key).get("/admin/status"))["models"]["forefront-mini"]
    owners = {nonce: tenant for tenant in tenants for nonce in tenant.nonces}
    foreign = sum(
        owners.get(word, tenant) is not tenant
        for tenant in tenants
        for text in tenant.answers
        for word in re.findall(r"[a-z]{10}", text.lower())
    )
    asked, answered = len(owners), sum(len(tenant.answers) for tenant in tenants)
    own = sum(tenant.own for tenant in tenants)
    found = f"{foreign} foreign nonces; {own} answers repeat their own; {asked - answered} failed; "
    found += f"{mini['blocks_total']} blocks of KV cache for all, {mini['preemptions']} preemptions"
    # Were the model not to repeat, there would be nothing to find.
    good = not foreign and asked == answered and own > answered // 4
    stage.report("nonces", "SQLite", f"{answered} answers to {_TENANTS} tenants", found, good=good)


async def _ask(url: str, tenant: _Tenant, numbers: Iterator[int]) -> None:
    """Shared turns, then one that the tenant had before, then a new nonce."""
    client = Client(url, tenant.key)
    for _ in numbers:
        nonce = _nonce()
        said = [*_WORDS, *tenant.nonces[-1:]]
        tenant.nonces.append(nonce)
        turns = [
            turn
            for word in said
            for turn in ({"role": "user", "content": f"Repeat: {word}"}, {"role": "assistant", "content": word})
        ]
        messages = [*turns, {"role": "user", "content": f"Repeat: {nonce}"}]
        answer = await client.chat(model="forefront-mini", messages=messages, max_tokens=12, temperature=0)
        if answer.whole:
            text = answer.content()
            tenant.answers.append(text)
            tenant.own += nonce in text.lower()


def _nonce() -> str:
    """Ten letters that can be said, as the model repeats them best; one of 10¹⁰."""
    return "".join(random.choice("bcdfgklmnprstvz") + random.choice("aeiou") for _ in range(5))


def _make_tenants(store: str) -> list[_Tenant]:
    with opened(store) as database:
        keys = KeyStore(database)
        return [_Tenant(keys.create(NewKey(name="n", project=f"tenant{n}")).key, [], []) for n in range(_TENANTS)]
