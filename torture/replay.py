"""One project fills the replay store. Another project's retries still find their responses, and are billed once."""

import asyncio
import json
from typing import Any

from forefront.gateway.keys.key_store import KeyStore
from forefront.wire.admin.records import NewKey
from tests.support.backends.instant import KEY, MODEL, Instant
from torture.client import CHAT, Answer, Client
from torture.harness import Harness, entered
from torture.ledger_audit import opened

_TOKENS = 700  # of a stream of 7 MiB
_FLOOD = 20


async def run(harness: Harness) -> None:
    """Twice as many bytes as the store has room for, and many small answers, on each store."""
    for kind in harness.stores:
        store, folder = harness.new_store(kind), harness.new_folder()
        greedy, modest = await asyncio.to_thread(_make_keys, store)
        async with entered(harness.nursery.serve(store, folder / "log")) as server:
            first = [await _ask(server, modest, name) for name in ("whole", "stream")]
            await _leave(server, modest, "lost")
            large, small = harness.count(_FLOOD, minimum=12), harness.count(12_000, minimum=200)
            last = [await _ask(server, greedy, f"stream-large-{number}", _TOKENS) for number in range(large)][-1]
            await _many(server, greedy, small)
            again = [await _ask(server, modest, name) for name in ("whole", "stream", "lost")]
            same = [one.completion for one in again[:2]] == [one.completion for one in first]
            replayed = sum("idempotent-replayed" in one.headers for one in again)
            requests = await _requests(server, "modest")
            found = f"{replayed} of 3 answers replayed to another project, {requests} requests billed"
            good = same and replayed == 3 and requests == 3
            harness.report("replay", kind, f"{large} answers of 7 MiB and {small} small ones", found, good=good)
            own = await _ask(server, greedy, f"stream-large-{large - 1}", _TOKENS)
            oldest = await _ask(server, greedy, "stream-large-0", _TOKENS)
            kept = own.completion == last.completion
            found = f"its latest large answer was {'kept' if kept else 'dropped'}, "
            found += f"its first one {'kept' if 'idempotent-replayed' in oldest.headers else 'dropped'}"
            good = "idempotent-replayed" not in oldest.headers and oldest.status == 200
            harness.report("replay", kind, "the flooding project's own answers", found, good=good)


async def _ask(server: Instant, key: str, name: str, tokens: int = 5) -> Answer:
    client = Client(server.url, key)
    answer = await client.send("POST", CHAT, _body(name, tokens), idempotency_key=name)
    client.abort()
    return answer


async def _leave(server: Instant, key: str, name: str) -> None:
    """Ask for a stream, and leave before its end."""
    client = Client(server.url, key)
    reader = await client.begin("POST", CHAT, _body(name, 500), idempotency_key=name)
    await reader.read(100)
    client.abort()


async def _many(server: Instant, key: str, count: int) -> None:
    client = Client(server.url, key)
    for number in range(count):
        await client.send("POST", CHAT, _body("small", 1), idempotency_key=f"small-{number}")


async def _requests(server: Instant, project: str) -> int:
    """How many requests the ledger has of a project."""
    report = await Client(server.url, KEY).get(f"/admin/usage?by=project&project={project}")
    count: int = report["data"][0]["requests"]
    return count


def _body(name: str, tokens: int) -> bytes:
    """`lost` and the names that begin with `stream` are streams."""
    # Each token of an answer to a long message is 10 KB.
    content = "Hello" if tokens < _TOKENS else "x" * 2_000_000
    fields: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": content}]}
    if name == "lost":
        tokens = 500
    return json.dumps(fields | {"max_tokens": tokens, "stream": name.startswith(("stream", "lost"))}).encode()


def _make_keys(store: str) -> list[str]:
    with opened(store) as database:
        keys = KeyStore(database)
        return [keys.create(NewKey(name=name, project=name)).key for name in ("greedy", "modest")]
