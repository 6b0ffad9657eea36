"""Locks between processes, which the system releases when a process ends."""

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_INTERVAL: Final = 0.2  # seconds


@contextmanager
def hold_lock(path: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the lock of the file `path`, which is created if need be. Raises `OSError`.

    `waiting` is called again and again while another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        while not _try_lock(file.fileno()):
            waiting()
            time.sleep(_INTERVAL)
        yield


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock, alone or with others. Raises `OSError`."""
    if not path.is_file():
        return False
    with path.open("a") as file:
        return not _try_lock(file.fileno())


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
