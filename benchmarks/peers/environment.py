"""Virtual environments of peers, installed from pinned requirements with hashes and kept in the cache."""

import hashlib
import shutil
import sys
import venv
from pathlib import Path
from typing import Final

from benchmarks.models import CACHE
from benchmarks.peers.process import run_to_end

REQUIREMENTS: Final = Path(__file__).parent / "requirements"
_DONE: Final = "installed"


def pinned_version(package: str, requirements: str) -> str:
    """The version of a package in one of the requirement files."""
    for line in (REQUIREMENTS / f"{requirements}.txt").read_text().splitlines():
        name, _, rest = line.partition("==")
        if name == package:
            return rest.split()[0]
    raise LookupError(f"{requirements}.txt does not pin {package}")


def environment(requirements: str) -> Path:
    """The folder of the programs of an environment, installed on first use. Raises `PeerError`."""
    file = REQUIREMENTS / f"{requirements}.txt"
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    digest = hashlib.sha256(file.read_bytes() + python.encode()).hexdigest()[:12]
    folder = CACHE / f"{requirements}-{digest}"
    programs = folder / "bin"
    if not (folder / _DONE).exists():
        print(f"Installing {requirements} into its own environment (once) ...", file=sys.stderr, flush=True)
        shutil.rmtree(folder, ignore_errors=True)  # of an installation that was cut off
        venv.create(folder, with_pip=True)
        install = [str(programs / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        run_to_end(requirements, [*install, "--require-hashes", "-r", str(file)])
        (folder / _DONE).touch()
    return programs
