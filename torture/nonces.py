"""Sixteen tenants with common prompt prefixes in an engine that evicts: no tenant receives another's text."""

import asyncio
import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from forefront.gateway.keys.key_store import KeyStore
from forefront.wire.admin.records import NewKey
from torture.client import Answer, Client
from torture.harness import Harness, entered
from torture.ledger_audit import opened

_TENANTS = 16
_AT_ONCE = 4  # requests of each
_CHOICES = 8  # answers to each request
_WORDS = ("sun", "moon", "river", "mountain", "garden", "winter")
# One connection of each tenant requests answers of several blocks, which slows the others.
_SHORT: dict[str, Any] = {"max_tokens": 12}
_LONG: dict[str, Any] = {"max_tokens": 128, "logit_bias": {"2": -100}}


@dataclass
class Tenant:
    """A project's key, the words it repeats, and its answers."""

    key: str
    nonces: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    own: int = 0
    cached: int = 0


async def run(harness: Harness) -> None:
    """10,000 answers of the built-in model, which repeats words of its prompt."""
    store, count = harness.new_store("SQLite"), harness.count(10_000 // _CHOICES, minimum=_TENANTS * _AT_ONCE)
    tenants, numbers = await asyncio.to_thread(make_tenants, store), harness.numbers("nonces", count)
    # As little memory as can be chosen, so that blocks are taken from one tenant for another all the time.
    async with entered(harness.serve(store, "--kv-cache", "0.01")) as server:
        jobs = [
            repeat_nonces(server.url, tenant, numbers, _SHORT if place else _LONG)
            for tenant in tenants
            for place in range(_AT_ONCE)
        ]
        await asyncio.gather(*jobs)
        mini = (await Client(server.url, server.key).get("/admin/status"))["models"]["forefront-mini"]
    foreign, answered = foreign_nonces(tenants), sum(len(tenant.answers) for tenant in tenants)
    own, cached = (sum(numbers) for numbers in zip(*((one.own, one.cached) for one in tenants), strict=True))
    failed = count * _CHOICES - answered
    found = f"{foreign} foreign nonces; {own} answers repeat their own; {failed} failed; {mini['blocks_total']} blocks "
    found += f"of KV cache: {mini['evictions']} evictions, {mini['preemptions']} preemptions, {cached} tokens found"
    # Were the model not to repeat, or nothing to be taken from anybody, there would be nothing to find.
    forced = min(mini["evictions"], mini["preemptions"], cached) > 0
    good = not foreign and not failed and own > answered // 4 and forced
    harness.report("nonces", "SQLite", f"{answered} answers to {_TENANTS} tenants", found, good=good)


async def repeat_nonces(url: str, tenant: Tenant, numbers: Iterator[int], size: dict[str, Any] = _SHORT) -> None:
    """Shared turns, then one that the tenant had before, then a new nonce."""
    client = Client(url, tenant.key)
    for _ in numbers:
        nonce = _nonce()
        answer_text = [*_WORDS, *tenant.nonces[-1:]]
        tenant.nonces.append(nonce)
        turns = [
            turn
            for word in answer_text
            for turn in ({"role": "user", "content": f"Repeat: {word}"}, {"role": "assistant", "content": word})
        ]
        messages = [*turns, {"role": "user", "content": f"Repeat: {nonce}"}]
        fields = {"model": "forefront-mini", "n": _CHOICES, "temperature": 0.3} | size
        _note(tenant, nonce, await client.chat(**fields, messages=messages))


def _note(tenant: Tenant, nonce: str, answer: Answer) -> None:
    if answer.whole:
        body = json.loads(answer.body)
        texts = [choice["message"]["content"] for choice in body["choices"]]
        tenant.answers += texts
        tenant.own += sum(nonce in text.lower() for text in texts)
        tenant.cached += body["usage"]["prompt_tokens_details"]["cached_tokens"]


def foreign_nonces(tenants: list[Tenant]) -> int:
    """The number of answers' words that are another tenant's nonce."""
    owners = {nonce: tenant for tenant in tenants for nonce in tenant.nonces}
    return sum(
        owners.get(text[start : start + 10], tenant) is not tenant
        for tenant in tenants
        for answer in tenant.answers
        for text in re.findall(r"[a-z]{10,}", answer.lower())
        for start in range(len(text) - 9)
    )


def _nonce() -> str:
    """Ten pronounceable letters, which the model repeats best; one of 10¹⁰."""
    return "".join(random.choice("bcdfgklmnprstvz") + random.choice("aeiou") for _ in range(5))


def make_tenants(store: str) -> list[Tenant]:
    """New projects with a key each."""
    with opened(store) as database:
        keys = KeyStore(database)
        return [Tenant(keys.create(NewKey(name="n", project=f"tenant{n}")).key) for n in range(_TENANTS)]
