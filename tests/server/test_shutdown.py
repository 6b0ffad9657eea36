"""The shutdown of a busy server: in time, with a complete ledger."""

import asyncio
import os
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from forefront.cli.settings.config import Config, ServerSettings
from forefront.gateway.store.database import open_database
from forefront.gateway.store.tables import completions, servers
from forefront.server import store_calls as off_loop
from forefront.wire.errors import RequestError
from tests.support.backends.instant import KEY, MODEL, Instant, Nursery
from tests.support.programs.postgres import new_database

HEADERS = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}


def signalled(server: Instant, number: int = signal.SIGINT) -> None:
    assert server.process.pid is not None
    os.kill(server.process.pid, number)


def takes_requests(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health").status_code == 200
    except httpx.TransportError:
        return False


def test_requests_ended_by_a_second_signal_are_in_the_ledger(tmp_path: Path) -> None:
    store, log = f"sqlite:///{tmp_path / 'f.db'}", tmp_path / "log"
    body = {"model": MODEL, "messages": [{"role": "user", "content": "x"}], "max_tokens": 1000, "stream": True}
    with (
        Nursery().serve(store, log, pause=0.02) as server,
        httpx.Client(timeout=60, headers=HEADERS) as client,
        client.stream("POST", f"{server.url}/v1/chat/completions", json=body) as answer,
    ):
        lines = answer.iter_lines()
        for _ in range(20):
            next(lines)
        signalled(server)
        while takes_requests(server.url):
            time.sleep(0.01)
        signalled(server)
        server.process.join(60)
        assert server.process.exitcode == 0
    database = open_database(store)
    with database.read() as connection:
        [row] = connection.execute(sa.select(completions)).all()
        assert (row.status, row.input_tokens) == ("aborted", 10)
        assert row.output_tokens >= 5
        assert not connection.execute(sa.select(servers)).all()
    database.close()


class Frozen:
    """A way to a server that can stop passing anything on, as one that hangs does."""

    def __init__(self, host: str, port: int) -> None:
        self._there = (host, port)
        self._flows = threading.Event()
        self._flows.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def freeze(self) -> None:
        self._flows.clear()

    def _accept(self) -> None:
        while True:
            ours, _ = self._listener.accept()
            theirs = socket.create_connection(self._there)
            for source, sink in ((ours, theirs), (theirs, ours)):
                threading.Thread(target=self._pass, args=(source, sink), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        while data := source.recv(2**16):
            self._flows.wait()
            sink.sendall(data)
        sink.close()


async def test_a_hanging_store_counts_as_failed() -> None:
    answers, call = threading.Event(), off_loop.StoreCalls(seconds=0.1)
    calls = [call(answers.wait) for _ in range(20)]
    errors = await asyncio.gather(*calls, return_exceptions=True)
    assert {error.code for error in errors if isinstance(error, RequestError)} == {"store_unavailable"}
    answers.set()
    call._seconds = 60
    assert await call(lambda: 1) == 1


@pytest.mark.slow
def test_a_hanging_store_delays_the_shutdown_by_a_bound(postgres: str, tmp_path: Path) -> None:
    """However many calls wait for it."""
    url = sa.make_url(new_database(postgres))
    assert url.host is not None
    assert url.port is not None
    way = Frozen(url.host, url.port)
    store = url.set(host="127.0.0.1", port=way.port).render_as_string(hide_password=False)
    settings = Config(server=ServerSettings(grace_seconds=0))
    with (
        Nursery().serve(store, tmp_path / "log", settings=settings) as server,
        ThreadPoolExecutor(10) as threads,
    ):
        assert takes_requests(server.url)

        def ask(timeout: float = 1) -> int:
            return httpx.get(f"{server.url}/v1/usage/none", headers=HEADERS, timeout=timeout).status_code

        assert ask(60) == 404
        way.freeze()
        requests = [threads.submit(ask) for _ in range(10)]
        for one in requests:
            assert isinstance(one.exception(), httpx.TransportError)
        signalled(server, signal.SIGTERM)
        server.process.join(60)  # five for the requests, 15 for the ledger
        assert server.process.exitcode == 0
