"""Giving free memory back to the system.

glibc keeps what is freed: in one heap for each of many threads, whose size stays that of the largest moment. Buffers as
large as request bodies are taken from the system one by one instead, and free pages within the heaps are given back
every few seconds while the process works.
"""

import contextlib
import ctypes
import threading
import time
from collections.abc import Iterator

# From glibc's <malloc.h>.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
# Bytes from which a buffer has pages of its own, which go back when it is freed. The rows of logits that a step copies
# are smaller, 2 MiB for 256,000 tokens: such pages cost a fault each.
_LARGE = 2**22
# Seconds between looks. One takes 1 ms as a rule; 65 ms was the longest in minutes of bodies of 8 MiB.
_PERIOD = 5.0
# Seconds of processor time after which there may be something to give back.
_WORK = 0.5


def tune_allocator() -> None:
    """Let large buffers have pages of their own. Without glibc nothing happens."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        # glibc would raise the first to 32 MiB as such buffers are freed, and the second to twice of it.
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGE)
        libc.mallopt(_M_TRIM_THRESHOLD, _LARGE)


@contextlib.contextmanager
def trimmed_memory() -> Iterator[None]:
    """While the context is open, free pages go back to the system every few seconds, unless the process is idle."""
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
