"""Streams cut at random bytes: the engine stops, nothing is held, and the ledger has the decoded tokens."""

import asyncio
import json
import os
import random
import time
from pathlib import Path
from typing import Any

from tests.support.server import RunningServer
from torture.client import CHAT, Client
from torture.harness import Harness, entered
from torture.ledger_audit import audit_ledger

_AT_ONCE = 25
# No end token, so that a stream that is not cut goes on to its 400 tokens.
_FIELDS: dict[str, Any] = {"model": "tiny", "max_tokens": 400, "logit_bias": {"2": -100}}
# About what a whole stream has.
_LONGEST = 100_000


async def run(harness: Harness) -> None:
    """500 streams for each store."""
    harness.tiny()
    await asyncio.gather(*(_on(harness, kind) for kind in harness.stores))


async def _on(harness: Harness, kind: str) -> None:
    store = harness.new_store(kind)
    async with entered(harness.serve(store, harness.tiny(), "--kv-cache", "0.05")) as server:
        await _cut(harness, kind, store, server, harness.count(500, minimum=_AT_ONCE))


async def _cut(harness: Harness, kind: str, store: str, server: RunningServer, count: int) -> None:
    watch = Client(server.url, server.key)
    expected = await _whole(server)
    # What is opened once and kept is open now: the pool of connections to the store, too.
    await _group(server, _AT_ONCE)
    await asyncio.gather(*(_look_up(server) for _ in range(40)))
    await _until_idle(watch)
    files, memory = _open_files(server.process.pid), _memory(server.process.pid)
    slowest = 0.0
    for _ in range(count // _AT_ONCE):
        await _group(server, _AT_ONCE)
        slowest = max(slowest, await _until_idle(watch))
    more = _open_files(server.process.pid) - files
    same = await _whole(server) == expected
    grown = _memory(server.process.pid) - memory
    found = f"idle after {slowest:.2f} s at most, no sequence and no block held; {max(more, 0)} more files open; "
    found += f"{grown:+.0f} MiB; an answer afterwards is {'the same' if same else 'ANOTHER'}"
    harness.report(
        "disconnects", kind, f"{count} streams cut at random bytes", found, good=slowest <= 1 and more <= 0 and same
    )
    sampled: int = (await watch.get("/admin/status"))["models"]["tiny"]["tokens_sampled"]
    await asyncio.sleep(0.2)  # rows of streams that were cut are written after their clients have left
    audit = await asyncio.to_thread(audit_ledger, store)
    found = f"{sampled} by the engine, {audit.tokens} in the ledger, {len(audit.rows)} rows"
    harness.report("disconnects", kind, "tokens decoded", found, good=sampled == audit.tokens and audit.days_agree)


async def _group(server: RunningServer, count: int) -> None:
    await asyncio.gather(*(_one(server, number) for number in range(count)))


async def _one(server: RunningServer, number: int) -> None:
    """Read a random number of bytes and leave; one in ten leaves in the middle of its request."""
    messages = [{"role": "user", "content": f"Hello {random.random()} " * random.randint(1, 20)}]
    body = json.dumps(_FIELDS | {"messages": messages, "stream": number % 3 > 0}).encode()
    client = Client(server.url, server.key)
    if number % 10 == 9:
        announced = {"content_length": str(len(body) + 50)}
        await client.begin("POST", CHAT, body[: random.randrange(len(body))], **announced)
        await asyncio.sleep(random.uniform(0, 0.2))
        client.abort()
        return
    reader = await client.begin("POST", CHAT, body)
    left = random.choice((0, random.randrange(1000), random.randrange(_LONGEST)))
    await asyncio.sleep(random.uniform(0, 0.2))
    while left > 0 and (piece := await reader.read(min(left, 4096))):
        left -= len(piece)
        if b"0\r\n\r\n" in piece or b'"usage"' in piece:  # it was shorter
            break
    client.abort()


async def _whole(server: RunningServer) -> str:
    fields = _FIELDS | {"messages": [{"role": "user", "content": "Once more"}], "temperature": 0, "max_tokens": 50}
    client = Client(server.url, server.key)
    answer = await client.chat(**fields)
    client.abort()
    return answer.content()


async def _look_up(server: RunningServer) -> None:
    client = Client(server.url, server.key)
    await client.get("/v1/usage/none")
    client.abort()


async def _until_idle(watch: Client) -> float:
    """Seconds until nothing runs, waits or is held; 60 at most."""
    begin = time.monotonic()
    while time.monotonic() - begin < 60:
        status = await watch.get("/admin/status")
        tiny = status["models"]["tiny"]
        if not any((status["running"], status["waiting"], tiny["running"], tiny["waiting"], tiny["blocks_held"])):
            break
        await asyncio.sleep(0.02)
    return time.monotonic() - begin


def _open_files(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def _memory(pid: int) -> float:
    """The process's memory, in MiB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
