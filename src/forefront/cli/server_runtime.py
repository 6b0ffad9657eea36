"""Models, a store and settings, wired together: a server that runs."""

import asyncio
import gc
import logging
import resource
import socket
import sys
from collections.abc import Callable

import uvloop

from forefront.catalog.catalog import Catalog
from forefront.cli.config import Config, ServerSettings
from forefront.engine.allocator import trimmed_memory, tune_allocator
from forefront.fairness.worker_pool import WorkerPool
from forefront.gateway.admission_queue import Turns
from forefront.gateway.gateway import Gateway
from forefront.gateway.keys.key_cache import KeyRing
from forefront.gateway.keys.key_store import KeyStore
from forefront.gateway.ledger.ledger import Writer
from forefront.gateway.ledger.pricing import Price, Prices
from forefront.gateway.ledger.usage_reports import Usage
from forefront.gateway.limits.redis_limiter import SharedLimits, open_shared_limits
from forefront.gateway.store.database import Database
from forefront.server.app import Office, build_app
from forefront.server.http.body_memory import Intake
from forefront.server.idempotency.shared_runs import SharedRuns
from forefront.server.serve import Listen, serve

log = logging.getLogger(__name__)

# How long a thread may go on while another waits for Python, in seconds. The threads of ledger and engines ask for it
# many times for each commit or step; at the usual 5 ms they spent most of their time waiting for a busy event loop.
_SWITCH = 0.0005
# Objects made before the youngest are looked through. At the usual 700, requests spent a fifth of their time on that.
_YOUNG = 20_000
# Threads that parse large bodies. Parsing holds the interpreter lock: a second thread parses no faster, takes the lock
# from the event loop twice as often, and keeps a heap of its own.
_WORKERS = 1
# Files that a server has open beside its connections: the store, models, pipes to child processes.
_OTHER_FILES = 512


def run_server(
    catalog: Catalog, database: Database, settings: Config, bound: socket.socket, started: Callable[[], None]
) -> None:
    """Serve until a signal ends it. `started` is called once it listens. Raises `StoreError`."""
    tune_interpreter()
    tune_allocator()
    allow_files(settings.server.connections)

    async def run() -> None:
        writer, server = Writer(database), settings.server
        intake = Intake(server.body_seconds, server.body_memory_mib * 2**20, server.connections)
        async with open_shared_limits(settings.redis.url) as shared:
            office, runs = _office(settings, database, writer, shared), SharedRuns()
            workers = WorkerPool(_WORKERS, "forefront-bodies")
            app = build_app(catalog, office, workers, intake, server.cors_origins, runs)
            try:
                await serve(app, catalog, writer, runs, bound, _listen(server), started)
            finally:
                workers.close()

    with trimmed_memory(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


def tune_interpreter() -> None:
    """Set threads and the garbage collector up for serving. What has been loaded stays, so it is never looked at."""
    sys.setswitchinterval(_SWITCH)
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 10, 10)


def allow_files(connections: int) -> None:
    """Raise this process' soft limit of open files so that every connection can be taken, as far as it may.

    Whoever had as many connections as there may be files would keep the store from opening its own.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _OTHER_FILES
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    if most < wanted:
        text = (
            "this process may have %d files open, too few for the %d connections of `server.connections`: lower that, "
        )
        log.warning(text + "or raise the limit (ulimit -n)", most, connections)


def _office(settings: Config, database: Database, writer: Writer, shared: SharedLimits | None) -> Office:
    prices = {
        model: Price.per_million(price.input, price.output, price.cached) for model, price in settings.prices.items()
    }
    turns = Turns(settings.queue.running, settings.queue.waiting)
    gateway = Gateway(writer, Prices(prices), turns, shared=shared)
    return Office(KeyRing(database), gateway, KeyStore(database), Usage(database))


def _listen(settings: ServerSettings) -> Listen:
    return Listen(
        settings.grace_seconds,
        settings.header_seconds,
        settings.send_seconds,
        settings.connections,
        settings.connections_per_address,
        settings.tls_certificate,
        settings.tls_key,
    )
