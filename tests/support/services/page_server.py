"""A server of files in memory, which receives the reports of their page."""

import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, Queue
from typing import Self

import pytest

from tests.support.programs.chromium import open_page

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


def report_of(pages: PageServer, files: Mapping[str, bytes], timeout: float = 180) -> str:
    """Open `index.html` of `files` in a browser; the first thing that it posts to `/report`."""
    pages.files |= files
    with open_page() as page:
        page.open(f"{pages.origin}/index.html")
        try:
            return pages.reports.get(timeout=timeout)
        except Empty:
            pytest.fail(f"the page reported nothing within {timeout} s: {page.complaints()}")
