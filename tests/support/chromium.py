"""A headless Chromium that opens a page of this machine and hears what the page has to report."""

import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, Queue
from typing import Self

import pytest

_TYPES = {"html": "text/html", "js": "text/javascript"}


class PageServer(ThreadingHTTPServer):
    """Serves `files` (paths without the first slash) on a port of 127.0.0.1, and keeps what is posted to `/report`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.reports: Queue[str] = Queue()
        self.origin = f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: PageServer

    def do_GET(self) -> None:
        path = self.path.partition("?")[0].lstrip("/")
        body = self.server.files.get(path)
        self.send_response(404 if body is None else 200)
        self.send_header("content-type", _TYPES.get(path.rpartition(".")[2], "application/octet-stream"))
        self.end_headers()
        self.wfile.write(body or b"")

    def do_POST(self) -> None:
        self.server.reports.put(self.rfile.read(int(self.headers["content-length"])).decode())
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def report_of(pages: PageServer, files: Mapping[str, bytes], timeout: float = 60) -> str:
    """Open `index.html` of `files` in a browser; the first thing that it posts to `/report`."""
    pages.files |= files
    with run_chromium(f"{pages.origin}/index.html") as process:
        try:
            return pages.reports.get(timeout=timeout)
        except Empty:
            process.kill()
            pytest.fail(f"the page reported nothing within {timeout} s")


@contextmanager
def run_chromium(url: str) -> Iterator[subprocess.Popen[bytes]]:
    """A browser on `url`, with a profile of its own.

    Where there is none, tests that need it are skipped, loudly; with CI set, it is installed, or they fail.
    """
    program = _program()
    with tempfile.TemporaryDirectory(prefix="forefront-chromium-", ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [
                program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-proxy-server",
                f"--user-data-dir={profile}", url,
            ],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _program() -> str:
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None and os.environ.get("CI") and os.geteuid() == 0 and shutil.which("apt-get"):
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update"], ["install", "-y", "--no-install-recommends", "chromium"]):
            subprocess.run(["apt-get", *command], env=environment, check=True, capture_output=True)
        found = shutil.which("chromium")
    if found is None:
        text = "Chromium is not installed, so NOTHING is tested in a browser (apt-get install chromium)"
        if os.environ.get("CI"):
            pytest.fail(text)
        pytest.skip(text)
    return found
