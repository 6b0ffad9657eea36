"""The event loop's turn on a processor, ahead of threads that compute.

A request of `/health` or of a first token waits for the loop, and the loop waits for a processor behind each thread
that computes: those of the engine, of parsing, of other processes. Linux gives the next turn to the thread whose slice
ends first, so a thread with a short slice comes soon. Its share of the processor stays the same, and it needs no
privilege.
"""

import ctypes
import logging
import os
import platform
import sys
from typing import Final

_log = logging.getLogger(__name__)

# Seconds: the shortest slice that Linux allows. One of 1 ms made no difference to the default of about 3 ms.
SLICE: Final = 0.0001
# The numbers of `sched_setattr` and `sched_getattr`, which most versions of glibc have no function for.
_CALLS: Final = {"x86_64": (314, 315), "aarch64": (274, 275)}

# Of <linux/sched.h>: threads and processes that the thread starts have the usual slice.
_RESET_ON_FORK: Final = 1


class _Attributes(ctypes.Structure):
    """`struct sched_attr` of <linux/sched/types.h>, its first version."""

    _fields_ = (
        ("size", ctypes.c_uint32),
        ("policy", ctypes.c_uint32),
        ("flags", ctypes.c_uint64),
        ("nice", ctypes.c_int32),
        ("priority", ctypes.c_uint32),
        ("runtime", ctypes.c_uint64),  # nanoseconds: the slice, from Linux 6.12 on; ignored before
        ("deadline", ctypes.c_uint64),
        ("period", ctypes.c_uint64),
    )


def shorten_slice(seconds: float = SLICE) -> None:
    """Give the calling thread a slice of `seconds`, but not the threads and processes that it starts. Does nothing
    where the system knows no slices, for a thread whose policy of scheduling is not the usual one, and for one with a
    raised priority, which those that it starts would lose."""
    attributes = _read(0)
    if attributes is None or not attributes.runtime or attributes.policy != os.SCHED_OTHER or attributes.nice < 0:
        return
    attributes.runtime, attributes.flags = round(seconds * 1e9), _RESET_ON_FORK
    if _call(0, 0, ctypes.byref(attributes), 0):
        _log.debug("the event loop keeps its slice: %s", os.strerror(ctypes.get_errno()))


def slice_of(thread: int) -> float | None:
    """The slice of a thread of any process, in seconds; None if the system does not say."""
    attributes = _read(thread)
    return None if attributes is None else float(attributes.runtime) / 1e9


def _read(thread: int) -> _Attributes | None:
    attributes = _Attributes()
    size = ctypes.sizeof(attributes)
    return None if _call(1, thread, ctypes.byref(attributes), size, 0) else attributes


def _call(which: int, thread: int, *arguments: object) -> int:
    """The result of one of `_CALLS`, -1 where there is none."""
    numbers = _CALLS.get(platform.machine())
    if not sys.platform.startswith("linux") or numbers is None:
        return -1
    libc = ctypes.CDLL(None, use_errno=True)
    return int(libc.syscall(numbers[which], thread, *arguments))
