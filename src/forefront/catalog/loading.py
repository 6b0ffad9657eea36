"""From a source to a model that is served."""

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib.metadata import version
from pathlib import Path

from forefront.catalog.catalog import Build, ServedModel
from forefront.catalog.source import ModelSource, SourceError
from forefront.catalog.store import Store, read_facts
from forefront.chat.loading import LoadError, ModelOptions, load_backend

# Called with what is about to be done; the context that it returns is open while that is being done.
Progress = Callable[[str], AbstractContextManager[object]]


def load(
    source: ModelSource, store: Store, options: ModelOptions, progress: Progress, chat_template: str | None = None
) -> ServedModel:
    """Convert if need be, and load. `chat_template` takes the place of the model's own.

    Raises `SourceError`, whose text names the file.
    """
    directory = store.find(source)
    if directory is None:
        with progress(f"Converting {source.name} for this machine (once)"):
            directory = store.convert(source)
    with progress(f"Loading {source.name}"):
        try:
            backend = load_backend(directory, read_facts(directory), options, chat_template)
        except LoadError as error:
            raise SourceError(f"{source.path}: {error}") from error
    created = int(source.path.stat().st_mtime)
    return ServedModel(source.name, backend, created, _fingerprint(directory, options), _build(directory, options))


def _build(directory: Path, options: ModelOptions) -> Build:
    with (directory / "openvino_model.bin").open("rb") as file:
        weights = hashlib.file_digest(file, "sha256").hexdigest()
    activations = "8-bit activations" if options.quantize_activations else "full activations"
    quantization = f"weights as stored, {options.inference_precision}, {activations}, {options.kv_precision} KV cache"
    engine = f"forefront {version('forefront')}, openvino {version('openvino')}"
    return Build(f"sha256:{weights}", quantization, engine)


def _fingerprint(directory: Path, options: ModelOptions) -> str:
    """The same for two servers that would answer a seeded request alike: same weights, same engine settings."""
    weights = (directory / "openvino_model.bin").stat()
    seen = f"{directory.name}/{weights.st_size}/{options.inference_precision}/{options.kv_precision}"
    return "fp_" + hashlib.sha256(seen.encode()).hexdigest()[:12]
