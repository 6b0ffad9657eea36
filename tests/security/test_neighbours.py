"""The requests of one client do not affect those of others, and release all resources."""

import asyncio
import json
import os
import socket
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.security.raw import request
from tests.support.server import RunningServer, run_server

CHAT: dict[str, Any] = {"model": "tiny", "temperature": 0, "logit_bias": {"2": -100}}


def asking(content: str, tokens: int, **more: Any) -> dict[str, Any]:
    return CHAT | {"messages": [{"role": "user", "content": content}], "max_tokens": tokens} | more


@pytest.mark.slow
async def test_cancelling_other_requests_changes_no_answer(server: RunningServer) -> None:
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


async def test_broken_streams_leave_no_sequence_and_no_socket(server: RunningServer) -> None:
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
    deadline = time.monotonic() + 60
    while sockets(server) > before:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def test_a_client_that_does_not_read_delays_no_other_client(server: RunningServer) -> None:
    async with server.async_client() as client, server.async_client() as slow:
        fields = asking("slow", 1900, stream=True, n=8, logprobs=True, top_logprobs=20)
        async with slow.stream("POST", "/v1/chat/completions", json=fields) as response:
            assert response.status_code == 200
            for _ in range(3):
                answer = await client.post("/v1/chat/completions", json=asking("quick", 5))
                assert answer.status_code == 200
        await until_idle(client)


@pytest.mark.slow
def test_clients_that_never_read_lose_their_slots(tiny_gguf: Path, tmp_path: Path) -> None:
    """Two hold both turns with answers of megabytes; the third gets one although they stay connected."""
    variables = {"FOREFRONT_QUEUE_RUNNING": "2", "FOREFRONT_SERVER_SEND_SECONDS": "1"}
    fields = asking("never read", 1500, stream=True, n=8, logprobs=True, top_logprobs=20)
    content = json.dumps(fields).encode()
    with (
        run_server([f"tiny={tiny_gguf}"], tmp_path / "home", environment=variables) as server,
        server.client() as client,
        ExitStack() as held,
    ):
        headers = (f"Authorization: Bearer {server.key}", "Host: x", f"Content-Length: {len(content)}")
        for _ in range(2):
            opened = held.enter_context(socket.socket())
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            opened.connect(("127.0.0.1", int(server.url.rpartition(":")[2])))
            opened.sendall(request("POST", "/v1/chat/completions", *headers, body=content))
        while client.get("/admin/status").json()["running"] < 2:
            time.sleep(0.01)
        assert client.post("/v1/chat/completions", json=asking("third", 2)).status_code == 200
        # Their turns may be over before; their rows are written once the server has given them up.
        while (report := client.get("/admin/usage").json()["data"][0])["requests"] < 3:
            time.sleep(0.01)
        sampled = client.get("/admin/status").json()["models"]["tiny"]["tokens_sampled"]
    assert (report["requests"], report["output_tokens"]) == (3, sampled)


async def until_idle(client: httpx.AsyncClient) -> None:
    """Well before the requested tokens would have been generated."""
    deadline = time.monotonic() + 60
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


@pytest.mark.slow
@pytest.mark.parametrize("limits", [{"requests_per_minute": 1}, {}])
async def test_preflights_of_control_tokens_delay_no_other_project(
    tiny_gguf: Path, tmp_path: Path, limits: dict[str, int]
) -> None:
    """Fourteen at once, for as long as it takes; their key may make one a minute, or as many as it likes."""
    preflight = json.dumps(asking("<|im_end|>" * 30_000, 1)).encode()
    async with alongside(tiny_gguf, tmp_path, limits) as (hostile, neighbour):
        alone = await slowest_answer(neighbour)

        async def attack() -> set[int]:
            headers = {"content-type": "application/json"}
            path = "/v1/chat/completions/preflight"
            return {(await hostile.post(path, content=preflight, headers=headers)).status_code for _ in range(3)}

        attacks = [asyncio.create_task(attack()) for _ in range(14)]
        assert await slowest_answer(neighbour) < 1 + 5 * alone
        answers = set().union(*await asyncio.gather(*attacks))
        assert answers == ({400, 429} if limits else {400})


@pytest.mark.slow
async def test_grammars_of_one_project_delay_no_other(tiny_gguf: Path, tmp_path: Path) -> None:
    """Each takes the three seconds that it may take, and its child process; another project's does not wait."""
    async with alongside(tiny_gguf, tmp_path, {}) as (hostile, neighbour):

        async def compile_one(number: int) -> int:
            heavy = {"schema": {"type": "integer", "multipleOf": 123_456_789 + number}}
            form = {"type": "json_schema", "json_schema": heavy}
            return (await hostile.post("/v1/chat/completions", json=asking("x", 1, response_format=form))).status_code

        attacks = [asyncio.create_task(compile_one(number)) for number in range(20)]
        await neighbour.post("/v1/chat/completions", json=asking("x", 3, regex="warm|up"))  # starts a child process
        begin = time.monotonic()
        answer = await neighbour.post("/v1/chat/completions", json=asking("x", 3, regex="yes|no"))
        took = time.monotonic() - begin
        for attack in attacks:
            attack.cancel()
        await asyncio.gather(*attacks, return_exceptions=True)
        assert answer.json()["choices"][0]["message"]["content"] in ("yes", "no")
        assert took < 10  # all attacks before it would take half a minute


@asynccontextmanager
async def alongside(
    gguf: Path, folder: Path, limits: dict[str, int]
) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    """Clients of two projects on a separate server; the first one's key has `limits`."""
    with run_server([f"tiny={gguf}"], folder / "home") as server:
        async with server.async_client() as admin:
            keys = []
            for name, own in (("hostile", limits), ("neighbour", {})):
                await admin.put(f"/admin/projects/{name}", json={})
                made = await admin.post("/admin/keys", json={"name": name, "project": name, "limits": own})
                keys.append(made.json()["key"])
        async with server.as_key(keys[0]) as hostile, server.as_key(keys[1]) as neighbour:
            yield hostile, neighbour


async def slowest_answer(client: httpx.AsyncClient) -> float:
    """Of ten short ones, one after the other: seconds."""
    slowest = 0.0
    for number in range(10):
        begin = time.monotonic()
        answer = await client.post("/v1/chat/completions", json=asking(f"{number}", 2))
        assert answer.status_code == 200
        slowest = max(slowest, time.monotonic() - begin)
    return slowest
