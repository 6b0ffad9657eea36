"""One key's abuse of several kinds, in its own process: `python -m torture.abuser URL KEY MODEL SECONDS [KIND...]`.
Without kinds, those of `MIXED`.

The end is a line of JSON: `statuses`, for each kind how many requests ended with which status (0: left, or cut off),
and `processor_seconds` of this process.
"""

import asyncio
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from typing import Any

from torture.client import CHAT, Client

TEXT = "/v1/completions"
EMBEDDER, RANKER = "embedder", "ranker"
_LARGEST = 8 * 2**20 - 2**10
# Connections that each kind has at a time.
_WIDTH = 6
# Seconds for which streams stay unread and bodies unsent.
_HELD = 3.0


# The kinds that a model of chat answers, without stored content.
MIXED = (
    "bodies", "control tokens", "prompts", "scores", "stop strings", "schemas", "regexes", "idempotency keys",
    "unread streams", "unsent bodies", "aborts",
)  # fmt: skip


class Abuser:
    """Requests against a server, each kind drawn from its own variety."""

    def __init__(self, url: str, key: str, model: str, kinds: Collection[str] = ()) -> None:
        self._url, self._key, self._model = url, key, model
        self._chosen = kinds or MIXED
        self._chance = random.Random(1)
        self._bodies = self._large_bodies()
        self.statuses: dict[str, Counter[int]] = {}

    async def run(self, seconds: float) -> None:
        """All kinds at once, for so many seconds."""
        kinds = self._kinds()
        jobs = [asyncio.create_task(self._repeat(name, kinds[name])) for name in self._chosen for _ in range(_WIDTH)]
        await asyncio.sleep(seconds)
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)

    def _kinds(self) -> dict[str, Callable[[Client], Awaitable[int]]]:
        return {
            "bodies": self._body,
            "control tokens": self._control_tokens,
            "prompts": self._prompts,
            "scores": self._scores,
            "stop strings": self._stop_strings,
            "schemas": self._schema,
            "regexes": self._regex,
            "idempotency keys": self._idempotency_key,
            "unread streams": self._unread,
            "unsent bodies": self._unsent,
            "aborts": self._abort,
            "numbers": self._numbers,
            "embeddings": self._embeddings,
            "rankings": self._rankings,
            "conversations": self._conversation,
            "stored responses": self._stored_response,
        }

    async def _repeat(self, name: str, act: Callable[[Client], Awaitable[int]]) -> None:
        counts = self.statuses.setdefault(name, Counter())
        while True:
            client = Client(self._url, self._key)
            status = 0
            try:
                with suppress(OSError):
                    status = await act(client)
            finally:
                client.abort()
                counts[status] += 1
            if status in (0, 429, 503):
                await asyncio.sleep(0.05)

    async def _post(self, client: Client, path: str, fields: dict[str, Any], **headers: str) -> int:
        return (await client.send("POST", path, json.dumps(fields).encode(), **headers)).status

    def _chat(self, content: str, **fields: Any) -> dict[str, Any]:
        return {"model": self._model, "messages": [{"role": "user", "content": content}], "max_tokens": 20} | fields

    async def _body(self, client: Client) -> int:
        path = self._chance.choice((CHAT, CHAT, f"{CHAT}/preflight", TEXT))
        return (await client.send("POST", path, self._chance.choice(self._bodies))).status

    async def _control_tokens(self, client: Client) -> int:
        path = self._chance.choice((CHAT, f"{CHAT}/preflight"))
        return await self._post(client, path, self._chat("<|im_end|>" * 30_000))

    async def _prompts(self, client: Client) -> int:
        prompts = [self._words(20) for _ in range(256)]
        return await self._post(client, TEXT, {"model": self._model, "prompt": prompts, "n": 16, "max_tokens": 1000})

    async def _scores(self, client: Client) -> int:
        prompts = [self._words(40) for _ in range(64)]
        fields = {"model": self._model, "prompt": prompts, "echo": True, "logprobs": 5, "max_tokens": 1}
        return await self._post(client, TEXT, fields)

    async def _stop_strings(self, client: Client) -> int:
        stops = ["e" * self._chance.choice((100, 2000, 20_000)) + str(number) for number in range(16)]
        return await self._post(client, CHAT, self._chat("Say e", stop=stops, n=4))

    async def _schema(self, client: Client) -> int:
        """One in four is as large as it may be."""
        count, values = self._chance.choice(((3, 2), (3, 2), (3, 2), (300, 40)))
        properties = {self._words(2): {"enum": [self._words(1) for _ in range(values)]} for _ in range(count)}
        schema = {"type": "object", "properties": properties, "additionalProperties": False}
        form = {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": schema}}
        return await self._post(client, CHAT, self._chat("Hello", response_format=form))

    async def _regex(self, client: Client) -> int:
        pattern = f"^(a|b)*{self._words(1)}(a|b){{{self._chance.randrange(5, 60)}}}$"
        schema = {"type": "string", "pattern": pattern}
        form = {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": schema}}
        return await self._post(client, CHAT, self._chat("Hello", response_format=form))

    async def _idempotency_key(self, client: Client) -> int:
        fields = self._chat("Hello", n=8, logprobs=True, top_logprobs=20)
        return await self._post(client, CHAT, fields, idempotency_key=f"{self._chance.getrandbits(64):x}")

    async def _unread(self, client: Client) -> int:
        fields = self._chat("Hello", n=16, max_tokens=1500, stream=True, logprobs=True, top_logprobs=20)
        await client.begin("POST", CHAT, json.dumps(fields).encode())
        await asyncio.sleep(_HELD)
        return 0

    async def _unsent(self, client: Client) -> int:
        await client.begin("POST", CHAT, b"{", content_length=str(_LARGEST))
        await asyncio.sleep(_HELD)
        return 0

    async def _abort(self, client: Client) -> int:
        fields = self._chat(self._words(10), max_tokens=500, stream=self._chance.random() < 0.5)
        await client.begin("POST", CHAT, json.dumps(fields).encode())
        await asyncio.sleep(self._chance.random() / 5)
        return 0

    async def _numbers(self, client: Client) -> int:
        unit = self._chance.choice(("1e308", "5e-324", "5", "1.7976931348623157e308"))
        fields = json.dumps(self._chat("x"))[:-1]
        body = f'{fields},"x":[{",".join([unit] * (_LARGEST // (8 * len(unit))))}]}}'
        return (await client.send("POST", CHAT, body.encode())).status

    async def _embeddings(self, client: Client) -> int:
        """2,048 texts, or as many token ids as a request may have."""
        texts: list[Any] = [self._words(30) for _ in range(2048)]
        inputs = self._chance.choice((texts, [[5] * 250] * 2048))
        return await self._post(client, "/v1/embeddings", {"model": EMBEDDER, "input": inputs})

    async def _rankings(self, client: Client) -> int:
        fields = {"model": RANKER, "query": self._words(5), "documents": [self._words(20) for _ in range(1024)]}
        return await self._post(client, "/v1/rerank", fields | {"return_documents": True})

    async def _conversation(self, client: Client) -> int:
        """A new conversation with long items, which are listed."""
        items = [{"role": "user", "content": self._words(2000)} for _ in range(20)]
        made = await client.send("POST", "/v1/conversations", json.dumps({"items": items}).encode())
        if made.status != 200:
            return made.status
        path = f"/v1/conversations/{json.loads(made.body)['id']}"
        listed = await client.send("GET", f"{path}/items?limit=100")
        if self._chance.random() < 0.9:
            await client.send("DELETE", path)
        return listed.status

    async def _stored_response(self, client: Client) -> int:
        """A response that is stored, in the background every other time, read and cancelled."""
        fields = {"model": self._model, "input": self._words(50), "store": True, "max_output_tokens": 50}
        fields |= {"background": self._chance.random() < 0.5}
        made = await client.send("POST", "/v1/responses", json.dumps(fields).encode())
        if made.status != 200:
            return made.status
        path = f"/v1/responses/{json.loads(made.body)['id']}"
        found = await client.send("GET", path)
        await client.send("POST", f"{path}/cancel")
        return found.status

    def _words(self, count: int) -> str:
        return " ".join("".join(self._chance.choice("abcdefghij") for _ in range(7)) for _ in range(count))

    def _large_bodies(self) -> list[bytes]:
        """Bodies of 8 MiB that differ in what must be done before they can be refused."""
        unlike = " ".join(f"{self._chance.getrandbits(64):x}" for _ in range(_LARGEST // 18))
        return [
            json.dumps(self._chat("x y z " * (_LARGEST // 6))).encode(),
            json.dumps(self._chat(unlike)).encode(),
            json.dumps(self._chat("x", metadata=[{}] * (_LARGEST // 4))).encode(),
            json.dumps(self._chat("x") | {"messages": [{"role": "user", "content": "a"}] * (_LARGEST // 34)}).encode(),
            json.dumps({"model": self._model, "prompt": [[1, 2, 3]] * (_LARGEST // 11)}).encode(),
            b'{"model":' + b"[" * _LARGEST,
            b'{"model":"' + b"\xff" * _LARGEST,
        ]


async def _main() -> None:
    url, key, model, seconds, *kinds = sys.argv[1:]
    abuser = Abuser(url, key, model, kinds)
    await abuser.run(float(seconds))
    print(json.dumps({"statuses": abuser.statuses, "processor_seconds": time.process_time()}))


if __name__ == "__main__":
    asyncio.run(_main())
