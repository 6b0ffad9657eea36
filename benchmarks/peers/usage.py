"""The memory of a peer's processes, and the energy of the machine."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from torture.processor import children

_INTERVAL: Final = 2.0  # a sample of a large process takes some milliseconds
_MIB: Final = 1024.0
_RAPL: Final = Path("/sys/class/powercap")


@dataclass
class PeakMemory:
    """The largest sums over a process and its descendants so far, in MiB. Pages that processes share count once in
    `pss` and for each process in `rss`."""

    pss: float = 0.0
    rss: float = 0.0

    def sample(self, pid: int) -> None:
        """Measure now."""
        pss = rss = 0.0
        for process in process_tree(pid):
            with suppress(OSError):
                text = Path(f"/proc/{process}/smaps_rollup").read_text()
                pss += _field(text, "Pss") / _MIB
                rss += _field(text, "Rss") / _MIB
        self.pss, self.rss = max(self.pss, pss), max(self.rss, rss)


def process_tree(pid: int) -> list[int]:
    """The process and all of its descendants."""
    found = [pid]
    for process in found:
        found += children(process)
    return found


@contextmanager
def watch_memory(pid: int) -> Iterator[PeakMemory]:
    """The peak while the context is open, from samples every other second."""
    peak, stopped = PeakMemory(), threading.Event()

    def watch() -> None:
        while not stopped.is_set():
            peak.sample(pid)
            stopped.wait(_INTERVAL)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        stopped.set()
        thread.join()


def joules() -> float | None:
    """The energy of all processor packages so far, by RAPL; None where the machine does not report it. The counter
    overflows after minutes to hours, so a difference can be negative."""
    try:
        counters = [domain / "energy_uj" for domain in _RAPL.glob("intel-rapl:?")]
        return sum(int(counter.read_text()) for counter in counters) / 1e6 if counters else None
    except OSError:  # only root may read it on most systems
        return None


def _field(text: str, name: str) -> int:
    match = re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE)
    return int(match[1]) if match else 0
