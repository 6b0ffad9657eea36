"""Bodies within bounds of memory, owned by keys and projects: held while their requests live, and not longer."""

import asyncio
import json
import os
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from forefront.cli.settings.config import Config, ServerSettings
from forefront.server.http.body import MAX_BODY
from forefront.server.http.body_memory import BodyMemory, RequestMemory
from forefront.server.http.error_response import error_headers
from forefront.wire.errors import ERRORS, RequestError
from tests.server.routes.admin.test_admin_routes import make_key
from tests.support.backends.instant import KEY, MODEL, Nursery
from tests.support.server import RunningServer, run_server
from torture.client import Client

CHAT = "/v1/chat/completions"
JSON = {"content-type": "application/json"}
BODY = b'{"model": "tiny", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}'


def held_by(intake: BodyMemory, key: str, size: int, project: str = "p") -> RequestMemory:
    """A share that holds so much."""
    share = begun(intake, key, project)
    share.hold(size)
    return share


def begun(intake: BodyMemory, key: str, project: str = "p", *, reserved: bool = False) -> RequestMemory:
    """The share of a request whose body has been read."""
    share = RequestMemory(intake)
    share.begin(project, key, reserved=reserved)
    share.end()
    return share


def test_a_share_is_taken_resized_and_released() -> None:
    intake = BodyMemory(memory=300)
    with held_by(intake, "one", 80) as one:
        assert intake.memory.free == 220
        one.hold(10)
        one.grow(20)
        assert intake.memory.free == 270
    assert intake.memory.free == 300


def test_an_owner_at_its_share_is_refused_and_others_are_not() -> None:
    intake = BodyMemory(memory=300)
    with held_by(intake, "one", 100), begun(intake, "one") as more:
        with pytest.raises(RequestError) as caught:
            more.hold(10)
        assert (ERRORS[caught.value.code].status, caught.value.code) == (429, "rate_limit_exceeded")
        assert (error_headers(caught.value)["x-should-retry"], error_headers(caught.value)["retry-after"]) == (
            "true",
            "1",
        )
        with held_by(intake, "two", 30), held_by(intake, "three", 40, "q"):
            assert intake.memory.free == 130


def test_an_announced_body_reserves_no_memory() -> None:
    intake = BodyMemory(memory=300)
    for share in [begun(intake, "one") for _ in range(50)]:
        share.check(90)
    assert intake.memory.free == 300


def test_a_full_server_answers_503_and_reserves_room_for_administrators() -> None:
    intake = BodyMemory(memory=300)
    with ExitStack() as stack:
        for number in range(40):
            for size in (64, 16, 4, 1):
                with suppress(RequestError):
                    stack.enter_context(held_by(intake, f"{number}", size, f"{number}"))
        with begun(intake, "late", "late") as late, pytest.raises(RequestError) as caught:
            late.hold(20)
        assert (ERRORS[caught.value.code].status, caught.value.code) == (503, "overloaded")
        with begun(intake, "late", "late", reserved=True) as admin:
            admin.hold(intake.memory.free)
    assert intake.memory.free == 300


def test_a_body_that_never_fits_is_not_retryable() -> None:
    intake = BodyMemory(memory=300)
    with begun(intake, "one") as share, pytest.raises(RequestError) as caught:
        share.hold(101)
    assert (ERRORS[caught.value.code].status, error_headers(caught.value)["x-should-retry"]) == (429, "false")
    assert "retry-after" not in error_headers(caught.value)


def test_a_key_has_a_bounded_number_of_concurrent_body_reads() -> None:
    intake = BodyMemory(bodies=30)
    reading = [RequestMemory(intake) for _ in range(10)]
    for share in reading:
        share.begin("p", "one", reserved=False)
    with pytest.raises(RequestError) as caught:
        RequestMemory(intake).begin("p", "one", reserved=False)
    assert ERRORS[caught.value.code].status == 429
    other = RequestMemory(intake)
    other.begin("q", "two", reserved=False)
    other.end()
    reading[0].end()
    RequestMemory(intake).begin("p", "one", reserved=False)


class Slow:
    """A request whose body is sent bit by bit."""

    def __init__(self, server: RunningServer, key: str, length: int, path: str = CHAT, headers: str = "") -> None:
        self._address = server.url.removeprefix("http://").split(":")
        self._head = f"POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n{headers}"
        self._head += f"content-type: application/json\r\ncontent-length: {length}\r\n\r\n"

    async def begin(self) -> "Slow":
        host, port = self._address
        self.reader, self.writer = await asyncio.open_connection(host, int(port))
        self.writer.write(self._head.encode())
        return self

    async def status(self) -> int:
        """The status of the answer, whose headers are then in `headers`."""
        self.headers = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()
        return int(self.headers.split()[1])


async def test_announced_bodies_take_no_memory(server: RunningServer) -> None:
    """Sixty of 8 MiB are twice what the server has room for."""
    _, greedy = make_key(server, project="announcing")
    _, modest = make_key(server, project="waiting")
    key = greedy.headers["authorization"].removeprefix("Bearer ")
    slow = [await Slow(server, key, MAX_BODY).begin() for _ in range(60)]
    for one in slow:
        one.writer.write(b'{"model')
    await asyncio.sleep(0.5)
    try:
        with greedy, modest, server.client() as admin:
            for client in (modest, admin, greedy):
                assert client.post(CHAT, content=BODY, headers=JSON).status_code == 200
            assert modest.post(f"{CHAT}/preflight", content=BODY, headers=JSON).status_code == 200
            assert admin.post("/admin/keys", json={"name": "meanwhile"}).status_code == 201
            assert admin.get("/health").status_code == 200
    finally:
        for one in slow:
            one.writer.close()


@pytest.mark.slow
async def test_received_bytes_count_for_their_key(tiny_gguf: Path, tmp_path: Path) -> None:
    """24 MiB: 8 for one key, then it is refused, and its neighbours are not."""
    variables = {"FOREFRONT_SERVER_BODY_MEMORY_MIB": "24"}
    with run_server([f"tiny={tiny_gguf}"], tmp_path / "home", environment=variables) as server:
        _, greedy = make_key(server, project="greedy")
        _, modest = make_key(server, project="modest")
        key = greedy.headers["authorization"].removeprefix("Bearer ")
        slow = [await Slow(server, key, 4 * 2**20).begin() for _ in range(4)]
        for one in slow:
            one.writer.write(b" " * (3 * 2**20))
        refused = await answered(slow, 2)
        assert [one.headers.splitlines()[0].split()[1] for one in refused] == ["429", "429"]
        assert all("retry-after: 1" in one.headers for one in refused)
        with greedy, modest, server.client() as admin:
            text = json.dumps({"model": "tiny", "messages": [{"role": "user", "content": "x " * 2**19}]})
            error = modest.post(CHAT, content=text, headers=JSON).json()["error"]
            assert error["code"] == "context_length_exceeded"  # a body of a MiB was read
            assert greedy.post(CHAT, content=text + " " * 2**21, headers=JSON).status_code == 429
            assert admin.post("/admin/keys", json={"name": "meanwhile"}).status_code == 201
            for one in slow:
                one.writer.close()
            deadline = time.monotonic() + 60
            while (again := greedy.post(CHAT, content=BODY, headers=JSON)).status_code == 429:
                assert time.monotonic() < deadline
            assert again.status_code == 200


async def answered(slow: list[Slow], count: int) -> list[Slow]:
    """Those that have an answer: `count`, and no more within half a second."""
    tasks = {asyncio.ensure_future(one.status()): one for one in slow}
    async with asyncio.timeout(60):
        while sum(task.done() for task in tasks) < count:
            await asyncio.wait([task for task in tasks if not task.done()], return_when=asyncio.FIRST_COMPLETED)
    done, pending = await asyncio.wait(tasks, timeout=0.5)
    assert len(done) == count
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    return [tasks[task] for task in done]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["memory", "redis"])
async def test_a_body_being_read_counts_as_a_concurrent_request(
    kind: str, request: pytest.FixtureRequest, tiny_gguf: Path, tmp_path: Path
) -> None:
    variables = {}
    if kind == "redis":
        variables["FOREFRONT_REDIS_URL"] = request.getfixturevalue("redis_server").url
    with run_server([f"tiny={tiny_gguf}"], tmp_path / "home", environment=variables) as server:
        _, narrow = make_key(server, project="narrow", limits={"concurrency": 2})
        _, other = make_key(server, project="narrow")
        key = narrow.headers["authorization"].removeprefix("Bearer ")
        slow = [await Slow(server, key, len(BODY), headers="expect: 100-continue\r\n").begin() for _ in range(2)]
        for one in slow:
            assert await one.status() == 100  # its body is being read
        with narrow, other:
            refused = narrow.post(CHAT, content=BODY, headers=JSON)
            assert (refused.status_code, refused.json()["error"]["code"]) == (429, "rate_limit_exceeded")
            assert other.post(CHAT, content=BODY, headers=JSON).status_code == 200
            slow[0].writer.close()
            deadline = time.monotonic() + 60
            while (again := narrow.post(CHAT, content=BODY, headers=JSON)).status_code == 429:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.01)
            assert again.status_code == 200
            slow[1].writer.write(BODY)
            assert await slow[1].status() == 200
            slow[1].writer.close()


async def test_no_body_is_read_without_a_key(server: RunningServer) -> None:
    """It is answered before the body has come, what comes then is thrown away, and the connection goes on."""
    stranger = await Slow(server, "nobody-0123456789-abcdefghij", 4 * 2**20).begin()
    async with asyncio.timeout(60):
        assert await stranger.status() == 401
    await stranger.reader.readuntil(b"}}")
    for _ in range(64):
        stranger.writer.write(b" " * 2**16)
        await stranger.writer.drain()
    stranger.writer.write(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
    async with asyncio.timeout(60):
        assert await stranger.status() == 200
    stranger.writer.close()


@pytest.mark.parametrize("part", [b"{},", b"[[[[]]]],", b'{"a":0},'])
def test_a_body_of_too_many_values_is_refused_before_it_is_parsed(server: RunningServer, part: bytes) -> None:
    values = part * ((MAX_BODY - 1000) // len(part))
    content = b'{"model":"tiny","messages":[],"tools":[' + values + b"0]}"
    with server.client() as client:
        before = resident(server)
        for path in (CHAT, f"{CHAT}/preflight", "/v1/completions", "/admin/keys"):
            response = client.post(path, content=content, headers=JSON)
            assert (response.status_code, response.json()["error"]["code"]) == (413, "body_too_large")
        assert resident(server) < before + 100
        assert client.post(CHAT, content=BODY, headers=JSON).status_code == 200


def resident(server: RunningServer) -> float:
    """The memory of the server's process, in MiB."""
    pages = int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@pytest.mark.slow
@pytest.mark.parametrize("endings", ["leave", "stay"])
async def test_runs_that_outlive_their_connections_hold_their_bodies(tmp_path: Path, endings: str) -> None:
    """Deserted runs count: three of 2 MiB each are what one key of 24 MiB may hold."""
    settings = Config(server=ServerSettings(body_memory_mib=24))
    with Nursery().serve(f"sqlite:///{tmp_path / 'f.db'}", tmp_path / "log", settings=settings, pause=0.5) as server:
        content = "x" * (2 * 2**20 - 1000)
        fields = {"model": MODEL, "messages": [{"role": "user", "content": content}], "max_tokens": 30}
        clients = [Client(server.url, KEY) for _ in range(4)]
        for number, client in enumerate(clients):
            await client.begin("POST", CHAT, json.dumps(fields).encode(), idempotency_key=f"{endings}{number}")
        admin = Client(server.url, KEY)
        async with asyncio.timeout(60):
            while (await admin.get("/admin/status"))["running"] < 3:
                await asyncio.sleep(0.05)
        if endings == "leave":
            for client in clients:
                client.abort()
            await asyncio.sleep(0.5)
        late = await Client(server.url, KEY).chat(**fields)
        assert (late.status, late.code) == (429, "rate_limit_exceeded")


@pytest.mark.parametrize("header", ["", "idempotency-key: slow\r\n"])
async def test_a_key_revoked_during_body_upload_is_refused(server: RunningServer, header: str) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    with server.client() as admin:
        made = admin.post("/admin/keys", json={"name": "short"}).json()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {made['key']}\r\n{header}"
        head += f"content-type: application/json\r\ncontent-length: {len(BODY)}\r\n\r\n"
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(head.encode() + BODY[:10])
        await asyncio.sleep(0.5)
        assert admin.delete(f"/admin/keys/{made['id']}").status_code == 200
    await asyncio.sleep(1)
    writer.write(BODY[10:])
    first_response = await reader.readuntil(b"\r\n\r\n")
    assert first_response.split()[1] == b"401"
    assert b"\r\nwww-authenticate: Bearer\r\n" in first_response
    writer.close()
