"""A package index of one package on loopback, as pip reads it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Index:
    """What it serves, and how. `cut` ends each download after so many bytes; `gate`, while it is closed, holds it."""

    def __init__(self, package: str, wheel_name: str, wheel: bytes) -> None:
        self.package = package
        self.wheel_name = wheel_name
        self.wheel = wheel
        self.cut: int | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.downloads = 0
        self.url = ""


@contextmanager
def run_index(index: Index) -> Iterator[Index]:
    """Serve the index until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.endswith(".whl"):
                index.downloads += 1
                index.gate.wait(30)
                self._send(index.wheel, "application/octet-stream", index.cut)
            elif self.path.strip("/") == index.package:
                self._send(f'<a href="/{index.wheel_name}">{index.wheel_name}</a>'.encode(), "text/html", None)
            else:
                self.send_error(404)

        def _send(self, body: bytes, kind: str, cut: int | None) -> None:
            self.send_response(200)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[:cut])

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    index.url = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield index
    finally:
        index.gate.set()
        server.shutdown()
        thread.join()
        server.server_close()
