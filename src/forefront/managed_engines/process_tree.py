"""The descendants of a process and their memory, from `/proc`."""

import os
from collections.abc import Iterator
from pathlib import Path


def descendants(pid: int) -> list[int]:
    """The process ids of all descendants of `pid`, parents first."""
    children: dict[int, list[int]] = {}
    for process, parent in _parents():
        children.setdefault(parent, []).append(process)
    found = list(children.get(pid, ()))
    for process in found:
        found += children.get(process, ())
    return found


def resident_bytes(pid: int) -> int:
    """Resident memory of a process and its descendants in bytes; pages that they share count for each."""
    return sum(map(_resident, [pid, *descendants(pid)]))


def _resident(pid: int) -> int:
    try:
        pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    except (OSError, IndexError):
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _parents() -> Iterator[tuple[int, int]]:
    """Each process with its parent."""
    for entry in os.scandir("/proc"):
        if not entry.name.isdecimal():
            continue
        try:
            stat = Path(entry.path, "stat").read_text()
        except OSError:
            continue  # it has just ended
        # The name, in parentheses, may contain anything; state and parent follow it.
        yield int(entry.name), int(stat.rpartition(")")[2].split()[1])
