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

from forefront.catalog.gguf_numbers import MAX_CONTEXT
from forefront.catalog.source import ModelSource, SourceError
from forefront.chat.child import child_environment
from forefront.chat.loading import ModelFacts

_FILES = ("openvino_model.xml", "openvino_model.bin", "openvino_tokenizer.xml", "openvino_detokenizer.xml")
# Raised whenever the same file would be converted into something else than before: what is cached is then left alone.
_CONVERSION = 3


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
    missing = [name for name in _FILES if not (directory / name).is_file()]
    if missing:
        raise SourceError(f"{directory}: {', '.join(missing)} is missing")
    if (directory / "facts.json").is_file():
        facts = _read_json(directory / "facts.json")
        context = facts["context_length"]
        ends = facts["end_tokens"]
    else:
        context = _read_json(directory / "config.json").get("max_position_embeddings")
        ends = _read_json(directory / "generation_config.json").get("eos_token_id")
    if type(context) is not int or not 1 <= context <= MAX_CONTEXT:
        text = f"nothing says how long the model's context is, in tokens from 1 to {MAX_CONTEXT}"
        raise SourceError(f"{directory}: {text}")
    ends = ends if isinstance(ends, list) else [] if ends is None else [ends]
    if not all(type(token) is int for token in ends):
        raise SourceError(f"{directory}: the tokens that end an answer are not all numbers")
    return ModelFacts(context, frozenset(ends))


def _publish(work: Path, final: Path) -> None:
    try:
        work.rename(final)
    except OSError:
        # Another process was faster; its result is as good.
        if not (final / "facts.json").is_file():
            raise


def _run_converter(source: ModelSource, work: Path) -> None:
    memory, seconds = _bounds(source.path.stat().st_size)
    # The converter is this package's own module, and its arguments are paths, not shell text.
    command = [
        sys.executable,
        "-m",
        "forefront.catalog.convert",
        str(source.path),
        str(work),
        str(memory),
        str(seconds),
    ]
    # It reads a stranger's file, so it gets nothing that opens the server or its store.
    try:
        result = subprocess.run(  # noqa: S603
            command,
            env=child_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            check=False,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        raise SourceError(f"{source.path}: it cannot be converted: it takes longer than {seconds} seconds") from None
    if result.returncode == 0 and all((work / name).is_file() for name in _FILES):
        return
    lines = result.stderr.strip().splitlines()
    if result.returncode < 0:
        reason = f"the converter died of signal {-result.returncode}; it may use {memory} MiB of memory"
    else:
        reason = lines[-1] if lines else "the converter wrote no model"
    raise SourceError(
        f"{source.path}: it cannot be converted; the file may be damaged or of an unknown kind ({reason})"
    )


def _bounds(size: int) -> tuple[int, int]:
    """How much memory in MiB, and how many seconds, the conversion of a file of `size` bytes may take.

    It took 210 MiB and, for each byte of the file, 1.5 bytes of Q8_0, 1.6 of Q4_0 and 3 of F16; 15 seconds for a GiB.
    Each core has a thread with a stack of 8 MiB.
    """
    return 1024 + 16 * (os.cpu_count() or 1) + 6 * size // 2**20, 120 + 120 * size // 2**30


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def default_home() -> Path:
    """`FOREFRONT_HOME`, or `~/.forefront`."""
    return Path(os.environ.get("FOREFRONT_HOME") or "~/.forefront").expanduser()
