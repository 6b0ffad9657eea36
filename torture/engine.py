"""`kill -9` of a managed engine under load: one result or error for each request, and the engine returns."""

import asyncio
import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

from forefront.gateway.keys.key_store import KeyStore
from forefront.managed_engines.process_tree import descendants
from forefront.wire.admin.records import Budget, NewKey
from tests.support.models.llama_cpp_families import write_mixture
from tests.support.server import RunningServer
from torture.client import Client
from torture.harness import Harness, entered
from torture.ledger_audit import audit_ledger, opened

_CLIENTS = 8
# Statuses of a request whose engine died or restarts.
_FAILURES = (500, 503)
_RETURN_SECONDS = 60


async def run(harness: Harness) -> None:
    """Kill the engine of a running server again and again, and the server in the end."""
    path = harness.new_folder() / "mixture.gguf"
    write_mixture(path)
    store, rounds = harness.new_store("SQLite"), harness.count(5, minimum=2)
    with opened(store) as database:
        key = KeyStore(database).create(NewKey(name="load", project="shop", budget=Budget(tokens=10**9))).key
    ends: Counter[str] = Counter()
    seen: dict[str, int | None] = {}
    slowest = 0.0
    async with entered(harness.serve(store, f"mixture={path}", "--threads", "1")) as server:
        for _ in harness.numbers("engine", rounds):
            stop = asyncio.Event()
            clients = [asyncio.create_task(_load(server.url, key, stop, seen, ends)) for _ in range(_CLIENTS)]
            await asyncio.sleep(random.uniform(0.2, 0.8))
            for pid in _engines(server):
                os.kill(pid, signal.SIGKILL)
            slowest = max(slowest, await _return_time(server.url, key))
            stop.set()
            await asyncio.gather(*clients)
        left = _engines(server)
        server.process.kill()
        gone = await _gone(left)
    async with entered(harness.serve(store, f"mixture={path}", "--threads", "1")):
        pass  # takes note that the other server is dead
    audit = await asyncio.to_thread(audit_ledger, store)
    missing = audit.missing(seen)
    broken = {end: count for end, count in ends.items() if end not in ("whole", "error")}
    found = f"{ends['whole']} whole answers, {missing} without their row; {ends['error']} errors; "
    found += f"{sum(broken.values())} without either{f' {broken}' if broken else ''}; back within {slowest:.1f} s"
    good = not missing and not broken and bool(seen) and bool(ends["error"]) and audit.days_agree
    harness.report("engine", "SQLite", f"{rounds} kills of llama.cpp under load", found, good=good)
    harness.report(
        "engine", "SQLite", "`kill -9` of the server", "no engine left" if gone else "ENGINES LEFT", good=gone
    )


async def _load(url: str, key: str, stop: asyncio.Event, seen: dict[str, int | None], ends: Counter[str]) -> None:
    """Send requests until `stop`."""
    client = Client(url, key)
    messages = [{"role": "user", "content": "Hello"}]
    while not stop.is_set():
        stream = random.random() < 0.5
        fields = {"model": "mixture", "messages": messages, "max_tokens": random.randint(1, 200), "stream": stream}
        if stream:
            fields["stream_options"] = {"include_usage": True}
        answer = await client.chat(**fields)
        if answer.whole and answer.code is not None:
            ends["both"] += 1
        elif answer.whole and answer.completion is not None:
            seen[answer.completion] = answer.tokens
            ends["whole"] += 1
        elif answer.status in _FAILURES or (answer.status == 200 and answer.code is not None):
            ends["error"] += 1
            await asyncio.sleep(0.02)
        else:
            ends[f"status {answer.status}"] += 1


def _engines(server: RunningServer) -> list[int]:
    """The process ids of the server's llama.cpp."""
    found = []
    for pid in descendants(server.process.pid):
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if b"forefront.managed_engines.llama_cpp.server_process" in command:
            found.append(pid)
    return found


async def _return_time(url: str, key: str) -> float:
    """Seconds until the model answers again."""
    begin = time.monotonic()
    client = Client(url, key)
    while time.monotonic() - begin < _RETURN_SECONDS:
        answer = await client.chat(model="mixture", messages=[{"role": "user", "content": "Hello"}], max_tokens=2)
        if answer.whole:
            break
        await asyncio.sleep(0.05)
    return time.monotonic() - begin


async def _gone(pids: list[int]) -> bool:
    """Whether the processes end within some seconds."""
    for _ in range(200):
        if not any(map(_runs, pids)):
            return bool(pids)
        await asyncio.sleep(0.05)
    return False


def _runs(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
