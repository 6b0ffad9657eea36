"""From a source to a model that is served."""

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from forefront.catalog.catalog import ServedModel
from forefront.catalog.source import ModelSource, SourceError
from forefront.catalog.store import Store, read_facts
from forefront.chat.loading import LoadError, ModelOptions, load_backend

# Called with what is about to be done; the context that it returns is open while that is being done.
Progress = Callable[[str], AbstractContextManager[object]]


def load(source: ModelSource, store: Store, options: ModelOptions, progress: Progress) -> ServedModel:
    """Convert if need be, and load. Raises `SourceError`, whose text names the file."""
    directory = store.find(source)
    if directory is None:
        with progress(f"Converting {source.name} for this machine (once)"):
            directory = store.convert(source)
    with progress(f"Loading {source.name}"):
        try:
            backend = load_backend(directory, read_facts(directory), options)
        except LoadError as error:
            raise SourceError(f"{source.path}: {error}") from error
    created = int(source.path.stat().st_mtime)
    return ServedModel(source.name, backend, created, _fingerprint(directory, options))


def _fingerprint(directory: Path, options: ModelOptions) -> str:
    """The same for two servers that would answer a seeded request alike: same weights, same engine settings."""
    weights = (directory / "openvino_model.bin").stat()
    seen = f"{directory.name}/{weights.st_size}/{options.inference_precision}/{options.kv_precision}"
    return "fp_" + hashlib.sha256(seen.encode()).hexdigest()[:12]
