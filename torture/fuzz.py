"""Generated invalid requests: no 5xx, and no memory is lost."""

import asyncio
import json
import os
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.support.server import RunningServer
from torture.bad_requests import BadRequest, bad_request
from torture.client import CHAT, Client
from torture.harness import Harness, entered

_CLIENTS = 16
# In MiB. Pools, arenas and kernels for each step size (`engine/model/padding.py`) are filled before: by right requests,
# one for five wrong ones, since few of those get as far as the model, and by the first half of the wrong ones.
_ROOM = 16.0
_RIGHT = 5


async def run(harness: Harness) -> None:
    """100,000 requests, shared among the stores."""
    harness.tiny()
    await asyncio.gather(
        *(_on(harness, kind, harness.count(100_000 // len(harness.stores))) for kind in harness.stores)
    )


async def _on(harness: Harness, kind: str, count: int) -> None:
    async with entered(harness.serve(harness.new_store(kind), harness.tiny(), "--kv-cache", "0.01")) as server:
        await _fuzz(harness, kind, server, count)


async def _fuzz(harness: Harness, kind: str, server: RunningServer, count: int) -> None:
    seed = random.randrange(2**32)
    statuses: Counter[int] = Counter()
    bad: list[BadRequest] = []
    memory = [0.0]
    requests = _requests(seed, harness.numbers(f"fuzz, {kind}", count), count // 2, server.process.pid, memory)
    for sent in (_right(seed, count // _RIGHT), requests):
        await asyncio.gather(*(_send(server, sent, statuses, bad) for _ in range(_CLIENTS)))
    memory.append(_memory(server.process.pid))
    for wrong in bad[:5]:
        harness.log(f"fuzz, seed {seed}: a 5xx for {wrong}")
    found = ", ".join(f"{number} × {status}" for status, number in sorted(statuses.items()))
    found = f"{found.replace('× 0', '× no answer')}; {memory[0]:.0f} MiB after half of them, {memory[1]:.0f} in the end"
    works = (await _normal(server)) == 200
    good = not bad and memory[1] <= memory[0] + _ROOM and works
    harness.report("fuzz", kind, f"{count // _RIGHT} right requests, {count} wrong ones", found, good=good)


def _requests(seed: int, numbers: Iterator[int], half: int, pid: int, memory: list[float]) -> Iterator[BadRequest]:
    chance = random.Random(seed)
    for number in numbers:
        if number == half:
            memory[0] = _memory(pid)
        yield bad_request(chance)


def _right(seed: int, count: int) -> Iterator[BadRequest]:
    """Requests that are answered, of many lengths."""
    chance = random.Random(seed)
    for _ in range(count):
        prompt = " ".join(chance.choice("abcdefgh") for _ in range(chance.randint(1, 60)))
        fields = {"model": "tiny", "messages": [{"role": "user", "content": prompt}]}
        body = json.dumps({**fields, "max_tokens": chance.randint(1, 12), "temperature": chance.choice([0, 1])})
        yield BadRequest("POST", CHAT, body.encode(), {"content-type": "application/json"})


async def _send(
    server: RunningServer, requests: Iterator[BadRequest], statuses: Counter[int], bad: list[BadRequest]
) -> None:
    client = Client(server.url, server.key)
    for wrong in requests:
        answer = await client.send(wrong.method, wrong.path, wrong.body, **wrong.headers)
        statuses[answer.status] += 1
        if answer.status >= 500:
            bad.append(wrong)


async def _normal(server: RunningServer) -> int:
    client = Client(server.url, server.key)
    answer = await client.chat(model="tiny", messages=[{"role": "user", "content": "Hello"}], max_tokens=2)
    return answer.status


def _memory(pid: int) -> float:
    """The process's memory, in MiB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
