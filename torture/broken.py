"""The engine fails in the middle of streams: one clean error for each stream, and full service afterwards."""

import asyncio
from collections import Counter
from pathlib import Path

from tests.support.server import RunningServer
from torture.client import Answer, Client
from torture.harness import Harness, entered
from torture.ledger_audit import audit_ledger

_AT_ONCE = 8
_FIELDS = {"model": "tiny", "max_tokens": 1500, "logit_bias": {"2": -100}, "seed": 1}


async def run(harness: Harness) -> None:
    """20 times, with eight requests running, half of them streams."""
    store, flag = harness.new_store("SQLite"), harness.new_folder() / "break"
    rounds = harness.count(20)
    serving = harness.serve(store, harness.tiny(), module="torture.breakable", TORTURE_BREAK=str(flag))
    async with entered(serving) as server:
        expected = await _whole(server)
        answers = [answer for _ in range(rounds) for answer in await _round(server, flag)]
        same = await _whole(server) == expected
        tiny = (await Client(server.url, server.key).get("/admin/status"))["models"]["tiny"]
    kinds = Counter(_kind(answer) for answer in answers)
    left = tiny["running"] + tiny["waiting"] + tiny["blocks_held"]
    found = ", ".join(f"{number} × {kind}" for kind, number in sorted(kinds.items()))
    found += f"; {tiny['restarts']} restarts, {left} sequences or blocks left, then "
    found += "the same answer as before" if same else "ANOTHER answer than before"
    clean = set(kinds) == {"engine_failed in the stream", "500 engine_failed"}
    good = clean and same and not left and tiny["restarts"] == rounds
    harness.report("broken", "SQLite", f"engine killed {rounds} times mid-stream", found, good=good)
    audit = await asyncio.to_thread(audit_ledger, store)
    statuses = Counter(status for status, _ in audit.rows.values())
    found = ", ".join(f"{number} {status}" for status, number in sorted(statuses.items()))
    good = statuses == {"completed": 2, "failed": len(answers)}
    harness.report("broken", "SQLite", "rows of these", found, good=good)


async def _round(server: RunningServer, flag: Path) -> list[Answer]:
    jobs = [asyncio.create_task(_ask(server, stream=number % 2 == 0)) for number in range(_AT_ONCE)]
    watch = Client(server.url, server.key)
    while (await watch.get("/admin/status"))["models"]["tiny"]["running"] < _AT_ONCE:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    flag.touch()
    return await asyncio.gather(*jobs)


async def _ask(server: RunningServer, *, stream: bool) -> Answer:
    messages = [{"role": "user", "content": "A long story"}]
    return await Client(server.url, server.key).chat(**_FIELDS, messages=messages, stream=stream)


async def _whole(server: RunningServer) -> str:
    fields = _FIELDS | {"messages": [{"role": "user", "content": "Once more"}], "max_tokens": 50}
    return (await Client(server.url, server.key).chat(**fields)).content()


def _kind(answer: Answer) -> str:
    if answer.status == 200 and answer.ended and not answer.whole and b"[DONE]" not in answer.body:
        return f"{answer.code} in the stream" if answer.body.count(b'"error"') == 1 else "several errors"
    return f"{answer.status} {answer.code}"
