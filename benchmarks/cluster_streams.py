"""The cost of a cluster's streams in the server: processor time per token, and the first token's delay.

    python -m benchmarks.cluster_streams

Replicas are child processes whose engine emits a token of every stream each 20 ms and computes nothing. The same engine
in this process is the baseline. HTTP and text are left out: they cost the same either way.
"""

import asyncio
import statistics
import sys
import time
from typing import Final, cast

import msgspec
import uvloop

from forefront.chat.local.token_engine import TokenEngine
from forefront.cluster.backend.connections.replica_pool import RemoteModel
from forefront.cluster.backend.dispatching.dispatcher import RemoteLimits
from forefront.cluster.backend.remote_engine import RemoteEngine
from forefront.cluster.protocol.frames import PROTOCOL
from forefront.cluster.protocol.replica_identity import ReplicaAddress, ReplicaIdentity
from forefront.cluster.replica.constraint_builder import ConstraintBuilder
from forefront.cluster.replica.generation_connection import GenerationService
from forefront.cluster.replica.replica_server import ReplicaServer
from forefront.engine.engine_stats import EngineStats
from forefront.engine.generation import Generation, Token
from forefront.engine.request import GenerateRequest
from forefront.fairness.tenant import Tenant

_STEP: Final = 0.02
_CONTEXT: Final = 1 << 20
_PROMPT: Final = list(range(200))
_TOKENS: Final = 150


class PacedEngine:
    """A `TokenEngine` that emits a token of every generation each step, the first one at once."""

    context_limit, vocabulary_size = _CONTEXT, 1 << 15
    takes_predictions = False

    def __init__(self) -> None:
        self._left: dict[Generation, int] = {}
        self._steps = 0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """See `TokenEngine.start`."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    def submit(self, request: GenerateRequest) -> Generation:
        """See `TokenEngine.submit`."""
        loop = asyncio.get_running_loop()
        generation = Generation(loop, 1, self._cancel)
        self._left[generation] = request.max_tokens
        loop.call_soon(self._emit, [generation])
        return generation

    def _cancel(self, generation: Generation) -> None:
        self._left.pop(generation, None)
        generation.release()

    async def cached_tokens(self, prompt: list[int], tenant: Tenant) -> int:
        """See `TokenEngine.cached_tokens`."""
        return 0 * len(prompt) * len(tenant.name)

    async def stop(self) -> None:
        """See `TokenEngine.stop`."""
        if self._task is not None:
            self._task.cancel()

    def stats(self) -> EngineStats:
        """See `TokenEngine.stats`."""
        return EngineStats(len(self._left), 0, 0, 0, 0, 0, 0, 0, time.monotonic(), steps=self._steps)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due = max(due + _STEP, loop.time())
            await asyncio.sleep(max(due - loop.time(), 0))
            self._steps += 1
            self._emit(list(self._left))

    def _emit(self, generations: list[Generation]) -> None:
        for generation in generations:
            if (left := self._left.get(generation)) is None:
                continue
            self._left[generation] = left - 1
            if left == 1:
                del self._left[generation]
            generation.deliver([Token(0, left, "length" if left == 1 else None)], last=left == 1)


MODEL: Final = RemoteModel(_CONTEXT, PacedEngine.vocabulary_size, "")


async def start_replica() -> ReplicaIdentity:
    """Start a replica with a paced engine in this process."""
    engine = PacedEngine()
    engine.start()
    secret = b"benchmark"
    service = GenerationService(engine, cast("ConstraintBuilder", None))
    server = ReplicaServer(service, secret, 256)
    port = await server.start("127.0.0.1")
    return ReplicaIdentity(
        protocol=PROTOCOL,
        host="127.0.0.1",
        port=port,
        secret=secret.hex(),
        fingerprint="fp",
        weights="",
        quantization="",
        engine="",
        created=0,
        text="",
        context_limit=engine.context_limit,
        vocabulary_size=engine.vocabulary_size,
        block_size=32,
        slots=256,
    )


async def _replica() -> None:
    """The child."""
    print(msgspec.json.encode(await start_replica()).decode(), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    print(time.process_time(), flush=True)


async def _measure(engine: TokenEngine, streams: int) -> tuple[float, float, float]:
    """Processor seconds per token of this process, the median delay of the first token, and the tokens per second of
    one stream. All streams begin and run together."""
    delays: list[float] = []

    async def read() -> None:
        begin = time.perf_counter()
        count = 0
        async for tokens in engine.submit(GenerateRequest(_PROMPT, _TOKENS)):
            if not count:
                delays.append(time.perf_counter() - begin)
            count += len(tokens)
        assert count == _TOKENS

    began, processor = time.perf_counter(), time.process_time()
    await asyncio.gather(*(read() for _ in range(streams)))
    spent, wall = time.process_time() - processor, time.perf_counter() - began
    alone: list[float] = []
    for _ in range(50):
        begin = time.perf_counter()
        await anext(aiter(engine.submit(GenerateRequest(_PROMPT, 1))))
        alone.append(time.perf_counter() - begin)
    return spent / (streams * _TOKENS), statistics.median(alone), _TOKENS / wall


async def _run() -> None:
    local = PacedEngine()
    local.start()
    print(
        "| streams | engine | server's µs per token | first token, ms | tokens/s of a stream |\n|---|---|---|---|---|"
    )
    for streams in (1, 16, 64, 100, 256):
        _print(streams, "local", *await _measure(local, streams))
        for replicas in (1, 4):
            await _remote(streams, replicas)
    await local.stop()


async def _remote(streams: int, replicas: int) -> None:
    command = [sys.executable, "-m", "benchmarks.cluster_streams", "replica"]
    pipe = asyncio.subprocess.PIPE
    children = [await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe) for _ in range(replicas)]
    addresses = []
    for number, child in enumerate(children):
        assert child.stdout is not None
        identity = msgspec.json.decode(await child.stdout.readline(), type=ReplicaIdentity)
        addresses.append(ReplicaAddress(str(number), "", identity))
    engine = RemoteEngine(MODEL, RemoteLimits())
    engine.start()
    engine.set_replicas(addresses)
    await asyncio.sleep(1)
    assert len(engine.replicas()) == replicas
    _print(streams, f"{replicas} replicas", *await _measure(engine, streams))
    await engine.stop()
    for child in children:
        await child.communicate()


def _print(streams: int, engine: str, seconds: float, first: float, rate: float) -> None:
    print(f"| {streams} | {engine} | {seconds * 1e6:.1f} | {first * 1e3:.2f} | {rate:.1f} |", flush=True)


if __name__ == "__main__":
    uvloop.run(_replica() if sys.argv[1:] == ["replica"] else _run())
