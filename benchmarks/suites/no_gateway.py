"""The server without a gateway: no keys, no limits, no ledger; all the rest is the same. For comparison alone."""

import asyncio
import multiprocessing
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from multiprocessing.connection import Connection

import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.types import Scope

from forefront.catalog.catalog import Build, Catalog, LoadedModel, ServedModel
from forefront.cli.serving.server_runtime import tune_interpreter
from forefront.fairness.worker_pool import WorkerPool
from forefront.gateway.keys.principal import Principal
from forefront.observability.request_recorder import RequestRecorder
from forefront.observability.server_metrics import ModelMetrics, ServerMetrics
from forefront.server.connection.connection_limits import ConnectionLimits
from forefront.server.connection.protocol import ProtocolOptions, bounded_protocol
from forefront.server.http.body_memory import BodyMemory
from forefront.server.middleware.auth import AuthMiddleware
from forefront.server.middleware.fast_route import FastRoute
from forefront.server.middleware.request_id import RequestIdMiddleware
from forefront.server.routes.completions import CHAT, CompletionsEndpoint, CompletionService
from forefront.server.serve import bind
from forefront.wire.admin.records import Key, Limits, Project
from tests.support.backends.instant import MODEL, InstantBackend


class _FreeLease:
    """A lease that counts nothing and keeps nothing."""

    cached_tokens = output_tokens = reasoning_tokens = 0
    started = None
    recorder = RequestRecorder(ModelMetrics())

    def rate_limits(self) -> tuple[()]:
        return ()

    def __enter__(self) -> "_FreeLease":
        return self

    def __exit__(self, *_: object) -> None: ...

    async def admit(self, input_tokens: int, output_tokens: int) -> None: ...

    def end_turn(self, output_tokens: int) -> None: ...

    async def settle(self, status: str, finish_reason: str | None) -> None: ...

    def fail(self, error: Exception) -> None: ...


class _FreeGateway:
    def check(self, *_: object) -> None: ...

    def reading(self, *_: object) -> AbstractContextManager[None]:
        return nullcontext()

    def admit(self, *_: object) -> _FreeLease:
        return _FreeLease()


class _AnyClient:
    """Authenticates every client as the same principal."""

    def __init__(self) -> None:
        limits = Limits()
        key = Key(
            id="none",
            name="none",
            project="none",
            scopes=["chat"],
            models=None,
            expires=None,
            limits=limits,
            budget=None,
            source="first",
            created=0,
        )
        self._principal = Principal(key, Project(name="none", weight=1, limits=limits, budget=None, created=0))

    async def authenticate(self, _: Scope) -> Principal:
        return self._principal


@contextmanager
def serve_openly() -> Iterator[str]:
    """Its URL."""
    context = multiprocessing.get_context("forkserver")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.kill()
        process.join()


def _serve(started: Connection) -> None:
    model = LoadedModel(InstantBackend(), 0, "fp_instant", Build("none", "none", "instant"))
    catalog = Catalog([ServedModel.permanent(MODEL, model)])
    service = CompletionService(catalog, _FreeGateway(), WorkerPool(4, "bodies"))  # type: ignore[arg-type]
    chat = CompletionsEndpoint(CHAT, service)
    app = FastRoute(Starlette(), {("POST", "/v1/chat/completions"): chat})
    bound = bind("127.0.0.1", 0)
    config = uvicorn.Config(
        RequestIdMiddleware(AuthMiddleware(app, _AnyClient()), BodyMemory(), {}, ServerMetrics()),
        http=bounded_protocol(ProtocolOptions(ConnectionLimits(2000, 100), 20)),
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
    )
    bound.listen(2048)
    tune_interpreter()
    started.send(f"http://127.0.0.1:{bound.getsockname()[1]}")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(uvicorn.Server(config).serve(sockets=[bound]))
