"""The memory that this process may use: the machine's, or less in a container or a control group."""

from pathlib import Path

from forefront.catalog.machine.control_groups import ControlGroups


def machine_memory(meminfo: Path = Path("/proc/meminfo"), groups: ControlGroups = ControlGroups()) -> int:  # noqa: B008
    """Bytes: the smallest of the machine's memory and the limits of this process's control groups."""
    limits = [int(line.split()[1]) * 1024 for line in meminfo.read_text().splitlines() if line.startswith("MemTotal:")]
    for file in groups.files("memory", "memory.max", "memory.limit_in_bytes"):
        try:
            limits.append(int(file.read_text()))
        except (OSError, ValueError):  # no such file, or "max"
            continue
    return min(limits)
