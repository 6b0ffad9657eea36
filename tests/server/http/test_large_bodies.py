"""What is done with a large body is done by the worker pool, beside the event loop."""

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
from forefront.server.http.body_memory import Intake, Share
from forefront.server.idempotency import idempotency_key as idempotency_module
from forefront.server.idempotency.idempotency_key import Idempotent
from forefront.server.idempotency.shared_runs import SharedRuns
from forefront.server.routes import admin as admin_module
from forefront.server.routes.admin import Admin
from forefront.wire.errors import ApiError

BODY = b'"' + b"x" * 2**20 + b'"'


@pytest.fixture
def workers() -> Iterator[WorkerPool]:
    pool = WorkerPool(2, "worker")
    yield pool
    pool.close()


def scope_of(path: str, *headers: tuple[bytes, bytes]) -> Scope:
    tenant = Tenant("p", 1)
    principal = SimpleNamespace(
        project=SimpleNamespace(name="p"), key=SimpleNamespace(id="k"), tenant=tenant, key_tenant=tenant
    )
    scope = {"type": "http", "method": "POST", "path": path, "headers": list(headers)}
    return {**scope, "principal": principal, "intake": Share(Intake())}


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
    await Idempotent(application, runs, workers)(scope_of("/x", (b"idempotency-key", b"a")), client(), send)
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
        raise ApiError("invalid_json", "x")

    monkeypatch.setattr(admin_module, parse, refuse)
    nothing: Any = None
    routes = Admin(nothing, nothing, nothing, nothing, workers).routes()
    route = next(route for route in routes if route.path == path and {"POST", "PUT"} & (route.methods or set()))
    request = Request({**scope_of(path), "path_params": {"name": "x"}}, client())
    endpoint: Any = route.endpoint
    with pytest.raises(ApiError):
        await endpoint(request)
    assert [name.partition("_")[0] for name in threads] == ["worker"]
