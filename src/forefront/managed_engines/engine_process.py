"""An engine as a child process: started, watched, restarted and ended.

One thread per process owns it. The kernel's parent-death signal is bound to the thread that creates a child, so the
thread lives as long as the child may.
"""

import json
import logging
import os
import secrets
import select
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from forefront.chat.subprocess_worker import child_environment
from forefront.engine.errors import EngineStoppedError, EngineUnavailableError
from forefront.managed_engines.errors import EngineStartError
from forefront.managed_engines.process_tree import resident_bytes

log = logging.getLogger(__name__)

_LOG_LINES: Final = 400
_LOG_LINE_BYTES: Final = 2000
_SHOWN_LINES: Final = 12
_POLL_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The address and the key of a running engine."""

    url: str
    key: str


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start an engine: a module of this package that runs in the child, and its settings. The child gets them on
    standard input, together with `key` and `parent`, the parent's process id."""

    module: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProcessLimits:
    """Times in seconds. The pause before a restart doubles from `first_pause` to `longest_pause`; after a run of
    `healthy` it begins at `first_pause` again. `start`: the longest wait for readiness. `grace`: the wait for an engine
    to end by itself."""

    start: float = 1800.0
    first_pause: float = 0.5
    longest_pause: float = 60.0
    healthy: float = 60.0
    grace: float = 5.0


class EngineProcess:
    """One engine. Call `start`, then `endpoint` for each request, and `stop` at the end."""

    def __init__(self, name: str, launch: Launch, limits: ProcessLimits | None = None) -> None:
        self._name, self._launch, self._limits = name, launch, limits or ProcessLimits()
        self._log: deque[str] = deque(maxlen=_LOG_LINES)
        self._log_reader: threading.Thread | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._attempt: Future[Endpoint] = Future()
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._supervise, name=f"forefront-engine-{name}", daemon=True)
        self.restarts = 0

    def start(self, on_wait: Callable[[float], None] = lambda _: None) -> Endpoint:
        """Start the engine and wait until it is ready. `on_wait` is called several times per second with the seconds
        since the start. Raises `EngineStartError`."""
        begin, attempt = time.monotonic(), self._attempt
        self._thread.start()
        while True:
            try:
                return attempt.result(_POLL_SECONDS)
            except FutureTimeoutError:
                on_wait(time.monotonic() - begin)

    @property
    def pid(self) -> int | None:
        """The process id; None while no process runs."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    @property
    def attempt(self) -> "Future[Endpoint]":
        """The present start: done once the engine is ready. It fails with `EngineUnavailableError` while the engine
        pauses before a restart, and with `EngineStoppedError` after `stop`."""
        return self._attempt

    def log_lines(self) -> list[str]:
        """The last lines of the engine's log, for the operator."""
        return list(self._log)

    def memory_bytes(self) -> int:
        """Resident memory of the process and its descendants, mapped weights included."""
        pid = self.pid
        return 0 if pid is None else resident_bytes(pid)

    def stop(self) -> None:
        """End the engine: by closing its standard input, after `grace` seconds by force. Callable from any thread."""
        self._stopping.set()
        with self._lock:
            process = self._process
        if process is not None:
            _close_input(process)
            try:
                process.wait(self._limits.grace)
            except subprocess.TimeoutExpired:
                log.warning("engine %s does not exit and is killed", self._name)
                process.kill()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join(self._limits.grace)

    def _supervise(self) -> None:
        pause, attempt = self._limits.first_pause, self._attempt
        while True:
            began = time.monotonic()
            process = self._spawn()
            endpoint = None if process is None else self._wait_until_ready(process)
            if process is None or endpoint is None:
                reason = self._end(process, ready=False)
                if not attempt.done() and not self.restarts:
                    attempt.set_exception(EngineStartError(reason))
                    return
            else:
                attempt.set_result(endpoint)
                process.wait()
                reason = self._end(process, ready=True)
            if self._stopping.is_set():
                break
            if endpoint is not None and time.monotonic() - began >= self._limits.healthy:
                pause = self._limits.first_pause
            log.error("%s; it is started again in %.1f s", reason, pause)
            self._fail(attempt, pause)
            if self._stopping.wait(pause):
                break
            pause = min(2 * pause, self._limits.longest_pause)
            self.restarts += 1
            attempt = self._attempt = Future()
        self._fail(attempt, None)

    def _fail(self, attempt: "Future[Endpoint]", pause: float | None) -> None:
        """Fail the waiting requests, and those that come until the next start or, for None, forever."""
        error = EngineStoppedError("the engine was stopped") if pause is None else EngineUnavailableError(pause)
        failed: Future[Endpoint] = Future()
        failed.set_exception(error)
        self._attempt = failed
        if not attempt.done():
            attempt.set_exception(error)

    def _spawn(self) -> subprocess.Popen[bytes] | None:
        """Start the child and send it its settings; None while stopping, or if the system has no room for a process."""
        command = [sys.executable, "-m", self._launch.module]
        with self._lock:  # `stop` closes the child's input
            if self._stopping.is_set():
                return None
            key = secrets.token_urlsafe(32)
            try:
                process = subprocess.Popen(  # noqa: S603
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    env=child_environment(),
                    start_new_session=True,
                )
            except OSError as error:
                self._log.append(f"no process can be created: {error.strerror}")
                return None
            self._process, self._key = process, key
            settings = {**self._launch.settings, "key": key, "parent": os.getpid()}
            assert process.stdin is not None
            with suppress(OSError):  # it has already ended, which `_wait_until_ready` detects
                process.stdin.write(json.dumps(settings).encode() + b"\n")
                process.stdin.flush()
        self._log_reader = threading.Thread(target=self._keep_log, args=(process,), daemon=True)
        self._log_reader.start()
        return process

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> Endpoint | None:
        """The endpoint that the child reports; None for one that ends or takes too long."""
        assert process.stdout is not None
        readable, _, _ = select.select([process.stdout], [], [], self._limits.start)
        line = process.stdout.readline() if readable else b""
        if not line:
            return None
        return Endpoint(json.loads(line)["url"], self._key)

    def _end(self, process: subprocess.Popen[bytes] | None, *, ready: bool) -> str:
        """Collect a process that has ended, or is killed because it did not become ready. The reason for the log."""
        if process is None:
            return f"engine {self._name} was not started: {(self.log_lines() or ['it was stopped'])[-1]}"
        if not ready:
            try:
                process.wait(1)  # a child that closed its report without an address is about to end
            except subprocess.TimeoutExpired:
                process.kill()
        status = process.wait()
        if self._log_reader is not None:
            self._log_reader.join(1)
        _close_input(process)
        if process.stdout is not None:
            process.stdout.close()
        how = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        when = "" if ready else " before it was ready"
        last = "".join(f"\n  {line}" for line in self.log_lines()[-_SHOWN_LINES:])
        return f"engine {self._name} {how}{when}" + (f"; its last lines:{last}\n" if last else "")

    def _keep_log(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stderr is not None
        with process.stderr as stream:
            while line := stream.readline(_LOG_LINE_BYTES):
                self._log.append(line.decode(errors="replace").rstrip())


def _close_input(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    with suppress(OSError):
        process.stdin.close()
