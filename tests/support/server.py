"""A real `forefront serve` in its own process, on a free port."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

KEY = "test-key-0123456789-abcdefghij"
START_TIMEOUT = 180


@dataclass
class RunningServer:
    """Where it listens, the key that opens it, and its process."""

    url: str
    key: str
    process: subprocess.Popen[bytes]
    log: Path

    def client(self, **options: Any) -> httpx.Client:
        """A client with the key; `base_url` is the server's."""
        headers = {"authorization": f"Bearer {self.key}"} | options.pop("headers", {})
        return httpx.Client(base_url=self.url, headers=headers, timeout=180, **options)

    def get(self, path: str) -> httpx.Response:
        """One request on its own connection."""
        with self.client() as client:
            return client.get(path)

    def async_client(self, **options: Any) -> httpx.AsyncClient:
        """The same for asynchronous tests."""
        return self.as_key(self.key, **options)

    def as_key(self, key: str, **options: Any) -> httpx.AsyncClient:
        """A client with another key."""
        headers = {"authorization": f"Bearer {key}"}
        limits = httpx.Limits(max_connections=None)
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=180, limits=limits, **options)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send the signal and wait; the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(60)


@contextmanager
def run_server(
    arguments: list[str],
    home: Path,
    *,
    key: str | None = KEY,
    environment: dict[str, str] | None = None,
    module: str = "forefront.cli",
    log: Path | None = None,
) -> Iterator[RunningServer]:
    """Start `forefront serve ARGUMENTS`, wait for the line with its address, and stop it in the end. `module`: what
    runs in the command's place. `log`: where its output goes, for homes of several servers (beside the home)."""
    log = log or home.parent / f"{home.name}.log"
    variables = {name: value for name, value in os.environ.items() if not name.startswith("FOREFRONT")}
    variables |= {"FOREFRONT_HOME": str(home), "PORT": "0"} | (environment or {})
    if key is not None:
        variables["FOREFRONT_API_KEY"] = key
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", module, "serve", *arguments],
            env=variables,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
    try:
        url, shown_key = _wait(process, log)
        yield RunningServer(url, key or shown_key, process, log)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(process: subprocess.Popen[bytes], log: Path) -> tuple[str, str]:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        text = log.read_text()
        match = re.search(r"Forefront \S+ serves .* on (https?://\S+)", text)
        if match:
            key = re.search(r"FOREFRONT_API_KEY=(\S+)", log.read_text())
            return match[1], key[1] if key else ""
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with status {process.returncode}:\n{text}")
        time.sleep(0.02)
    raise RuntimeError(f"the server did not start within {START_TIMEOUT} s:\n{log.read_text()}")
