"""Return of free memory to the system.

glibc keeps freed memory in a heap per thread, which never shrinks below its peak. Buffers as large as request bodies
are therefore mapped one by one, and free pages within the heaps are returned every few seconds while the process works.
"""

import contextlib
import ctypes
import threading
import time
from collections.abc import Iterator

# From glibc's <malloc.h>.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
# Buffers of this size in bytes and above are mapped separately, and unmapped when freed. The rows of logits that a step
# copies are smaller, 2 MiB for 256,000 tokens, because fresh pages would cost a fault each.
_LARGE = 2**22
# Seconds between calls of `malloc_trim`. One takes 1 ms as a rule; the longest was 65 ms under bodies of 8 MiB.
_PERIOD = 5.0
# Seconds of processor time after which there may be free pages.
_WORK = 0.5


def tune_allocator() -> None:
    """Map large buffers separately. Does nothing without glibc."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        # By default glibc raises the first to 32 MiB as such buffers are freed, and the second to twice that.
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGE)
        libc.mallopt(_M_TRIM_THRESHOLD, _LARGE)


def release_free_memory() -> None:
    """Return free pages to the system now. Does nothing without glibc."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)


@contextlib.contextmanager
def trimmed_memory() -> Iterator[None]:
    """While the context is open, return free pages to the system every few seconds, unless the process is idle."""
    libc, ended = ctypes.CDLL(None), threading.Event()
    if not hasattr(libc, "malloc_trim"):
        yield
        return
    thread = threading.Thread(target=_trim, args=(libc, ended), name="forefront-memory", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()


def _trim(libc: ctypes.CDLL, ended: threading.Event) -> None:
    worked = 0.0
    while not ended.wait(_PERIOD):
        if time.process_time() - worked > _WORK:
            libc.malloc_trim(0)
            worked = time.process_time()
