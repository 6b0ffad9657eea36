"""A stand-in for vLLM or SGLang: an HTTP server with a key, and a worker in its own session.

`python stand_in_engine.py [serve ...] --port PORT [--config FILE] [--fail TEXT] [--deaf]`
"""

import json
import os
import signal
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def _value(option: str) -> str | None:
    return sys.argv[sys.argv.index(option) + 1] if option in sys.argv else None


def main() -> None:
    """Serve until a signal ends it."""
    print("stand-in engine starts", file=sys.stderr, flush=True)
    if (reason := _value("--fail")) is not None:
        print(reason, file=sys.stderr)
        raise SystemExit(3)
    if "--deaf" in sys.argv:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    config = _value("--config")
    key = os.environ.get("VLLM_API_KEY") or (json.loads(Path(config).read_text())["api-key"] if config else None)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            allowed = self.path == "/health" or self.headers["authorization"] == f"Bearer {key}"
            body = json.dumps({"worker": worker.pid, "pid": os.getpid(), "arguments": sys.argv[1:]}).encode()
            self.send_response(200 if allowed else 401)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """No log of requests."""

    port = _value("--port")
    assert port is not None
    ThreadingHTTPServer(("127.0.0.1", int(port)), Handler).serve_forever()


if __name__ == "__main__":
    main()
