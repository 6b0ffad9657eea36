"""A disk that fills up while weights are packed: one sentence, no partial folder, and a later start works."""

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from forefront.catalog.sources.source import BUILT_IN_PATH
from tests.support.models.loaded import load_parts

# Less than the packed weights of the built-in model, and more than the store.
_BYTES = 2**21


def refused_start(home: Path, prepare: Callable[[], None] | None = None) -> str:
    """The last line of a `forefront serve` that ends by itself."""
    command = [sys.executable, "-m", "forefront.cli", "serve", "--port", "0"]
    environment = os.environ | {"FOREFRONT_HOME": str(home)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, preexec_fn=prepare)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr.strip().splitlines()[-1]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB."""
    mount = shutil.which("mount")
    command = [mount or "", "-t", "tmpfs", "-o", f"size={_BYTES}", "tmpfs", str(tmp_path)]
    if mount is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("file systems cannot be mounted here")
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


def test_a_full_disk(small_disk: Path) -> None:
    line = refused_start(small_disk)
    reason = f"its weights cannot be kept in {small_disk}/models: No space left on device"
    assert line == f"forefront: {BUILT_IN_PATH}: {reason}"
    assert list((small_disk / "models").iterdir()) == []


def test_a_limit_of_file_sizes(tmp_path: Path) -> None:
    line = refused_start(tmp_path, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (_BYTES, _BYTES)))
    assert line == f"forefront: {BUILT_IN_PATH}: its weights cannot be kept in {tmp_path}/models: File too large"
    assert list((tmp_path / "models").iterdir()) == []
    assert load_parts(BUILT_IN_PATH, tmp_path).graph.vocabulary_size > 0


def test_an_unwritable_disk(small_disk: Path) -> None:
    (small_disk / "models").mkdir()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    line = refused_start(small_disk)
    assert line.startswith("forefront: ")
    assert "ead-only" in line
