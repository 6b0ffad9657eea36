"""The memory that this process may use: the machine's, or less in a container or a control group."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

_CGROUP: Final = Path("/sys/fs/cgroup")
_OWN_GROUPS: Final = Path("/proc/self/cgroup")


def machine_memory(
    meminfo: Path = Path("/proc/meminfo"), cgroup: Path = _CGROUP, own_groups: Path = _OWN_GROUPS
) -> int:
    """Bytes: the smallest of the machine's memory and the limits of this process's control groups."""
    limits = [int(line.split()[1]) * 1024 for line in meminfo.read_text().splitlines() if line.startswith("MemTotal:")]
    for file in _limit_files(cgroup, own_groups):
        try:
            limits.append(int(file.read_text()))
        except (OSError, ValueError):  # no such file, or "max"
            continue
    return min(limits)


def _limit_files(cgroup: Path, own_groups: Path) -> Iterator[Path]:
    """The files with limits, from the process's group up to the root, which is the container's. A group of version 2
    has the line `0::PATH`, one of version 1 `NUMBER:memory:PATH`."""
    yield cgroup / "memory.max"
    yield cgroup / "memory" / "memory.limit_in_bytes"
    try:
        lines = own_groups.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        number, controllers, path = (*line.split(":", 2), "", "")[:3]
        if ".." in path.split("/"):  # outside of the container's groups
            continue
        if number == "0" and not controllers:
            root, name = cgroup, "memory.max"
        elif "memory" in controllers.split(","):
            root, name = cgroup / "memory", "memory.limit_in_bytes"
        else:
            continue
        group = root / path.lstrip("/")
        while group != root and root in group.parents:
            yield group / name
            group = group.parent
