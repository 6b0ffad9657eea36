"""Projects on a cluster that loses replicas: their budgets, their isolation, and the ledger."""

import asyncio
import json
import random
import signal
from collections import Counter
from typing import Final

from forefront.gateway.keys.key_store import KeyStore
from forefront.wire.admin.records import Budget, NewKey
from tests.support.server import KEY, RunningServer
from torture.client import Client
from torture.cluster.environment import Cluster, send_signal
from torture.cluster.streams import MODEL
from torture.harness import Harness
from torture.ledger_audit import audit_ledger, opened
from torture.nonces import foreign_nonces, make_tenants, repeat_nonces

_OUTPUT: Final = 300
_FIT: Final = 10
_QUESTION: Final = [{"role": "user", "content": "Tell a story"}]


async def budgets(cluster: Cluster, servers: list[RunningServer]) -> None:
    """Requests at once against a budget for ten, on two servers, while replicas are killed."""
    count = cluster.harness.count(200, minimum=30)
    fields = {"model": MODEL, "messages": _QUESTION, "temperature": 1, "ignore_eos": True}
    first = await Client(servers[0].url, KEY).chat(**fields, max_tokens=1)
    size = json.loads(first.body)["usage"]["prompt_tokens"] + _OUTPUT

    def make_key() -> str:
        with opened(cluster.store) as database:
            budget = Budget(tokens=_FIT * size, period="ever")
            return KeyStore(database).create(NewKey(name="ten", project="ten", budget=budget)).key

    key = await asyncio.to_thread(make_key)
    for server in servers:
        await cluster.ready(server)

    async def status(number: int) -> tuple[int, int]:
        client = Client(servers[number % len(servers)].url, key)
        answer = await client.chat(**fields, max_tokens=_OUTPUT)
        moves = json.loads(answer.body)["receipt"].get("moves") if answer.whole else None
        return answer.status, moves or 0

    tasks = [asyncio.create_task(status(number)) for number in range(count)]
    await asyncio.sleep(0.5)
    send_signal([random.choice(cluster.replica_processes())], signal.SIGKILL)
    answers = await asyncio.gather(*tasks)
    statuses, moves = Counter(code for code, _ in answers), sum(moves for _, moves in answers)
    found = ", ".join(f"{number} × {code}" for code, number in sorted(statuses.items())) + f"; {moves} moves"
    good = statuses == {200: _FIT, 403: count - _FIT}
    cluster.report(f"{count} at once, budget for {_FIT}, two servers, a replica killed", found, good=good)


async def nonces(cluster: Cluster, servers: list[RunningServer]) -> None:
    """Projects have secret words repeated, while replicas are killed."""
    count = cluster.harness.count(400, minimum=32)
    tenants = await asyncio.to_thread(make_tenants, cluster.store)
    numbers = Harness.numbers(cluster.harness, "nonces on the cluster", count)
    tasks = [
        asyncio.create_task(repeat_nonces(servers[place % len(servers)].url, tenant, numbers))
        for place, tenant in enumerate(tenants)
    ]
    kills = 0
    while not all(task.done() for task in tasks):
        await asyncio.sleep(random.uniform(0.5, 1.5))
        if kills < cluster.harness.count(10):
            kills += 1
            await cluster.ready(servers[0])
            send_signal([random.choice(cluster.replica_processes())], signal.SIGKILL)
    await asyncio.gather(*tasks)
    answers, own = sum(len(tenant.answers) for tenant in tenants), sum(tenant.own for tenant in tenants)
    foreign = foreign_nonces(tenants)
    found = f"{answers} answers, {own} repeat their own, {foreign} foreign nonces, {kills} replicas killed"
    good = not foreign and own > answers // 8
    cluster.report(f"secret words of {len(tenants)} projects", found, good=good)


async def ledger(cluster: Cluster) -> None:
    """One row for each stream, with the tokens that its client was given."""
    audit = await asyncio.to_thread(audit_ledger, cluster.store)
    whole = {stream.completion: stream.tokens for stream in cluster.streams if stream.whole and stream.completion}
    missing = audit.missing(whole)
    counted = [stream for stream in cluster.streams if stream.delivered and stream.completion]
    differing = sum(audit.rows.get(stream.completion or "", ("", 0))[1] != stream.delivered for stream in counted)
    failed = [stream for stream in cluster.streams if stream.errors and stream.completion]
    unpaid = sum(stream.completion not in audit.rows for stream in failed)
    found = f"{len(whole)} whole streams, {missing} without their row; {len(failed)} with an error, {unpaid} without "
    found += f"a row; {len(counted)} counted token by token, {differing} differ; "
    found += f"days {'equal' if audit.days_agree else 'DIFFER FROM'} rows"
    cluster.report("the ledger", found, good=not missing + unpaid + differing and audit.days_agree)
