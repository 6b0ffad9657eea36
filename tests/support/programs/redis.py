"""A temporary Redis server on a free port. It can be stopped and started again."""

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.support.ports import free_port
from tests.support.programs.debian import installed

PASSWORD = "a-secret-password"


@dataclass
class RedisServer:
    """Where it listens, and its process."""

    program: str
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """With the password."""
        return f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, with nothing in it, and wait until it listens."""
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--requirepass", PASSWORD]
        options += ["--save", "", "--appendonly", "no", "--dir", "/"]
        self.process = subprocess.Popen([self.program, *options], stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.01)
        raise RuntimeError("Redis did not start within 20 s")

    def stop(self) -> None:
        """End it at once, and forget everything."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """It takes connections and answers nothing."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)


@contextmanager
def run_redis() -> Iterator[RedisServer]:
    """Start one, and stop it in the end.

    Where Redis is missing, tests that need it are skipped, loudly; with CI set, it is installed, or they fail.
    """
    server = RedisServer(_program())
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _program() -> str:
    missing = "Redis is not installed, so NOTHING about it is tested"
    return installed(lambda: shutil.which("redis-server"), "redis-server", missing)
