"""Work without a waiting client ends, before the answer begins too."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Message, Scope

from forefront.catalog.catalog import Build, Catalog, LoadedModel, ServedModel
from forefront.chat.backend import PromptPreview
from forefront.fairness.tenant import Tenant
from forefront.fairness.worker_pool import WorkerPool
from forefront.gateway.admission_queue import AdmissionQueue
from forefront.gateway.gateway import Gateway
from forefront.gateway.keys.key_cache import KeyCache
from forefront.gateway.keys.key_store import KeyStore
from forefront.gateway.ledger.ledger import Ledger
from forefront.gateway.ledger.pricing import PriceList
from forefront.gateway.store.database import open_database
from forefront.server.routes.completions import CHAT, CompletionsEndpoint, CompletionService
from forefront.server.routes.preflight import CHAT_PREFLIGHT, PreflightEndpoint
from forefront.wire.completions.request import ChatRequest
from tests.server.request_scope import authenticate_as
from tests.support.backends.instant import KEY, MODEL, InstantBackend

BODY = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 2}


class Endless(InstantBackend):
    """A backend whose previews never end by themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.ended = asyncio.Event(), asyncio.Event()

    async def preview(self, request: ChatRequest, tenant: Tenant) -> PromptPreview:
        """See `Backend.preview`."""
        self.begun.set()
        try:
            return await asyncio.Event().wait()  # type: ignore[return-value]
        finally:
            self.ended.set()


class Connection:
    """A client that sends a request and disconnects on `leave`."""

    def __init__(self, principal: Any, body: bytes) -> None:
        self.scope: Scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
        authenticate_as(self.scope, principal)
        self.left = asyncio.Event()
        self.sent: list[Message] = []
        self._body = [body]

    async def receive(self) -> Message:
        """The body, then the end of the connection."""
        if self._body:
            return {"type": "http.request", "body": self._body.pop(), "more_body": False}
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Keep it."""
        self.sent.append(message)


@asynccontextmanager
async def open_gateway(folder: Path) -> AsyncIterator[tuple[Gateway, Any]]:
    """A gateway on a new store, and the holder of its first key."""
    database = open_database(f"sqlite:///{folder / 'store.db'}")
    KeyStore(database).ensure_admin_key(KEY)
    writer = Ledger(database)
    writer.start()
    yield Gateway(writer, PriceList({}), AdmissionQueue(4, 4)), await KeyCache(database).find(KEY)
    await writer.close()
    database.close()


def catalog_of(backend: InstantBackend) -> Catalog:
    return Catalog([ServedModel.permanent(MODEL, LoadedModel(backend, 0, "fp", Build("none", "none", "instant")))])


async def test_a_preflight_releases_its_place(tmp_path: Path) -> None:
    backend, workers = Endless(), WorkerPool(1, "test")
    async with open_gateway(tmp_path) as (gateway, principal), asyncio.timeout(60):
        client = Connection(principal, json.dumps(BODY).encode())
        app = PreflightEndpoint(CHAT_PREFLIGHT, catalog_of(backend), gateway, workers)
        running = asyncio.ensure_future(app(client.scope, client.receive, client.send))
        await backend.begun.wait()
        assert gateway.queue._reserved_total == 1
        client.left.set()
        await running
        assert backend.ended.is_set()
        assert gateway.queue._reserved_total == 0
        assert not client.sent
    workers.close()


@pytest.mark.parametrize("endpoint", ["completions", "preflight"])
async def test_a_large_body_is_not_parsed_after_a_disconnect(tmp_path: Path, endpoint: str) -> None:
    workers, gate = WorkerPool(1, "test"), threading.Event()
    async with open_gateway(tmp_path) as (gateway, principal), asyncio.timeout(60):
        occupied = asyncio.ensure_future(workers.run(Tenant("other"), 1, gate.wait))
        catalog = catalog_of(InstantBackend())
        preflights, completions = (
            PreflightEndpoint(CHAT_PREFLIGHT, catalog, gateway, workers),
            CompletionsEndpoint(CHAT, CompletionService(catalog, gateway, workers)),
        )
        app = preflights if endpoint == "preflight" else completions
        client = Connection(principal, json.dumps(BODY | {"user": "x" * 2**17}).encode())
        running = asyncio.ensure_future(app(client.scope, client.receive, client.send))
        await asyncio.sleep(0.05)
        client.left.set()
        await running
        gate.set()
        await occupied
        assert not client.sent
        assert workers._slots._queue.waiting == 0
    workers.close()
