"""What is freed goes back to the system."""

import subprocess
import sys

import pytest

HEAPS = """
import ctypes, sys, threading, time
from forefront.engine import free_memory as allocator

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 2**20

def fill(kept):
    # Between buffers that are freed lies one that is not, so that no heap can shrink by itself.
    freed = []
    for _ in range(1500):
        freed.append(bytearray(b"x" * 20_000))
        kept.append(bytearray(b"x" * 600))
    del freed

kept = []
allocator._PERIOD = 0.1
allocator.tune_allocator()
with allocator.trimmed_memory():
    before = resident()
    threads = [threading.Thread(target=fill, args=(kept,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    allocator._WORK = 0.0
    end = time.monotonic() + 60
    while resident() > before + 60 and time.monotonic() < end:
        time.sleep(0.1)
    print(round(resident() - before))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc keeps heaps in this way")
def test_free_pages_within_heaps_are_given_back() -> None:
    """240 MB are freed between 8 MB that are not."""
    result = subprocess.run([sys.executable, "-c", HEAPS], capture_output=True, text=True, timeout=150, check=True)
    assert int(result.stdout) <= 60
