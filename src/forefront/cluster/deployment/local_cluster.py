"""A cluster on this machine alone: a head and some nodes as their own processes, on loopback, with a token."""

import hashlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from forefront.cluster.deployment.ray_environment import ray_environment

_START_SECONDS: Final = 120.0
_STOP_SECONDS: Final = 20.0


class LocalClusterError(Exception):
    """A local cluster cannot be started. The message has the reason."""


@dataclass(frozen=True, slots=True)
class LocalCluster:
    """A running local cluster: its address, the file with its token, and the processes of its nodes, the head first."""

    address: str
    token: str
    processes: list[int]

    def environment(self) -> dict[str, str]:
        """The variables of every process that connects."""
        return {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": self.token,
            # Ray replaces loopback by the machine's address otherwise.
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
            "RAY_raylet_start_wait_time_s": "100",
        }

    @property
    def running(self) -> bool:
        """Whether its head runs."""
        return _is_alive(self.processes[0])


def start_local(home: Path, cpus: list[float]) -> Iterator[str]:
    """Start a head and a node for each of `cpus`; the steps as they are done. Raises `LocalClusterError`."""
    folder = home / "cluster"
    folder.mkdir(parents=True, exist_ok=True)
    token = folder / "token"
    token.touch(0o600)
    token.write_text(secrets.token_hex(32))
    cluster = LocalCluster("", str(token), [])
    head = _Node(folder, "head", 0, 0.0, cluster.environment())
    address = head.wait()
    cluster = LocalCluster(address, str(token), [head.process.pid])
    _write(folder, cluster)
    yield f"head at {address}"
    for number, count in enumerate(cpus, start=1):
        add_node(home, cluster, count)
        yield f"node {number} with {count:g} CPUs"


def add_node(home: Path, cluster: LocalCluster, cpus: float) -> int:
    """Start another node, and return its process. Raises `LocalClusterError`."""
    folder, number = home / "cluster", len(cluster.processes)
    port = int(cluster.address.rpartition(":")[2])
    node = _Node(folder, f"node-{number}", port, cpus, cluster.environment())
    cluster.processes.append(node.process.pid)
    _write(folder, cluster)
    node.wait()
    return node.process.pid


def find_local(home: Path) -> LocalCluster | None:
    """The local cluster that was started from this home, if its head runs."""
    try:
        cluster = LocalCluster(**json.loads((home / "cluster" / "local.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return cluster if cluster.running else None


def stop_local(home: Path) -> bool:
    """Stop the local cluster, nodes first. False if there is none."""
    file = home / "cluster" / "local.json"
    try:
        cluster = LocalCluster(**json.loads(file.read_text()))
    except (OSError, ValueError, TypeError):
        return False
    for process in reversed(cluster.processes):
        _signal(process, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    while any(map(_is_alive, cluster.processes)) and time.monotonic() < deadline:
        time.sleep(0.05)
    for process in cluster.processes:
        _signal(process, signal.SIGKILL)
    file.unlink()
    shutil.rmtree(_session_directory(home / "cluster"), ignore_errors=True)
    return True


class _Node:
    """The process of a node that starts."""

    def __init__(self, folder: Path, name: str, port: int, cpus: float, environment: Mapping[str, str]) -> None:
        kind = "head" if name == "head" else "node"
        self._log = folder / f"{name}.log"
        directory = _session_directory(folder)
        program = [sys.executable, "-m", "forefront.cluster.deployment.local_node"]
        with self._log.open("wb") as output:
            self.process = subprocess.Popen(  # noqa: S603
                [*program, kind, str(port), str(cpus), directory],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=ray_environment(os.environ) | dict(environment),
                start_new_session=True,
            )

    def wait(self) -> str:
        """The address of the cluster, once the node is ready. Raises `LocalClusterError`."""
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            for line in self._log.read_text(errors="replace").splitlines():
                if line.startswith("ready "):
                    return line.removeprefix("ready ")
            time.sleep(0.05)
        self.process.kill()
        self.process.wait()
        raise LocalClusterError(f"a node did not start; its log is {self._log}")


def _session_directory(folder: Path) -> str:
    """The directory of Ray's sessions: a short path, as sockets need, of this cluster alone."""
    return f"/tmp/forefront-{hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:8]}"  # noqa: S108


def _write(folder: Path, cluster: LocalCluster) -> None:
    (folder / "local.json").write_text(json.dumps(asdict(cluster)))


def _is_alive(process: int) -> bool:
    with suppress(ChildProcessError):
        # A child of this process that has ended is reaped here.
        os.waitpid(process, os.WNOHANG)
    try:
        command = Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return False
    return b"forefront.cluster.deployment.local_node" in command


def _signal(process: int, number: signal.Signals) -> None:
    """Signal a node, and no other process that has its number by now."""
    if _is_alive(process):
        os.kill(process, number)
