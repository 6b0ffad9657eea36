"""A backend with instant answers and no model, behind the whole real server.

Where the gateway is what is looked at. Starting one takes milliseconds: `Nursery` has imported everything once and
forks. Nothing of OpenVINO may run in it, since its threads do not survive a fork.
"""

import asyncio
import multiprocessing
import os
import socket
import sys
import time
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from forefront.catalog.catalog import Build, Catalog, LoadedModel, ServedModel
from forefront.chat.backend import Backend, PromptPreview, Run, RunUsage, TokenizedText
from forefront.chat.events import ChoiceEnd, Completed, ContentDelta, Event, Started
from forefront.cli.serving.server_runtime import run_server
from forefront.cli.settings.config import Config
from forefront.engine.engine_stats import EngineStats
from forefront.fairness.tenant import Tenant
from forefront.gateway.keys.key_store import KeyStore
from forefront.gateway.store.database import open_database
from forefront.server.serve import bind
from forefront.upstream.build import build_backend
from forefront.upstream.replicas.circuit import CircuitPolicy
from forefront.upstream.spec import UpstreamSpec
from forefront.wire.completions.request import ChatRequest, CompletionRequest, SampledRequest
from forefront.wire.tokens import TokenizeRequest

KEY = "instant-key-0123456789-abcdefghij"
MODEL = "instant"
PROMPT = 10


@dataclass(frozen=True, slots=True)
class InstantRequest:
    """A prepared request: its size, and the text of each token."""

    prompt_tokens: int
    max_output_tokens: int
    text: str
    unenforced: tuple[str, ...] = ()


class InstantBackend:
    """Takes every prompt for ten tokens and samples `max_tokens` of them, `pause` seconds apart. Each is a word, or
    more for a last message of 1000 characters and more, so that large answers need few."""

    context_length = 100_000

    def __init__(self, pause: float = 0.0) -> None:
        self._pause = pause
        self._sampled = 0

    async def prepare(self, request: ChatRequest | CompletionRequest, tenant: Tenant) -> InstantRequest:
        """See `Backend.prepare`."""
        assert isinstance(request, ChatRequest)
        text = "word " * max(len(request.messages[-1].content or "") // 1000, 1)
        return InstantRequest(PROMPT, request.max_tokens or 16, text)

    def run(self, prepared: InstantRequest, deadline: float | None = None) -> Run:
        """See `Backend.run`."""
        usage = RunUsage()
        return Run(self._events(prepared, usage), usage, asyncio.get_running_loop().create_future())

    async def _events(self, prepared: InstantRequest, usage: RunUsage) -> AsyncGenerator[Event, None]:
        usage.started = time.time()
        yield Started(PROMPT, 0)
        for _ in range(prepared.max_output_tokens):
            if self._pause:
                await asyncio.sleep(self._pause)
            usage.output_tokens += 1
            self._sampled += 1
            yield ContentDelta(0, prepared.text)
        yield ChoiceEnd(0, "length")
        yield Completed(PROMPT, prepared.max_output_tokens, 0)

    async def preview(self, request: ChatRequest, tenant: Tenant) -> PromptPreview:
        """See `Backend.preview`."""
        return PromptPreview("", PROMPT, 0, request.max_tokens)

    async def tokenize(self, request: TokenizeRequest, tenant: Tenant) -> TokenizedText:
        """See `Backend.tokenize`."""
        return TokenizedText(list(range(PROMPT)))

    async def detokenize(self, tokens: Sequence[int], tenant: Tenant) -> str:
        """See `Backend.detokenize`."""
        return "word " * len(tokens)

    def ignored(self, request: SampledRequest) -> tuple[str, ...]:
        """Every field has an effect."""
        return ()

    def start(self) -> None:
        """Nothing has to be."""

    async def probe(self) -> None:
        """It always works."""

    def stats(self) -> EngineStats:
        """The tokens that were sampled."""
        return EngineStats(0, 0, 0, 0, self._sampled, 0, 0, 0, time.monotonic())

    async def close(self) -> None:
        """Nothing has to be."""


@dataclass
class Instant:
    """A running server: where it listens, and its process."""

    url: str
    process: "multiprocessing.process.BaseProcess"


class Nursery:
    """Starts servers by fork, from its own process that never ran anything else."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([__name__])

    @contextmanager
    def serve(
        self,
        url: str,
        log: Path,
        *,
        settings: Config | None = None,
        pause: float = 0.0,
        backends: Mapping[str, Backend[Any]] | None = None,
        upstreams: Sequence[UpstreamSpec] = (),
        policy: CircuitPolicy | None = None,
        fallback: Mapping[str, Sequence[str]] | None = None,
    ) -> Iterator[Instant]:
        """A server on the store of that URL, opened by `KEY`; killed in the end if it still runs.

        Its models are `backends` by their names (one `InstantBackend`), and those of `upstreams`, with the circuits of
        `policy` and the models of `fallback`.
        """
        ours, theirs = self._context.Pipe()
        served = backends or {MODEL: InstantBackend(pause)}
        arguments = (url, str(log), settings or Config(), served, upstreams, policy, fallback or {}, theirs)
        process = self._context.Process(target=_serve, args=arguments, daemon=True)
        process.start()
        theirs.close()
        try:
            if not ours.poll(60):
                raise RuntimeError(f"the server did not start: {log.read_text()}")
            yield Instant(ours.recv(), process)
        finally:
            if process.is_alive():
                process.kill()
            process.join()
            process.close()
            ours.close()


def _serve(
    url: str,
    log: str,
    settings: Config,
    backends: Mapping[str, Backend[Any]],
    upstreams: Sequence[UpstreamSpec],
    policy: CircuitPolicy | None,
    fallback: Mapping[str, Sequence[str]],
    started: Connection,
) -> None:
    """The child: everything that `forefront serve` does, less the command line and the models."""
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (sys.stdout.fileno(), sys.stderr.fileno()):
        os.dup2(output, stream)
    database = open_database(url)
    KeyStore(database).ensure_admin_key(KEY)
    build = Build("none", "none", "instant")
    models = [
        ServedModel.permanent(name, LoadedModel(backend, 0, "fp_instant", build)) for name, backend in backends.items()
    ]
    for spec in upstreams:
        loaded = LoadedModel(build_backend(spec, policy=policy), 0, "fp_upstream", build)
        models.append(ServedModel.permanent(spec.name, loaded, fallback.get(spec.name, ())))
    catalog = Catalog(models)
    bound: socket.socket = bind("127.0.0.1", 0)
    address = f"http://127.0.0.1:{bound.getsockname()[1]}"
    run_server(catalog, database, settings, bound, lambda: started.send(address))
    database.close()
