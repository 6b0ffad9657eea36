"""The CPUs that this process may use: the machine's, or fewer in a container or a control group."""

import os
from pathlib import Path

from forefront.catalog.machine.control_groups import ControlGroups


def available_cores(groups: ControlGroups = ControlGroups()) -> int:  # noqa: B008
    """The cores of this process's affinity, or fewer where a control group limits its processor time: `docker run
    --cpus 2` shows all cores, but throttles all threads once the time of two CPUs is used up."""
    cores = visible_cores()
    quotas = (_quota(file) for file in groups.files("cpu", "cpu.max", "cpu.cfs_quota_us"))
    return min([cores, *(max(1, int(quota)) for quota in quotas if quota is not None)])


def visible_cores() -> int:
    """The cores of this process's affinity. OpenVINO and llama.cpp start a thread for each by default."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def limited_threads(threads: int) -> int:
    """`threads` of a model, where 0 means one for each visible core: the available cores if these are fewer."""
    if threads or (cores := available_cores()) == visible_cores():
        return threads
    return cores


def _quota(file: Path) -> float | None:
    """The CPUs of a group, such as 1.5. None without a limit. Version 2 has quota and period in one file."""
    try:
        quota, period = (*file.read_text().split(), "")[:2]
        period = period or file.with_name("cpu.cfs_period_us").read_text()
        cpus = int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):  # no such file, or "max"
        return None
    return cpus if cpus > 0 else None
