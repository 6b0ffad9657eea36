"""Removal of pulled models: their files, their records and their packed weights."""

import shutil
from pathlib import Path

from forefront.catalog.model_cache import ModelCache
from forefront.catalog.pull.hub.hub_cache import HubCache
from forefront.catalog.pull.pulled_models import PulledModel, PulledModels
from forefront.catalog.sources.reference import HubReference, parse_reference


def remove_model(model: PulledModel, records: PulledModels, cache: ModelCache) -> int:
    """Remove the model, and return how many bytes that frees. Raises `OSError`.

    Files that another program downloaded or another model needs are kept, and so are packed weights of another model.
    """
    others = [other for other in records if other.reference != model.reference]
    packed = [] if any(other.digest == model.digest for other in others) else cache.packed(model.digest)
    freed = sum(map(folder_size, packed)) + remove_files(model, records)
    for folder in packed:
        shutil.rmtree(folder)
    records.delete(model)
    return freed


def remove_files(model: PulledModel, records: PulledModels) -> int:
    """Remove the model's files, and return how many bytes that frees. Raises `OSError`."""
    needed = {
        (other.directory, file.path)
        for other in records
        if (other.reference, other.directory) != (model.reference, model.directory)
        for file in other.files
    }
    freed, directory = 0, Path(model.directory)
    for file in model.files:
        if file.shared or (model.directory, file.path) in needed:
            continue
        freed += file.size if (directory / file.path).exists() else 0
        _remove_file(model, file.path, file.blob)
    if not isinstance(parse_reference(model.reference), HubReference):
        shutil.rmtree(directory, ignore_errors=True)  # with its lock and what an interrupted pull left
    return freed


def folder_size(folder: Path) -> int:
    """Bytes of the files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _remove_file(model: PulledModel, path: str, blob: str) -> None:
    reference = parse_reference(model.reference)
    if isinstance(reference, HubReference):
        # The folder of the cache where it was pulled, which may be another one now.
        HubCache(Path(model.directory).parents[2], reference.repository).remove(model.commit, path, blob)
    else:
        Path(model.directory, path).unlink(missing_ok=True)
