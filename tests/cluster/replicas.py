"""Replicas in child processes, and engines that reach them."""

import asyncio
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec

from forefront.cluster.backend.connections.replica_pool import RemoteModel
from forefront.cluster.backend.dispatching.dispatcher import RemoteLimits
from forefront.cluster.backend.remote_engine import RemoteEngine
from forefront.cluster.protocol.replica_identity import ReplicaAddress, ReplicaIdentity
from forefront.cluster.replica.replica_spec import ReplicaSpec
from forefront.engine.model.model import ModelOptions

ROOT = Path(__file__).parents[2]
# Seconds of a step on a slow replica: 300 tokens take 9 seconds there.
SLOW_STEP = 0.03
OPTIONS = ModelOptions(threads=1, kv_cache_bytes=32 * 2**20, kv_precision="f32", quantize_activations=False)


class Replica:
    """A running replica process. `step_seconds`: the least time of a step, 0 for its own speed."""

    def __init__(self, spec: ReplicaSpec, step_seconds: float = 0.0) -> None:
        arguments = [msgspec.json.encode(spec).decode(), str(step_seconds)]
        command = [sys.executable, "-m", "tests.cluster.replica_process", *arguments]
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.name = f"replica-{uuid.uuid4().hex[:8]}"
        self._address: ReplicaAddress | None = None

    @property
    def address(self) -> ReplicaAddress:
        """Its address, once it has started."""
        if self._address is None:
            assert self.process.stdout is not None
            identity = msgspec.json.decode(self.process.stdout.readline(), type=ReplicaIdentity)
            self._address = ReplicaAddress(self.name, "node", identity)
        return self._address

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        os.kill(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)

    def drain(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"drain\n")
        self.process.stdin.flush()

    def close(self) -> None:
        self.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


def spec_of(gguf: Path | str, home: Path, *, grace: float = 30.0) -> ReplicaSpec:
    return ReplicaSpec(name="tiny", source=str(gguf), options=OPTIONS, home=str(home), grace_seconds=grace)


async def ready(engine: RemoteEngine, count: int) -> None:
    """Return once so many replicas are connected."""
    async with asyncio.timeout(60):
        while len(engine.replicas()) < count:
            await asyncio.sleep(0.01)


class Proxy:
    """Passes connections on to a replica. `deaf`: what servers send is dropped from now on."""

    def __init__(self, target: ReplicaAddress, port: int) -> None:
        self._target = target.identity
        self.address = msgspec.structs.replace(target, identity=msgspec.structs.replace(target.identity, port=port))
        self.deaf = False

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self._target.host, self._target.port)
        await asyncio.gather(self._pass_on(reader, back, heard=False), self._pass_on(there, writer, heard=True))

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, heard: bool) -> None:
        with suppress(OSError):
            while data := await reader.read(2**16):
                if heard or not self.deaf:
                    writer.write(data)
        writer.close()


@asynccontextmanager
async def proxied(replica: Replica) -> AsyncIterator[Proxy]:
    """A proxy before a replica."""
    proxies: list[Proxy] = []
    server = await asyncio.start_server(lambda *streams: proxies[0].connect(*streams), "127.0.0.1", 0)
    proxies.append(Proxy(replica.address, server.sockets[0].getsockname()[1]))
    yield proxies[0]
    server.close()


@asynccontextmanager
async def engine_on(
    replicas: Sequence[Replica | Proxy], *, migrations: int = 3, stall: float = 20.0, start: float = 20.0
) -> AsyncIterator[RemoteEngine]:
    """An engine over these replicas."""
    identity = replicas[0].address.identity
    model = RemoteModel(identity.context_limit, identity.vocabulary_size, identity.text)
    engine = RemoteEngine(model, RemoteLimits(migrations, stall, start))
    engine.start()
    engine.set_replicas([replica.address for replica in replicas])
    try:
        yield engine
    finally:
        await engine.stop()
