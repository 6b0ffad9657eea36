"""What one client does to its own requests changes nothing for its neighbours, and leaves nothing behind."""

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any

import httpx

from tests.support.server import RunningServer

CHAT: dict[str, Any] = {"model": "tiny", "temperature": 0, "logit_bias": {"2": -100}}


def asking(content: str, tokens: int, **more: Any) -> dict[str, Any]:
    return CHAT | {"messages": [{"role": "user", "content": content}], "max_tokens": tokens} | more


async def test_cancelling_neighbours_leaves_the_third_answer_as_it_is(server: RunningServer) -> None:
    async with server.async_client() as client:

        async def third() -> str:
            response = await client.post("/v1/chat/completions", json=asking("third", 200, seed=1))
            text: str = response.json()["choices"][0]["message"]["content"]
            return text

        alone = await third()
        for stream in (False, True):
            others = [
                asyncio.create_task(client.post("/v1/chat/completions", json=asking(f"{n}", 1900, stream=stream)))
                for n in range(100)  # more than run at a time, so that some are cancelled in the queue
            ]
            wanted = asyncio.create_task(third())
            await asyncio.sleep(0.1)
            for other in others:
                other.cancel()
            assert await wanted == alone
            await asyncio.gather(*others, return_exceptions=True)
        await until_idle(client)


async def test_cut_streams_leave_no_sequence_and_no_socket_open(server: RunningServer) -> None:
    async with server.async_client() as client:
        await until_idle(client)
        before = sockets(server)
        for cut in range(40):
            fields = asking("cut", 1900, stream=True, n=1 + cut % 3)
            async with client.stream("POST", "/v1/chat/completions", json=fields) as response:
                read = 0
                async for piece in response.aiter_raw():
                    read += len(piece)
                    if read > cut * 97:
                        break
        await until_idle(client)
    deadline = time.monotonic() + 10
    while sockets(server) > before:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def test_a_client_that_reads_nothing_holds_up_nobody(server: RunningServer) -> None:
    async with server.async_client() as client, server.async_client() as slow:
        fields = asking("slow", 1900, stream=True, n=8, logprobs=True, top_logprobs=20)
        async with slow.stream("POST", "/v1/chat/completions", json=fields) as response:
            assert response.status_code == 200
            for _ in range(3):
                answer = await client.post("/v1/chat/completions", json=asking("quick", 5))
                assert answer.status_code == 200
        await until_idle(client)


async def until_idle(client: httpx.AsyncClient) -> None:
    """Well before what was asked for would have been generated."""
    deadline = time.monotonic() + 10
    while True:
        status = json.loads((await client.get("/admin/status")).content)
        if not status["running"] and not status["waiting"]:
            return
        assert time.monotonic() < deadline, status
        await asyncio.sleep(0.02)


def sockets(server: RunningServer) -> int:
    """How many sockets the server's process has open."""
    links = [os.readlink(path) for path in Path(f"/proc/{server.process.pid}/fd").iterdir() if path.is_symlink()]
    return sum(link.startswith("socket:") for link in links)
