"""OpenVINO GenAI's own continuous batching as a peer: its pipeline in a child process (`genai_server.py`)."""

import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.models import FOLDER
from benchmarks.peers.environment import environment, pinned_version
from benchmarks.peers.peer import Peer
from benchmarks.peers.process import not_started, run_process, run_to_end

NAME: Final = "OpenVINO GenAI"
_SCRIPT: Final = Path(__file__).with_name("genai_server.py")
_START_SECONDS: Final = 180.0


@contextmanager
def run_openvino_genai(model: Path, *, threads: int, log: Path) -> Iterator[Peer]:
    """Serve a GGUF file, converted on first use. Raises `PeerError`."""
    python = str(environment("openvino_genai") / "python")
    folder = FOLDER / "genai" / model.stem
    if not folder.exists():
        part = folder.with_name(f"{folder.name}.{os.getpid()}")
        run_to_end(NAME, [python, "-P", str(_SCRIPT), "convert", str(model), str(part)])
        part.rename(folder)
    with run_process([python, "-P", str(_SCRIPT), "serve", str(folder), str(threads)], log) as process:
        url = f"http://127.0.0.1:{_port(process, log)}"
        version = f"openvino-genai {pinned_version('openvino-genai', 'openvino_genai')}"
        yield Peer(NAME, version, url, "none", model.stem, process.pid)


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if match := re.search(r"^port (\d+)$", log.read_text(errors="replace"), re.MULTILINE):
            return int(match[1])
        time.sleep(0.1)
    raise not_started(NAME, process, log)
