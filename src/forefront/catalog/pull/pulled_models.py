"""Records of pulled models under `FOREFRONT_HOME`: origin, files, licence, last use."""

import fcntl
import hashlib
import os
import re
import tempfile
import time
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import msgspec

from forefront.catalog.pull.file_lock import is_locked
from forefront.catalog.sources.known_models import KNOWN_MODELS, HubModel
from forefront.catalog.sources.reference import is_safe_path, parse_reference
from forefront.catalog.sources.source import ModelSource, reference_text
from forefront.graph.hugging_face.config import CONFIG_FILES

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")
_SLUG: Final = 80


class PulledFile(msgspec.Struct, kw_only=True):
    """`path` is relative to the model's directory, `size` in bytes, `sha256` in hexadecimal, "" until it is known.
    `blob`: its name in the hub's cache. `shared`: another program downloaded it, so it is not removed with the
    model."""

    path: str
    size: int
    sha256: str = ""
    blob: str = ""
    shared: bool = False


class PulledModel(msgspec.Struct, kw_only=True):
    """A model that was pulled. `reference` identifies it; `main` is the path of its GGUF file in `directory`, "" for a
    directory of safetensors. Times are in seconds since 1970, 0 for never; `pulled` is 0 until all files are there."""

    reference: str
    title: str
    licence: str
    commit: str
    directory: str
    main: str
    projector: str
    files: list[PulledFile]
    pulled: int = 0
    used: int = 0

    @property
    def name(self) -> str:
        """The short name of a known model, else the reference."""
        for known in KNOWN_MODELS.values():
            if isinstance(known, HubModel) and str(known.reference) == self.reference:
                return known.name
        return self.reference

    @property
    def path(self) -> Path:
        """The served path: the GGUF file or the directory."""
        return Path(self.directory, self.main)

    def as_source(self, source: ModelSource) -> ModelSource:
        """A source with the paths of these files."""
        projector = Path(self.directory, self.projector) if self.projector else None
        return replace(source, path=self.path, projector=projector)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def is_complete(self) -> bool:
        """Whether all files are there, with their sizes."""
        paths = ((Path(self.directory, file.path), file.size) for file in self.files)
        return self.pulled > 0 and all(path.is_file() and path.stat().st_size == size for path, size in paths)

    @property
    def received(self) -> int:
        """Bytes that are on disk, also of a pull that was interrupted."""
        return sum(
            next((path.stat().st_size for path in self._places(file) if path.is_file()), 0) for file in self.files
        )

    def _places(self, file: PulledFile) -> list[Path]:
        directory = Path(self.directory)
        if not file.blob:
            return [directory / file.path, directory / f"{file.path}.incomplete"]
        blob = directory.parents[1] / "blobs" / file.blob
        return [directory / file.path, blob, blob.with_name(f"{blob.name}.incomplete")]

    @property
    def digest(self) -> str:
        """SHA-256 of the weights' files, as `ModelCache.digest` has it; "" until all are known."""
        weights = [file for file in self.files if self._is_weight(file.path)]
        weights.sort(key=lambda file: (file.path.endswith(".safetensors"), file.path))
        digests = [file.sha256 for file in weights]
        if not digests or not all(digests):
            return ""
        return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()

    def _is_weight(self, path: str) -> bool:
        if self.main:
            return path.endswith(".gguf") and path != self.projector
        return path in CONFIG_FILES or path.endswith(".safetensors")


class ModelLock:
    """Marks a model as in use as long as this object exists, at most until the process ends. Raises `OSError`."""

    def __init__(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._finalizer = weakref.finalize(self, os.close, descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_SH)  # other processes hold it only during `is_used`

    def end(self) -> None:
        """The model is not in use any more."""
        self._finalizer()


class PulledModels:
    """The records in the folder `pulled` of `home`."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "pulled"

    def __iter__(self) -> Iterator[PulledModel]:
        """All records, by name. Files that are not records are skipped."""
        models = (self._read(path) for path in self.folder.glob("*.json"))
        return iter(sorted((model for model in models if model is not None), key=lambda model: model.name))

    def get(self, reference: str) -> PulledModel | None:
        """The record of a reference."""
        return self._read(self._path(reference))

    def save(self, model: PulledModel) -> None:
        """Write the record, as a whole. Raises `OSError`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=".record-", dir=self.folder)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(model), indent=1))
        Path(name).replace(self._path(model.reference))

    def delete(self, model: PulledModel) -> None:
        """Delete the record. Raises `OSError`."""
        for path in (self._path(model.reference), self._use_path(model.reference)):
            path.unlink(missing_ok=True)

    def locate(self, source: ModelSource) -> ModelSource:
        """The source with the path of its files, if they have been pulled."""
        model = None if source.remote is None else self.get(reference_text(source.remote))
        return source if model is None or not model.is_complete else model.as_source(source)

    def use(self, model: PulledModel) -> ModelLock:
        """Mark the model as in use now. Raises `OSError`."""
        model.used = int(time.time())
        self.save(model)
        return ModelLock(self._use_path(model.reference))

    def is_used(self, model: PulledModel) -> bool:
        """Whether a process of this home uses the model now. Raises `OSError`."""
        return is_locked(self._use_path(model.reference))

    def _read(self, path: Path) -> PulledModel | None:
        try:
            model = msgspec.json.decode(path.read_bytes(), type=PulledModel)
            parse_reference(model.reference)
        except (OSError, ValueError):
            return None
        names = [name for file in model.files for name in (file.path, file.blob) if name] + [
            name for name in (model.main, model.projector) if name
        ]
        return model if all(map(is_safe_path, names)) else None

    def _path(self, reference: str) -> Path:
        return self.folder / f"{self._stem(reference)}.json"

    def _use_path(self, reference: str) -> Path:
        return self.folder / f"{self._stem(reference)}.used"

    @staticmethod
    def _stem(reference: str) -> str:
        """A readable name that is different for each reference."""
        slug = _UNSAFE.sub("-", reference).strip("-.")[:_SLUG]
        return f"{slug}-{hashlib.sha256(reference.encode()).hexdigest()[:12]}"
