"""A child process of a server: follows the cluster's replicas through Ray, which the server itself does not load.

    python -m forefront.cluster.discovery.watcher ADDRESS MODEL…

Each line on standard output is JSON: a model and its replicas, after each change. Each line on standard input is the
name of a model that needs a replica. It ends with its standard input.
"""

import asyncio
import logging
import os
import sys
from typing import Any, BinaryIO, Final

import msgspec
import ray
from ray import serve
from ray.serve._private.common import DeploymentID
from ray.serve._private.constants import SERVE_CONTROLLER_NAME, SERVE_NAMESPACE
from ray.serve._private.long_poll import LongPollNamespace

from forefront.cluster.deployment.application import DEPLOYMENT, model_prefix
from forefront.cluster.deployment.ray_session import connect
from forefront.cluster.discovery.watch_messages import ModelReplicas, WatchFailure, WatchMessage
from forefront.cluster.protocol.connection_security import InsecureClusterError
from forefront.cluster.protocol.replica_identity import ReplicaAddress, ReplicaIdentity

log = logging.getLogger(__name__)

_POLL_SECONDS: Final = 0.5
_CHANGE_SECONDS: Final = 0.25
_RETRY_SECONDS: Final = 1.0
_WAKE_SECONDS: Final = 30.0


class Watcher:
    """Follows the applications of some models, and writes their replicas to `output`."""

    def __init__(self, models: list[str], output: BinaryIO) -> None:
        self._output = output
        self._prefixes = {model: model_prefix(model) for model in models}
        # The replicas of each application, and the applications of each model, the newest last.
        self._replicas: dict[str, list[ReplicaAddress]] = {}
        self._applications: dict[str, list[str]] = {model: [] for model in models}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._waking: dict[str, asyncio.Task[None]] = {}
        self._sent: dict[str, list[ReplicaAddress]] = {}

    async def run(self) -> None:
        """Follow the list of applications. An unreachable controller changes nothing."""
        while True:
            try:
                found = await asyncio.to_thread(_applications)
            except Exception as error:  # Ray raises exceptions of all kinds while its controller is unreachable
                log.debug("the applications cannot be listed: %s", error)
            else:
                self._take(found)
            await asyncio.sleep(_POLL_SECONDS)

    def wake(self, model: str) -> None:
        """Request a replica of a model: a waiting request makes Serve start one."""
        names = self._applications.get(model)
        if names and model not in self._waking:
            task = self._waking[model] = asyncio.create_task(_wake(names[-1]))
            task.add_done_callback(lambda _: self._waking.pop(model, None))

    def _take(self, found: list[str]) -> None:
        for model, prefix in self._prefixes.items():
            self._applications[model] = [name for name in found if name.startswith(prefix)]
            for name in self._applications[model]:
                if name not in self._tasks:
                    self._tasks[name] = asyncio.create_task(self._follow(name))
        current = {name for names in self._applications.values() for name in names}
        for name in set(self._tasks) - current:
            self._tasks.pop(name).cancel()
            self._replicas.pop(name, None)
        self._send()

    async def _follow(self, name: str) -> None:
        """Follow the replicas of one application."""
        key = (LongPollNamespace.DEPLOYMENT_TARGETS, DeploymentID(name=DEPLOYMENT, app_name=name))
        snapshot = -1
        while True:
            try:
                updates = await _changes({key: snapshot})
            except Exception as error:
                log.debug("the replicas of %s cannot be followed: %s", name, error)
                # A restarted controller restarts its snapshot numbers.
                snapshot = -1
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            if key in updates:
                snapshot = updates[key].snapshot_id
                self._replicas[name] = _addresses(updates[key].object_snapshot.running_replicas)
                self._send()
                # Each answer has all replicas. Rapid changes are combined.
                await asyncio.sleep(_CHANGE_SECONDS)

    def _send(self) -> None:
        for model, names in self._applications.items():
            if names and model not in self._sent and not any(name in self._replicas for name in names):
                # Write nothing yet: an empty list would make a server drop replicas from an earlier watcher.
                continue
            replicas = [address for name in names for address in self._replicas.get(name, ())]
            if self._sent.get(model) != replicas:
                self._sent[model] = replicas
                self.write(ModelReplicas(model, replicas))

    def write(self, message: WatchMessage) -> None:
        """Send a message to the server."""
        self._output.write(msgspec.json.encode(message) + b"\n")
        self._output.flush()


def _private_output() -> BinaryIO:
    """Reserve standard output for messages: Ray's native code, which also writes there, gets standard error instead."""
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return output


def _applications() -> list[str]:
    found = serve.status().applications
    return sorted(found, key=lambda name: found[name].last_deployed_time_s)


async def _changes(snapshots: dict[Any, int]) -> dict[Any, Any]:
    """What has changed since these snapshots, once something has; empty after a timeout. Raises what Ray raises."""
    controller = ray.get_actor(SERVE_CONTROLLER_NAME, namespace=SERVE_NAMESPACE)
    return _updates(await controller.listen_for_change.remote(snapshots))


def _updates(answer: Any) -> dict[Any, Any]:
    """The updates of an answer; after a timeout the answer is a constant."""
    return answer if isinstance(answer, dict) else {}


def _addresses(replicas: list[Any]) -> list[ReplicaAddress]:
    return [
        ReplicaAddress(
            replica.replica_id.unique_id,
            (replica.node_id or "")[:12],
            msgspec.convert(replica.replica_metadata, ReplicaIdentity),
        )
        for replica in replicas
        if replica.replica_metadata
    ]


async def _wake(application: str) -> None:
    try:
        async with asyncio.timeout(_WAKE_SECONDS):
            await serve.get_app_handle(application).wake.remote()
    except Exception as error:
        log.debug("%s cannot be reached: %s", application, error)


async def _main(address: str, models: list[str]) -> None:
    loop, watcher = asyncio.get_running_loop(), Watcher(models, _private_output())
    try:
        await asyncio.to_thread(connect, address)
    except (ConnectionError, InsecureClusterError) as error:
        watcher.write(WatchFailure(str(error)))
        return
    task = loop.create_task(watcher.run())
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        watcher.wake(line.decode().rstrip("\n"))
    task.cancel()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], sys.argv[2:]))
    # Ray's threads would delay the end.
    os._exit(0)
