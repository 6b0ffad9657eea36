"""The discovery of a cluster's replicas by a server: through a child process, which alone has Ray.

Ray's library ends its process when the head node is unreachable for long. This ends only the child, which is restarted;
the server keeps the known replicas.
"""

import logging
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from forefront.chat.subprocess_worker import child_environment
from forefront.cluster.deployment.ray_environment import ray_environment
from forefront.cluster.discovery.watch_messages import ModelReplicas, WatchFailure, WatchMessage
from forefront.cluster.protocol.replica_identity import ReplicaAddress

log = logging.getLogger(__name__)

_FIRST_PAUSE: Final = 0.5
_MAX_PAUSE: Final = 10.0
# Seconds between two wake-ups for a model, so that the pipe to a child that does not read never fills up.
_WAKE_SECONDS: Final = 0.5

Listener = Callable[[Sequence[ReplicaAddress]], None]


class DiscoveryError(Exception):
    """No replica was found. The message has the reason."""


class ClusterWatch:
    """Follows the replicas of `models` in the cluster at `address`. `environment`: variables of the child beside those
    of this process. Thread-safe."""

    def __init__(self, address: str, models: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self._command = [sys.executable, "-m", "forefront.cluster.discovery.watcher", address, *models]
        self._environment = ray_environment(child_environment()) | dict(environment or {})
        self._changed = threading.Condition()
        self._replicas: dict[str, list[ReplicaAddress]] = {}
        self._listeners: dict[str, list[Listener]] = {}
        self._failure = ""
        self._woken: dict[str, float] = {}
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run, name="forefront-discovery", daemon=True)

    def start(self) -> None:
        """Start the child."""
        self._thread.start()

    def stop(self) -> None:
        """End the child."""
        self._stopping.set()
        process = self._process
        if process is not None:
            process.kill()
        self._thread.join()

    def subscribe(self, model: str, listener: Listener) -> Callable[[], None]:
        """Call `listener`, in any thread, with the replicas of a model now and after each change. Returns a function
        that unsubscribes."""
        with self._changed:
            self._listeners.setdefault(model, []).append(listener)
            listener(self._replicas.get(model, []))

        def end() -> None:
            with self._changed:
                self._listeners[model].remove(listener)

        return end

    def wake(self, model: str) -> None:
        """Request a replica for a model without one. Most calls in quick succession do nothing."""
        process, now = self._process, time.monotonic()
        if process is None or process.stdin is None or now - self._woken.get(model, -math.inf) < _WAKE_SECONDS:
            return
        self._woken[model] = now
        try:
            process.stdin.write(model.encode() + b"\n")
            process.stdin.flush()
        except (OSError, ValueError):  # it has ended, and is started again
            return

    def wait(self, model: str, seconds: float) -> list[ReplicaAddress]:
        """The replicas of a model, once there is one. Raises `DiscoveryError`."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while not self._replicas.get(model):
                left = deadline - time.monotonic()
                if left <= 0 or self._stopping.is_set():
                    reason = self._failure or "the cluster has no replica of it: `forefront cluster up` deploys models"
                    raise DiscoveryError(reason)
                if self._failure and self._process is None:
                    raise DiscoveryError(self._failure)
                self.wake(model)
                self._changed.wait(min(left, 1.0))
            return list(self._replicas[model])

    def _run(self) -> None:
        pause = _FIRST_PAUSE
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                self._follow()
            except (OSError, msgspec.DecodeError):
                log.exception("the process that follows the cluster failed")
            if self._stopping.is_set():
                return
            log.warning("the connection to Ray has ended, and is made again; the known replicas stay in use")
            pause = _FIRST_PAUSE if time.monotonic() - began > 60 else min(2 * pause, _MAX_PAUSE)
            self._stopping.wait(pause)

    def _follow(self) -> None:
        """Run the child to its end."""
        process = subprocess.Popen(  # noqa: S603
            self._command,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if log.isEnabledFor(logging.DEBUG) else subprocess.DEVNULL,
            cwd=os.sep,
        )
        self._process = process
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            for line in process.stdout:
                self._take(msgspec.json.decode(line, type=WatchMessage))
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
            process.stdin.close()
            with self._changed:
                self._process = None
                self._changed.notify_all()

    def _take(self, message: WatchMessage) -> None:
        with self._changed:
            match message:
                case WatchFailure(text=text):
                    log.error("the cluster cannot be watched: %s", text)
                    self._failure = text
                case ModelReplicas(model=model, replicas=replicas):
                    self._failure = ""
                    self._replicas[model] = replicas
                    for listener in self._listeners.get(model, ()):
                        listener(replicas)
            self._changed.notify_all()


@dataclass(frozen=True, slots=True)
class ModelWatch:
    """The view of a `ClusterWatch` on one model."""

    watch: ClusterWatch
    model: str

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """See `ClusterWatch.subscribe`."""
        return self.watch.subscribe(self.model, listener)

    def wake(self) -> None:
        """See `ClusterWatch.wake`."""
        self.watch.wake(self.model)
