"""Large bodies are read in turns of their projects, and the worker pool processes them."""

import asyncio
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from forefront.fairness.tenant import Tenant
from forefront.fairness.worker_pool import WorkerPool
from forefront.server.http.body import parse_body, read_json_body
from forefront.server.http.body_memory import BodyMemory, RequestMemory
from forefront.server.http.request_context import request_context
from forefront.server.idempotency import idempotency_key as idempotency_module
from forefront.server.idempotency.idempotency_key import Idempotency
from forefront.server.idempotency.shared_runs import SharedRuns
from forefront.server.routes.admin import admin_routes as admin_module
from forefront.server.routes.admin.admin_routes import AdminRoutes
from forefront.wire.errors import RequestError
from tests.server.request_scope import authenticate_as

BODY = b'"' + b"x" * 2**20 + b'"'


@pytest.fixture
def workers() -> Iterator[WorkerPool]:
    pool = WorkerPool(2, "worker")
    yield pool
    pool.close()


def scope_of(path: str, *headers: tuple[bytes, bytes], project: str = "p", intake: BodyMemory | None = None) -> Scope:
    tenant = Tenant(project, 1)
    principal = SimpleNamespace(
        project=SimpleNamespace(name=project), key=SimpleNamespace(id=project), tenant=tenant, key_tenant=tenant
    )
    scope: Scope = {"type": "http", "method": "POST", "path": path, "headers": list(headers)}
    authenticate_as(scope, principal, intake)
    return scope


def client() -> Receive:
    """Sends the body, and stays."""
    left = [BODY]

    async def receive() -> Message:
        if not left:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": left.pop(), "more_body": False}

    return receive


async def test_the_fingerprint_of_a_large_body(workers: WorkerPool, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[str] = []

    class Digest:
        def __init__(self, _: bytes) -> None:
            threads.append(threading.current_thread().name)

        def update(self, content: bytes) -> None:
            assert content == BODY

        def digest(self) -> bytes:
            return b""

    async def application(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    monkeypatch.setattr(idempotency_module, "hashlib", SimpleNamespace(sha256=Digest))
    runs = SharedRuns()
    await Idempotency(application, runs, workers)(scope_of("/x", (b"idempotency-key", b"a")), client(), send)
    await runs.close()
    assert b"".join(message.get("body", b"") for message in sent) == b"done"
    assert [name.partition("_")[0] for name in threads] == ["worker"]


@pytest.mark.parametrize(
    ("parse", "path"), [("parse_new_key", "/admin/keys"), ("parse_project_settings", "/admin/projects/{name}")]
)
async def test_the_body_of_an_administrator(
    workers: WorkerPool, monkeypatch: pytest.MonkeyPatch, parse: str, path: str
) -> None:
    threads: list[str] = []

    def refuse(body: bytes) -> None:
        assert body == BODY
        threads.append(threading.current_thread().name)
        raise RequestError("invalid_json", "x")

    monkeypatch.setattr(admin_module, parse, refuse)
    nothing: Any = None
    routes = AdminRoutes(nothing, nothing, nothing, nothing, workers).routes()
    route = next(route for route in routes if route.path == path and {"POST", "PUT"} & (route.methods or set()))
    request = Request({**scope_of(path), "path_params": {"name": "x"}}, client())
    endpoint: Any = route.endpoint
    with pytest.raises(RequestError):
        await endpoint(request)
    assert [name.partition("_")[0] for name in threads] == ["worker"]


def sender(pieces: int, taken: list[str], project: str) -> Receive:
    """Sends a body in so many pieces. Each that is taken is noted in `taken`."""
    left = ['"', *["x" * 1000] * (pieces - 2), '"']

    async def receive() -> Message:
        taken.append(project)
        return {"type": "http.request", "body": left.pop(0).encode(), "more_body": bool(left)}

    return receive


async def test_projects_take_turns_in_reading_bodies() -> None:
    """Ten bodies of one project delay another's by as many pieces as it has itself."""
    taken: list[str] = []
    intake = BodyMemory()
    greedy = [
        asyncio.create_task(
            read_json_body(scope_of("/x", project="greedy", intake=intake), sender(60, taken, "greedy"))
        )
        for _ in range(10)
    ]
    while len(taken) < 20:
        await asyncio.sleep(0)
    before = len(taken)
    body = await read_json_body(scope_of("/x", project="modest", intake=intake), sender(20, taken, "modest"))
    assert len(body) == 18_002
    assert taken.count("modest") == 20
    assert taken[before:].count("greedy") <= 22
    assert [len(await task) for task in greedy] == [58_002] * 10


async def test_the_memory_of_a_body_is_its_length_until_it_is_parsed(workers: WorkerPool) -> None:
    intake = BodyMemory()
    scope = scope_of("/x", intake=intake)
    share = request_context(scope).memory
    text = b"[" + b"[]," * 20_000 + b"0]"

    async def receive() -> Message:
        return {"type": "http.request", "body": text, "more_body": False}

    with share:
        body = await read_json_body(scope, receive)
        assert intake.memory.capacity - intake.memory.free == len(text)
        held: list[int] = []
        tenant = request_context(scope).principal.tenant
        await parse_body(
            lambda _: held.append(intake.memory.capacity - intake.memory.free), body, share, workers, tenant
        )
        assert held == [len(text) + 20_000 * (192 + 40) + 192]
    assert intake.memory.free == intake.memory.capacity


async def test_too_many_values_are_refused_before_they_are_parsed(workers: WorkerPool) -> None:
    share = RequestMemory(BodyMemory())
    share.begin("p", "k", reserved=False)
    parsed: list[bytes | bytearray] = []
    with pytest.raises(RequestError) as caught:
        await parse_body(parsed.append, b"[" * 2**20, share, workers, Tenant("p", 1))
    assert (caught.value.code, parsed) == ("body_too_large", [])
