"""The disk that models are pulled to: its free space, and its error messages."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from forefront.catalog.sources.source import SourceError

_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


def check_space(label: str, folder: Path, needed: int) -> None:
    """Raises `SourceError` if `needed` bytes do not fit in `folder`, and `OSError`."""
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise SourceError(
            f"{label}: it needs {needed / 1e9:.2f} GB more in {folder}, where {free / 1e9:.2f} GB are free"
        )


@contextmanager
def disk_errors(label: str, folder: Path) -> Iterator[None]:
    """Turn an `OSError` of the block into a `SourceError`."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise SourceError(f"{label}: the disk of {folder} is full; partial files are kept") from None
        place = error.filename or folder
        raise SourceError(f"{label}: {place}: {error.strerror or error}") from None
