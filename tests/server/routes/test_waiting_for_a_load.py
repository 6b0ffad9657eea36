"""Requests whose model is being loaded: their responses, and the resources that they hold."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from forefront.catalog.catalog import Catalog, ServedModel
from forefront.fairness.worker_pool import WorkerPool
from forefront.gateway.gateway import Gateway
from forefront.server.routes.completions import CHAT, CompletionsEndpoint, CompletionService
from forefront.wire.errors import RequestError
from tests.catalog.loading.test_load_queue import Loader, Memory, until
from tests.server.http.test_abandoned_work import BODY, Connection, open_gateway
from tests.support.backends.instant import MODEL


class Waiting:
    """An endpoint with one model, whose load waits for `loader.gate`."""

    def __init__(self, gateway: Gateway, principal: Any, workers: WorkerPool) -> None:
        self.loader = Loader(Memory(), 1)
        self.loader.gate.clear()
        self.model = ServedModel(MODEL, self.loader)
        self.catalog = Catalog([self.model])
        self.gateway = gateway
        self._principal = principal
        self._endpoint = CompletionsEndpoint(CHAT, CompletionService(self.catalog, gateway, workers, 0.02))

    def request(self, **fields: Any) -> tuple[Connection, asyncio.Task[None]]:
        client = Connection(self._principal, json.dumps(BODY | fields).encode())
        return client, asyncio.ensure_future(self._endpoint(client.scope, client.receive, client.send))


@asynccontextmanager
async def waiting(folder: Path) -> AsyncIterator[Waiting]:
    workers = WorkerPool(1, "test")
    async with open_gateway(folder) as (gateway, principal), asyncio.timeout(20):
        made = Waiting(gateway, principal, workers)
        made.catalog.start()
        yield made
        made.loader.gate.set()
        await made.catalog.close()
    workers.close()


def body_of(client: Connection) -> str:
    return b"".join(message.get("body", b"") for message in client.sent).decode()


async def test_a_stream_shows_the_progress(tmp_path: Path) -> None:
    async with waiting(tmp_path) as served:
        client, running = served.request(stream=True)
        await until(lambda: body_of(client).count("%") >= 2)
        assert re.search(rf"^: loading {MODEL} \d+ %\n:", body_of(client), re.MULTILINE)
        served.loader.gate.set()
        await running
        assert body_of(client).endswith("data: [DONE]\n\n")
        # Some clients take each blank line for the end of an event.
        assert all("\ndata: " in event for event in body_of(client).removesuffix("\n\n").split("\n\n"))
        assert served.model.running == 0


async def test_a_disconnect_releases_the_queue_place(tmp_path: Path) -> None:
    async with waiting(tmp_path) as served:
        client, running = served.request()
        await until(lambda: len(served.model.waiting) == 1)
        assert served.gateway.queue._reserved_total == 1
        client.left.set()
        await running
        assert (served.gateway.queue._reserved_total, len(served.model.waiting)) == (0, 0)
        served.loader.gate.set()
        await until(lambda: served.model.state == "loaded")


async def test_waiters_are_bounded_by_the_queue(tmp_path: Path) -> None:
    async with waiting(tmp_path) as served:
        waiting_ones = [served.request() for _ in range(7)]
        await until(lambda: len(served.model.waiting) == 7)
        with pytest.raises(RequestError) as refused:
            await served.request()[1]
        assert refused.value.code == "overloaded"
        served.loader.gate.set()
        await asyncio.gather(*(running for _, running in waiting_ones))
        assert all('"finish_reason":"length"' in body_of(client) for client, _ in waiting_ones)
        assert (served.loader.loads, served.gateway.queue._reserved_total) == (1, 0)


async def test_a_deadline_ends_the_wait(tmp_path: Path) -> None:
    async with waiting(tmp_path) as served:
        with pytest.raises(RequestError) as ended:
            await served.request(deadline_ms=50)[1]
        assert ended.value.code == "deadline_exceeded"
        assert not served.model.waiting
