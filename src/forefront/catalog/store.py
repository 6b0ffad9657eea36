"""The cache of converted models under `FOREFRONT_HOME/models`, keyed by what is in the file."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from forefront.catalog.source import ModelSource, SourceError
from forefront.chat.child import child_environment
from forefront.chat.loading import ModelFacts
from forefront.tokenizer.load import METADATA_FILE, missing_files

_FILES = ("openvino_model.xml", "openvino_model.bin")
# Raised whenever the same file would be converted into something else than before: what is cached is then left alone.
_CONVERSION = 4


class Store:
    """Directories that the engine can load, made once for each GGUF file.

    A directory appears under its final name only when it is complete, so a conversion that is cut short, or runs twice
    at the same time, leaves nothing half-made behind.
    """

    def __init__(self, home: Path) -> None:
        self._models = home / "models"

    def find(self, source: ModelSource) -> Path | None:
        """The directory to load `source` from, or None when it must be converted first."""
        if not source.is_gguf:
            return source.path
        directory = self._directory(source)
        return directory if (directory / "facts.json").is_file() else None

    def convert(self, source: ModelSource) -> Path:
        """Convert a GGUF file in a child process; takes seconds to minutes. Raises `SourceError`."""
        final = self._directory(source)
        try:
            self._models.mkdir(parents=True, exist_ok=True)
            work = Path(tempfile.mkdtemp(prefix="converting-", dir=self._models))
            try:
                _run_converter(source, work)
                _publish(work, final)
            finally:
                shutil.rmtree(work, ignore_errors=True)
        except OSError as error:
            raise SourceError(f"{source.path} cannot be converted into {self._models}: {error.strerror}") from error
        return final

    def _directory(self, source: ModelSource) -> Path:
        with source.path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return self._models / f"{digest[:32]}-{version('openvino-genai')}-{_CONVERSION}"


def read_facts(directory: Path) -> ModelFacts:
    """What a loadable directory says of its model, converted here or exported elsewhere. Raises `SourceError`."""
    missing = [*(name for name in _FILES if not (directory / name).is_file()), *missing_files(directory)]
    if missing:
        raise SourceError(f"{directory}: {', '.join(missing)} is missing")
    if (directory / "facts.json").is_file():
        facts = _read_json(directory / "facts.json")
        context = facts["context_length"]
        ends = facts["end_tokens"]
    else:
        context = _read_json(directory / "config.json").get("max_position_embeddings")
        ends = _read_json(directory / "generation_config.json").get("eos_token_id")
    if not isinstance(context, int) or context < 1:
        raise SourceError(f"{directory}: nothing says how long the model's context is")
    ends = ends if isinstance(ends, list) else [] if ends is None else [ends]
    return ModelFacts(context, frozenset(ends))


def _publish(work: Path, final: Path) -> None:
    try:
        work.rename(final)
    except OSError:
        # Another process was faster; its result is as good.
        if not (final / "facts.json").is_file():
            raise


def _run_converter(source: ModelSource, work: Path) -> None:
    # The converter is this package's own module, and its arguments are paths, not shell text.
    command = [sys.executable, "-m", "forefront.catalog.convert", str(source.path), str(work)]
    # It reads a stranger's file, so it is not told what opens the server or its store.
    result = subprocess.run(  # noqa: S603
        command,
        env=child_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if result.returncode == 0 and all((work / name).is_file() for name in (*_FILES, METADATA_FILE)):
        return
    lines = result.stderr.strip().splitlines()
    if result.returncode < 0:
        reason = f"the converter died of signal {-result.returncode}"
    else:
        reason = lines[-1] if lines else "the converter wrote no model"
    raise SourceError(
        f"{source.path}: it cannot be converted; the file may be damaged or of an unknown kind ({reason})"
    )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def default_home() -> Path:
    """`FOREFRONT_HOME`, or `~/.forefront`."""
    return Path(os.environ.get("FOREFRONT_HOME") or "~/.forefront").expanduser()
