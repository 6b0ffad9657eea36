"""One project at full abuse, and another's time to first token beside it, against its own on an idle server.

With half of the engine, the first token takes twice as long as alone. A step that is under way cannot be interrupted,
and takes longer the more sequences run: it is measured in the same run and allowed for.
"""

import asyncio
import json
import socket
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

from tests.support.server import RunningServer
from torture.client import Client
from torture.harness import Harness, entered

_MODEL = "forefront-mini"
_PROBES = 12
_SLOTS = 64
_STEPS = 100  # an engine that serves in order of arrival takes as many as the answers before have tokens
_TEXT = "/v1/completions"
_CHAT = "/v1/chat/completions"
_LONG: dict[str, Any] = {"model": _MODEL, "max_tokens": 2000, "logit_bias": {"2": -100}}

Abuse = Callable[[Harness, RunningServer, str], Awaitable[list[Any]]]


async def run(harness: Harness) -> None:
    """Each kind of abuse beside a neighbour's short answers, on one server."""
    kinds: dict[str, Abuse] = {
        "256 prompts × n 16 × 2,000 tokens, four times": _batches,
        "streams that are not read, n 16": _unread,
        "a full queue of long answers": _queue,
    }
    async with entered(harness.serve(harness.new_store("SQLite"), _MODEL)) as server:
        greedy = await _key(server, "greedy")
        neighbour = Client(server.url, await _key(server, "neighbour"))
        await _first_tokens(neighbour, 4)
        admin = Client(server.url, server.key)
        idle = statistics.median(await _first_tokens(neighbour, harness.count(_PROBES, minimum=4)))
        for done, abuse in kinds.items():
            async with _under(harness, server, greedy, abuse) as step:
                before, count = (await _engine(admin))["tokens_sampled"], harness.count(_PROBES, minimum=4)
                times = await _first_tokens(neighbour, count)
                steps = ((await _engine(admin))["tokens_sampled"] - before) / _SLOTS / count
            median = statistics.median(times)
            found = (
                f"first token after {idle * 1000:.0f} ms idle, {median * 1000:.0f} ms beside it ({median / idle:.1f} ×)"
            )
            found += f", {max(times) * 1000:.0f} ms at most; a step of the engine took {step * 1000:.0f} ms"
            # A fraction of the part looks at steps alone: it runs beside other programs.
            good = median <= 2 * (idle + step) or harness.scale < 1
            harness.report("shares", "SQLite", done, found, good=good)
            harness.report("shares", "SQLite", "steps for an answer of 4 tokens", f"{steps:.0f}", good=steps < _STEPS)
        status = await _idle(admin)
        harness.report("shares", "SQLite", "after that", f"{status} sequences left", good=not status)


async def _key(server: RunningServer, project: str) -> str:
    fields = json.dumps({"name": project, "project": project}).encode()
    answer = await Client(server.url, server.key).send("POST", "/admin/keys", fields)
    key: str = json.loads(answer.body)["key"]
    return key


@asynccontextmanager
async def _under(harness: Harness, server: RunningServer, key: str, abuse: Abuse) -> AsyncIterator[float]:
    """While the abuse goes on; the engine is busy with it before. The seconds that a step takes."""
    admin = Client(server.url, server.key)
    held = await abuse(harness, server, key)
    try:
        while (await _engine(admin))["running"] < _SLOTS - 1:
            await asyncio.sleep(0.02)
        begin, before = time.monotonic(), (await _engine(admin))["tokens_sampled"]
        await asyncio.sleep(1)
        steps = ((await _engine(admin))["tokens_sampled"] - before) / _SLOTS
        yield (time.monotonic() - begin) / max(steps, 1)
    finally:
        for one in held:
            one.cancel() if isinstance(one, asyncio.Task) else one.close()
        tasks = [one for one in held if isinstance(one, asyncio.Task)]
        await asyncio.gather(*tasks, return_exceptions=True)
        await _idle(admin)


async def _batches(harness: Harness, server: RunningServer, key: str) -> list[Any]:
    prompts = [f"Chapter {number}" for number in range(256)]
    body = json.dumps(_LONG | {"prompt": prompts, "n": 16}).encode()
    return [asyncio.create_task(_forever(server, key, _TEXT, body)) for _ in range(harness.count(4))]


async def _queue(harness: Harness, server: RunningServer, key: str) -> list[Any]:
    body = json.dumps(_LONG | {"messages": [{"role": "user", "content": "Go on."}]}).encode()
    count = harness.count(1000, minimum=100)
    return [asyncio.create_task(_forever(server, key, _CHAT, body)) for _ in range(count)]


async def _forever(server: RunningServer, key: str, path: str, body: bytes) -> None:
    client = Client(server.url, key)
    while True:
        if not (await client.send("POST", path, body)).ended:
            await asyncio.sleep(1)


async def _unread(harness: Harness, server: RunningServer, key: str) -> list[Any]:
    """Sockets whose owner never reads."""
    parts = urlsplit(server.url)
    fields = _LONG | {"messages": [{"role": "user", "content": "Go on."}], "n": 16, "stream": True}
    body = json.dumps(fields).encode()
    head = f"POST {_CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-length: {len(body)}\r\n\r\n"
    held = []
    for _ in range(harness.count(256, minimum=64)):
        opened = socket.socket()
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        await asyncio.to_thread(opened.connect, (parts.hostname, parts.port))
        opened.sendall(head.encode() + body)
        held.append(opened)
    return held


async def _first_tokens(client: Client, count: int) -> list[float]:
    """Seconds to the first token of so many short streams, one after the other."""
    times = []
    for number in range(count):
        message = {"role": "user", "content": f"Question {number}: what is it?"}
        fields = {"model": _MODEL, "messages": [message], "max_tokens": 4, "stream": True, "logit_bias": {"2": -100}}
        begin = time.perf_counter()
        reader = await client.begin("POST", _CHAT, json.dumps(fields).encode())
        received = b""
        while b'"content":"' not in received.replace(b'"content":""', b""):
            received += await reader.read(2**16)
        times.append(time.perf_counter() - begin)
        with suppress(asyncio.IncompleteReadError):
            if b"\r\n0\r\n\r\n" not in received:
                await reader.readuntil(b"\r\n0\r\n\r\n")
        await asyncio.sleep(0.05)
    return times


async def _engine(admin: Client) -> dict[str, Any]:
    models: dict[str, dict[str, Any]] = (await admin.get("/admin/status"))["models"]
    return models[_MODEL]


async def _idle(admin: Client) -> int:
    """Wait until nothing runs, ten seconds at most; what is left."""
    for _ in range(200):
        engine = await _engine(admin)
        if not engine["running"] and not engine["waiting"]:
            return 0
        await asyncio.sleep(0.05)
    return int(engine["running"]) + int(engine["waiting"])
