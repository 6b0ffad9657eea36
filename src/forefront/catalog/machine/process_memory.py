"""The memory of this process, and what a load adds to it."""

from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from forefront.engine.free_memory import release_free_memory

T = TypeVar("T")
_STATUS: Final = Path("/proc/self/status")


def anonymous_memory(status: Path = _STATUS) -> int:
    """Bytes of memory not backed by a file: the system reclaims pages of mapped files when needed."""
    release_free_memory()
    sizes = [line.split()[1] for line in status.read_text().splitlines() if line.startswith("RssAnon:")]
    return int(sizes[0]) * 1024 if sizes else 0


def measured(call: Callable[[], T], memory: Callable[[], int] | None) -> tuple[T, int]:
    """The result of `call`, and the bytes by which the process has grown meanwhile; 0 without `memory`."""
    before = 0 if memory is None else memory()
    result = call()
    return result, 0 if memory is None else memory() - before
