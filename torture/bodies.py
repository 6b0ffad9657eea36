"""One project announces bodies and sends them slowly or not at all. Other projects and administrators are served."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from forefront.cli.settings.config import Config, ServerSettings
from forefront.gateway.keys.key_store import KeyStore
from forefront.wire.admin.records import NewKey
from tests.support.backends.instant import KEY, MODEL, Instant
from torture.client import CHAT, Client
from torture.harness import Harness, entered
from torture.ledger_audit import opened

_MEMORY = 48  # MiB, of which one key can hold a third
_ANNOUNCED = 8 * 2**20
_PIECE = b"a" * 2**16
_PIECES = 16  # of each slow body
_HEALTHY = 0.25  # seconds


async def run(harness: Harness) -> None:
    """400 connections of one key, on each store."""
    for kind in harness.stores:
        store, folder = harness.new_store(kind), harness.new_folder()
        greedy, modest = await asyncio.to_thread(_make_keys, store)
        settings = Config(server=ServerSettings(body_memory_mib=_MEMORY))
        async with entered(harness.nursery.serve(store, folder / "log", settings=settings)) as server:
            count = harness.count(400, minimum=40)
            async with _connections(server, greedy, count, _ANNOUNCED) as silent:
                await _served(harness, kind, server, modest, f"{count} bodies of 8 MiB announced, none sent")
                statuses = await _answers(silent)
            wrong = {status for status in statuses if status not in ("", "429")}
            harness.report("bodies", kind, "answers to these", _counts(statuses), good=not wrong)
            async with _connections(server, greedy, count, _ANNOUNCED) as slow:
                await asyncio.gather(*(_send(writer) for _, writer in slow))
                await _served(harness, kind, server, modest, f"{count} bodies sent up to the first MiB")
                statuses = await _answers(slow)
            good = set(statuses) <= {"", "429"} and statuses["429"] > 0
            harness.report("bodies", kind, "answers to these", _counts(statuses), good=good)
            await _again(harness, kind, server, greedy)


async def _served(harness: Harness, kind: str, server: Instant, modest: str, attack: str) -> None:
    """What another project, an administrator and a probe get meanwhile."""
    neighbour, admin, probe = (Client(server.url, key) for key in (modest, KEY, ""))
    refused, health = Counter[int](), []
    for number in range(20):
        text = "x" * (2**20 if number % 5 == 0 else 100)
        answers = [await neighbour.chat(model=MODEL, messages=[{"role": "user", "content": text}], max_tokens=2)]
        answers += [await admin.send("POST", "/admin/keys", json.dumps({"name": f"{number}"}).encode())]
        answers += [await probe.send("GET", "/health")]
        health.append(answers[-1].seconds)
        refused.update(answer.status for answer in answers if answer.status not in (200, 201))
    found = f"{sum(refused.values())} of 60 requests of others refused; /health within {max(health) * 1000:.0f} ms"
    harness.report("bodies", kind, attack, found, good=not refused and max(health) < _HEALTHY)


async def _again(harness: Harness, kind: str, server: Instant, greedy: str) -> None:
    """The key itself is served as soon as its connections have gone."""
    client, begin = Client(server.url, greedy), time.monotonic()
    fields = {"model": MODEL, "messages": [{"role": "user", "content": "x" * 2**20}], "max_tokens": 2}
    while (answer := await client.chat(**fields)).status == 429 and time.monotonic() < begin + 10:
        await asyncio.sleep(0.05)
    found = f"{answer.status} after {time.monotonic() - begin:.1f} s"
    harness.report("bodies", kind, "the key's next request", found, good=answer.status == 200)


@asynccontextmanager
async def _connections(
    server: Instant, key: str, count: int, length: int
) -> AsyncIterator[list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]:
    """Connections that have sent the headers of a request with a body."""
    parts = urlsplit(server.url)
    head = f"POST {CHAT} HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {key}\r\n"
    head += f"content-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    opened = [await asyncio.open_connection(parts.hostname, parts.port) for _ in range(count)]
    for _, writer in opened:
        writer.write(head.encode() + b'{"model": "')
    await asyncio.sleep(0.2)
    try:
        yield opened
    finally:
        for _, writer in opened:
            writer.transport.abort()


async def _send(writer: asyncio.StreamWriter) -> None:
    for _ in range(_PIECES):
        writer.write(_PIECE)
        await writer.drain()
        await asyncio.sleep(0.01)


async def _answers(connections: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]) -> Counter[str]:
    """The statuses that have come; an empty text for each connection without one."""

    async def status(reader: asyncio.StreamReader) -> str:
        try:
            async with asyncio.timeout(0.5):
                return (await reader.readline()).split()[1].decode()
        except TimeoutError:
            return ""

    return Counter(await asyncio.gather(*(status(reader) for reader, _ in connections)))


def _counts(statuses: Counter[str]) -> str:
    return ", ".join(f"{count} × {status or 'no answer yet'}" for status, count in sorted(statuses.items()))


def _make_keys(store: str) -> list[str]:
    with opened(store) as database:
        keys = KeyStore(database)
        return [keys.create(NewKey(name=name, project=name)).key for name in ("greedy", "modest")]
