"""The process between this server and an engine that is its own program: `python -m
forefront.managed_engines.guardian`.

Such engines start worker processes. All of them end with the guardian, and the guardian ends with the server, even if
the server is killed.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from types import FrameType
from typing import Any, Final

from forefront.managed_engines.child_process import (
    adopt_orphans,
    die_with_parent,
    read_settings,
    report_ready,
    take_report_stream,
    wait_for_end,
)
from forefront.managed_engines.process_tree import descendants

HOST: Final = "127.0.0.1"
# The place of the port in a command.
PORT: Final = "{port}"
# Less than the time after which the parent kills the guardian.
_GRACE_SECONDS: Final = 3.0
_POLL_SECONDS: Final = 0.1
_HEALTH_TIMEOUT: Final = 5.0


class _Ended(BaseException):
    """SIGTERM arrived: from the kernel when the parent dies, or from an operator."""


def main() -> int:
    """Run the command of the settings until it ends or the parent does. The exit status of the command."""
    settings = read_settings()
    signal.signal(signal.SIGTERM, _end)
    process: subprocess.Popen[bytes] | None = None
    with contextlib.suppress(_Ended), tempfile.TemporaryDirectory(prefix="forefront-engine-") as folder:
        try:
            die_with_parent(settings["parent"], signal.SIGTERM)
            adopt_orphans()
            report = take_report_stream()
            threading.Thread(target=_end_with_input, daemon=True).start()
            port = _free_port()
            process = _start(settings, port, folder)
            if _wait_until_healthy(process, f"http://{HOST}:{port}{settings['health']}"):
                report_ready(report, f"http://{HOST}:{port}")
                process.wait()
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            _end_all(process)
    status = 0 if process is None else process.wait()
    return status if status >= 0 else 128 - status


def _start(settings: dict[str, Any], port: int, folder: str) -> subprocess.Popen[bytes]:
    """Start the command. Its key is in the environment or in a file that this user alone can read."""
    command = [part.replace(PORT, str(port)) for part in settings["command"]]
    guardian = os.getpid()
    environment = dict(os.environ)
    if name := settings.get("key_variable"):
        environment[name] = settings["key"]
    if option := settings.get("key_file_option"):
        path = os.path.join(folder, "engine.yaml")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump({"api-key": settings["key"]}, file)  # JSON is YAML
        command += [option, path]
    return subprocess.Popen(  # noqa: S603
        command,
        stdin=subprocess.DEVNULL,
        env=environment,
        preexec_fn=lambda: die_with_parent(guardian),
    )


def _free_port() -> int:
    with socket.socket() as free:
        free.bind((HOST, 0))
        port: int = free.getsockname()[1]
    return port


def _wait_until_healthy(process: subprocess.Popen[bytes], url: str) -> bool:
    """Whether the engine answers before it ends."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while process.poll() is None:
        try:
            with opener.open(url, timeout=_HEALTH_TIMEOUT):
                return True
        except (urllib.error.URLError, OSError):
            time.sleep(_POLL_SECONDS)
    return False


def _end_all(process: subprocess.Popen[bytes] | None) -> None:
    """Ask the command to end, then kill it and all that it has started."""
    if process is not None and process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_SECONDS)
    while left := descendants(os.getpid()):
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.01)


def _end_with_input() -> None:
    wait_for_end()
    os.kill(os.getpid(), signal.SIGTERM)


def _end(_number: int, _frame: FrameType | None) -> None:
    raise _Ended


if __name__ == "__main__":
    sys.exit(main())
