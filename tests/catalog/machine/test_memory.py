"""The memory limit of nested control groups."""

from pathlib import Path

import pytest

from forefront.catalog.machine.control_groups import ControlGroups
from forefront.catalog.machine.memory import machine_memory
from forefront.cli.loaders.model_loaders import memory_limit
from forefront.cli.settings.sections import LoadingSettings


@pytest.mark.parametrize(
    ("line", "root", "name"),
    [("0::/a/b/c", "", "memory.max"), ("4:cpu,memory:/a/b/c", "memory", "memory.limit_in_bytes")],
)
def test_the_smallest_limit_of_all_groups_applies(tmp_path: Path, line: str, root: str, name: str) -> None:
    meminfo, groups, cgroup = tmp_path / "meminfo", tmp_path / "groups", tmp_path / "cgroup"
    meminfo.write_text("MemTotal:       8388608 kB\n")
    groups.write_text(f"9:pids:/x\n{line}\n")
    inner = cgroup / root / "a" / "b" / "c"
    inner.mkdir(parents=True)
    assert machine_memory(meminfo, ControlGroups(cgroup, groups)) == 2**33
    (inner / name).write_text("max\n")
    (inner.parent / name).write_text(f"{2**31}\n")
    assert machine_memory(meminfo, ControlGroups(cgroup, groups)) == 2**31
    (inner / name).write_text(f"{2**30}\n")
    assert machine_memory(meminfo, ControlGroups(cgroup, groups)) == 2**30


def test_groups_outside_of_the_root_are_left_alone(tmp_path: Path) -> None:
    meminfo, groups = tmp_path / "meminfo", tmp_path / "groups"
    meminfo.write_text("MemTotal:       8388608 kB\n")
    (tmp_path / "memory.max").write_text("5\n")
    (tmp_path / "cgroup").mkdir()
    groups.write_text("0::/..\nnonsense\n")
    assert machine_memory(meminfo, ControlGroups(tmp_path / "cgroup", groups)) == 2**33


@pytest.mark.parametrize(("total", "limit"), [(2**30, 2**29), (4 * 2**30, 3 * 2**30), (64 * 2**30, 56 * 2**30)])
def test_the_default_leaves_a_reserve(total: int, limit: int) -> None:
    assert memory_limit(LoadingSettings(), total) == limit
    assert memory_limit(LoadingSettings(memory_gib=1.5), total) == 1.5 * 2**30
