"""A cache file for the merges of a large vocabulary: computing them takes a second, reading them a tenth of that."""

import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

Pairs = npt.NDArray[np.int32]

# Tokens; the merges of a smaller vocabulary are computed as fast as a file is read.
_LARGE: Final = 1 << 16
_NAME: Final = "merges.npy"


class SavedMerges:
    """Merges as pairs of token ids [merges, 2], in `folder`, whose name must change with the model's files and with the
    way in which merges are computed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, tokens: int, compute: Callable[[], Pairs]) -> Pairs:
        """The pairs of a vocabulary of that many tokens: from the file, or computed and saved. An unreadable or
        unwritable file is ignored."""
        if tokens < _LARGE:
            return compute()
        found = self._read(tokens)
        if found is None:
            found = compute()
            with suppress(OSError):
                self._write(found)
        return found

    def _read(self, tokens: int) -> Pairs | None:
        try:
            pairs = np.load(self._folder / _NAME, allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        if pairs.dtype != np.int32 or pairs.ndim != 2 or pairs.shape[1] != 2:
            return None
        inside = pairs.size == 0 or (pairs.min() >= 0 and pairs.max() < tokens)
        return pairs if inside else None

    def _write(self, pairs: Pairs) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix="merges-", dir=self._folder)
        try:
            with os.fdopen(descriptor, "wb") as file:
                np.save(file, pairs)
            Path(name).replace(self._folder / _NAME)
        finally:
            Path(name).unlink(missing_ok=True)
