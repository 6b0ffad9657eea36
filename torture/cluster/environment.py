"""The cluster of this part, its servers, and its processes."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from forefront.cluster.deployment.local_cluster import LocalCluster, add_node, find_local
from forefront.cluster.deployment.ray_environment import ray_environment
from forefront.cluster.discovery.cluster_watch import ClusterWatch
from forefront.cluster.protocol.frames import Challenge, FromReplica, Hello, Status, Welcome
from forefront.cluster.protocol.replica_identity import ReplicaAddress
from forefront.cluster.protocol.secret_proof import new_nonce, proof
from forefront.managed_engines.process_tree import descendants
from tests.support.server import KEY, RunningServer, run_server
from torture.client import Client
from torture.cluster.streams import MODEL, Stream
from torture.harness import Harness, entered

STALL: Final = 3.0
_STREAMS: Final = 64
SETTINGS: Final = f"""
[ray]
stall_seconds = {STALL}
grace_seconds = 2
migrations = 3
[ray.models."{MODEL}"]
replicas = {{ min = 2, max = 2 }}
cpus = 0.5
kv_cache_gib = 0.2
"""


@dataclass
class Cluster:
    """The cluster of this part. `store`: of all servers."""

    harness: Harness
    home: Path
    store: str
    streams: list[Stream] = field(default_factory=list)

    @property
    def num_streams(self) -> int:
        """The streams that run at once."""
        return min(self.harness.count(10 * _STREAMS, minimum=8), _STREAMS)

    @property
    def timed(self) -> bool:
        """Whether pauses, and what a fault met, are judged. A fraction of the part runs beside other programs."""
        return self.harness.scale >= 1

    @property
    def local(self) -> LocalCluster:
        """Its nodes."""
        local = find_local(self.home)
        assert local is not None
        return local

    async def command(self, *arguments: str) -> str:
        """Run `forefront cluster …`. Raises `RuntimeError` if it fails."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "forefront.cli", "cluster", *arguments),
            cwd=self.home.parent,
            env=os.environ | {"FOREFRONT_HOME": str(self.home), "COLUMNS": "200"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        output = (await process.communicate())[0].decode()
        if process.returncode:
            raise RuntimeError(f"forefront cluster {' '.join(arguments)}: {output[-500:]}")
        return output

    @asynccontextmanager
    async def server(self) -> AsyncIterator[RunningServer]:
        """A server on the cluster."""
        environment = {
            "FOREFRONT_DATABASE_URL": self.store,
            "FOREFRONT_CONFIG": str(self.home.parent / "forefront.toml"),
        }
        log = self.harness.new_folder() / "log"
        async with entered(run_server(["--ray", "auto"], self.home, environment=environment, log=log)) as running:
            yield running

    async def ready(self, server: RunningServer, count: int = 2) -> list[ReplicaAddress]:
        """The addresses of the running replicas, once there are so many and the server uses all of them."""
        client = Client(server.url, KEY)
        async with asyncio.timeout(120):
            while True:
                addresses = await self.addresses(count)
                status = await client.get("/admin/status")
                if "error" in status:
                    raise RuntimeError(f"/admin/status: {status['error']}")
                model = status["models"][MODEL]
                used = {each["name"] for each in model["cluster"]["replicas"] if each["state"] == "available"}
                if used == {address.name for address in addresses}:
                    return addresses
                await asyncio.sleep(0.2)

    def report(self, done: str, found: str, *, good: bool) -> None:
        """Add a line to the summary."""
        self.harness.report("cluster", self.harness.stores[-1], done, found, good=good)

    async def replace_node(self, victim: int) -> None:
        """Start a node in place of one that was killed."""
        local = self.local
        local.processes.remove(victim)
        await asyncio.to_thread(add_node, self.home, local, 2.0)

    def replica_processes(self) -> list[int]:
        """The processes of the replicas, those that start too."""
        processes = [process for node in self.local.processes[1:] for process in descendants(node)]
        return [process for process in processes if "ray::ServeReplica" in command_line(process)]

    async def addresses(self, count: int) -> list[ReplicaAddress]:
        """The addresses of the running replicas, once there are so many and each can be reached."""
        local = self.local
        watch = ClusterWatch(local.address, [MODEL], ray_environment(os.environ) | local.environment())
        watch.start()
        try:
            async with asyncio.timeout(120):
                while True:
                    found = await asyncio.to_thread(watch.wait, MODEL, 60.0)
                    with suppress(OSError, EOFError):
                        if len(found) == count:
                            await asyncio.gather(*map(replica_status, found))
                            return found
                    await asyncio.sleep(0.2)
        finally:
            await asyncio.to_thread(watch.stop)


async def replica_status(address: ReplicaAddress) -> Status:
    """A replica's own heartbeat."""
    identity = address.identity
    reader, writer = await asyncio.open_connection(identity.host, identity.port)
    try:
        while True:
            size = int.from_bytes(await reader.readexactly(4), "big")
            message = msgspec.msgpack.decode(await reader.readexactly(size), type=FromReplica)
            match message:
                case Challenge(nonce=nonce):
                    answer = Hello(proof(bytes.fromhex(identity.secret), b"server", nonce), new_nonce())
                    data = msgspec.msgpack.encode(answer)
                    writer.write(len(data).to_bytes(4, "big") + data)
                case Welcome():
                    pass
                case Status():
                    return message
    finally:
        writer.transport.abort()


def node_processes(node: int) -> list[int]:
    return [node, *descendants(node)]


def kill_node(node: int) -> None:
    """End a node as a power failure does: all of its processes at once."""
    send_signal(node_processes(node), signal.SIGKILL)


def send_signal(processes: Sequence[int], number: signal.Signals) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, number)


@contextmanager
def stopped(processes: Sequence[int]) -> Iterator[None]:
    """Stop processes as a partition does, and let them continue in any case."""
    try:
        send_signal(processes, signal.SIGSTOP)
        yield
    finally:
        send_signal(processes, signal.SIGCONT)


def command_line(process: int) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""
