"""Wires models, store and settings into a running server."""

import asyncio
import gc
import logging
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import replace

import uvloop

from forefront.catalog.catalog import Catalog
from forefront.cli.serving.reload import Reloader, price_list
from forefront.cli.serving.tracing import open_tracer
from forefront.cli.settings.config import Config, ServerSettings
from forefront.engine.free_memory import trimmed_memory, tune_allocator
from forefront.fairness.worker_pool import WorkerPool
from forefront.gateway.admission_queue import AdmissionQueue
from forefront.gateway.gateway import Gateway
from forefront.gateway.keys.budget_reports import BudgetReports
from forefront.gateway.keys.key_cache import KeyCache
from forefront.gateway.keys.key_store import KeyStore
from forefront.gateway.ledger.ledger import Ledger
from forefront.gateway.ledger.usage_history import LedgerHistories
from forefront.gateway.ledger.usage_reports import UsageReports
from forefront.gateway.limits.redis_limiter import RedisLimiter, open_redis_limiter
from forefront.gateway.store.content_cipher import VARIABLE, ContentCipher, parse_keys
from forefront.gateway.store.conversation_store import ConversationStore
from forefront.gateway.store.database import Database
from forefront.gateway.store.response_store import ResponseStore
from forefront.gateway.store.storage_limits import StorageLimits
from forefront.observability.tracing import Tracer
from forefront.server.app import Services, build_app
from forefront.server.http.body_memory import BodyMemory
from forefront.server.idempotency.shared_runs import SharedRuns
from forefront.server.metrics.families import MetricSources
from forefront.server.middleware.trace_context import TraceContextMiddleware
from forefront.server.responses.expiry import delete_expired_contents
from forefront.server.responses.stored_responses import StoredResponses
from forefront.server.routes.monitoring.metrics import metrics_app
from forefront.server.serve import MetricsPort, ServerOptions, Shutdown, serve

log = logging.getLogger(__name__)

# The interpreter's switch interval in seconds. The ledger and engine threads take the interpreter lock many times for
# each commit or step; at the default of 5 ms they mostly wait for a busy event loop.
_SWITCH_INTERVAL = 0.0005
# The garbage collector's threshold of the youngest generation. At the default of 700, collections took a fifth of a
# request's time.
_GC_THRESHOLD = 20_000
# Threads that parse large bodies. Parsing holds the interpreter lock: a second thread parses no faster, takes the lock
# from the event loop twice as often, and has its own heap.
_BODY_THREADS = 1
# Open files of a server apart from its connections: the store, models, pipes to child processes.
_OTHER_FILES = 512


def run_server(
    catalog: Catalog,
    database: Database,
    settings: Config,
    bound: socket.socket,
    started: Callable[[], None],
    make_reloader: Callable[[Catalog, Gateway], Reloader] | None = None,
    metrics_socket: socket.socket | None = None,
    *,
    on_cluster: bool = False,
) -> None:
    """Serve until a signal arrives. `started` is called once the server listens. `metrics_socket` is the port of the
    metrics, if they have their own. `on_cluster`: the queue's size follows that of a cluster. Raises `StoreError`."""
    tune_interpreter()
    tune_allocator()
    raise_file_limit(settings.server.connections)

    async def run() -> None:
        ledger, server = Ledger(database), settings.server
        body_memory = BodyMemory(server.body_seconds, server.body_memory_mib * 2**20, server.connections)
        stores = _content_stores(settings, database, ledger)
        async with open_redis_limiter(settings.redis.url) as redis_limiter, delete_expired_contents(*stores):
            services = _services(settings, catalog, database, ledger, redis_limiter, tracer, *stores)
            if make_reloader is not None:
                reloader = make_reloader(catalog, services.gateway)
                services = replace(services, reload=reloader)
                asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reloader.on_signal)
            runs, workers = SharedRuns(), WorkerPool(_BODY_THREADS, "forefront-bodies")
            app = build_app(services, workers, body_memory, runs, server.cors_origins)
            if tracer is not None:
                app = TraceContextMiddleware(app)
            sources = MetricSources(catalog, services.gateway.metrics, ledger, body_memory)
            port = None if metrics_socket is None else MetricsPort(metrics_app(sources, workers), metrics_socket)
            shutdown = Shutdown(catalog, runs, ledger)
            capacity = _follow_cluster(catalog, services.gateway, settings) if on_cluster else None
            try:
                await serve(app, shutdown, bound, _server_options(server), started, services.gateway.metrics, port)
            finally:
                if capacity is not None:
                    capacity.cancel()
                workers.close()

    with (
        open_tracer(settings.tracing.endpoint, os.environ) as tracer,
        trimmed_memory(),
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(run())


def _follow_cluster(catalog: Catalog, gateway: Gateway, settings: Config) -> asyncio.Task[None]:
    from forefront.cli.loaders.cluster_models import follow_capacity

    return asyncio.create_task(follow_capacity(catalog, gateway, settings.queue))


def tune_interpreter() -> None:
    """Set the switch interval and the garbage collector. Objects that exist already are excluded from collection."""
    sys.setswitchinterval(_SWITCH_INTERVAL)
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD, 10, 10)


def raise_file_limit(connections: int) -> None:
    """Raise the soft limit of open files, up to the hard limit, so that every connection can be accepted.

    Otherwise a client with that many connections would keep the store from opening its files.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _OTHER_FILES
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    if limit < wanted:
        text = "this process may open %d files, too few for the %d connections of `server.connections`: lower it, "
        log.warning(text + "or raise the limit (ulimit -n)", limit, connections)


def _content_stores(settings: Config, database: Database, ledger: Ledger) -> tuple[ResponseStore, ConversationStore]:
    """Raises `StoreError` for an invalid encryption key, and without the key of encrypted contents."""
    wanted = settings.responses
    limits = StorageLimits(
        wanted.days * 86_400, wanted.project_responses, wanted.project_mib * 2**20, wanted.project_conversations
    )
    cipher = ContentCipher(parse_keys(os.environ.get(VARIABLE, "")))
    responses = ResponseStore(database, ledger.server_id, limits, cipher)
    conversations = ConversationStore(database, limits, cipher)
    responses.check_key()
    conversations.check_key()
    return responses, conversations


def _services(
    settings: Config,
    catalog: Catalog,
    database: Database,
    ledger: Ledger,
    redis_limiter: RedisLimiter | None,
    tracer: Tracer | None,
    response_store: ResponseStore,
    conversation_store: ConversationStore,
) -> Services:
    queue = AdmissionQueue(settings.queue.running, settings.queue.waiting)
    gateway = Gateway(ledger, price_list(settings), queue, redis_limiter, tracer)
    responses = StoredResponses(response_store, conversation_store, default=settings.responses.store)
    return Services(
        catalog,
        gateway,
        KeyCache(database),
        KeyStore(database),
        UsageReports(database),
        LedgerHistories(database),
        BudgetReports(database),
        responses,
        conversation_store,
    )


def _server_options(settings: ServerSettings) -> ServerOptions:
    return ServerOptions(
        settings.grace_seconds,
        settings.header_seconds,
        settings.send_seconds,
        settings.connections,
        settings.connections_per_address,
        settings.tls_certificate,
        settings.tls_key,
    )
