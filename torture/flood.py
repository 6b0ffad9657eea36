"""Thousands of connections from one address without a key. Other clients are served as before."""

import asyncio
import time
from contextlib import suppress
from urllib.parse import urlsplit

from tests.support.server import RunningServer
from torture.client import Client
from torture.harness import Harness, entered

_ATTACKER = "127.0.0.2"
_SECONDS = 10.0
_SLOW = 0.05  # seconds that a request of others may take
_KINDS = {
    "idle": b"",
    "slow": b"GET /health HTTP/1.1\r\nHost: x\r\nX: ",
    "unread": b"POST /v1/models HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n",
}


async def run(harness: Harness) -> None:
    """2,500 connections of each kind, opened again whenever the server closes one; the store makes no
    difference."""
    async with entered(harness.serve(harness.new_store("SQLite"), harness.tiny())) as server:
        for kind, content in _KINDS.items():
            await _flood(harness, server, kind, content, harness.count(2500))


async def _flood(harness: Harness, server: RunningServer, kind: str, content: bytes, count: int) -> None:
    end = time.monotonic() + max(_SECONDS * harness.scale, 3.0)
    jobs = [asyncio.create_task(_hold(server.url, content, end)) for _ in range(count)]
    times, failed = [], 0
    keyed = Client(server.url, server.key)
    while time.monotonic() < end:
        await asyncio.sleep(0.02)
        for client, path in ((Client(server.url, "none"), "/health"), (keyed, "/v1/models")):
            answer = await client.send("GET", path)
            failed += answer.status != 200
            times.append(answer.seconds)
    closed = sum(await asyncio.gather(*jobs))
    times.sort()
    middle, late = times[len(times) // 2], times[int(len(times) * 0.99)]
    found = (
        f"{closed} closed; of others' {len(times)} requests {failed} failed, the median took {middle * 1000:.1f} ms, "
    )
    found += f"the 99th percentile {late * 1000:.0f} ms"
    good = not failed and middle < _SLOW
    harness.report("flood", "SQLite", f"{count} {kind} connections of one address", found, good=good)


async def _hold(url: str, content: bytes, end: float) -> int:
    """Keep a connection open until `end`; how often the server closed it. One that is closed rests for a second."""
    parts, closed = urlsplit(url), 0
    with suppress(TimeoutError):
        async with asyncio.timeout(end - time.monotonic()):
            while True:
                with suppress(OSError):
                    reader, writer = await asyncio.open_connection(
                        parts.hostname, parts.port, local_addr=(_ATTACKER, 0)
                    )
                    try:
                        writer.write(content)
                        while await reader.read(2**16):
                            pass
                    finally:
                        writer.transport.abort()
                closed += 1
                await asyncio.sleep(1)
    return closed
