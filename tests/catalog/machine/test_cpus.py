"""The CPUs of nested control groups."""

from pathlib import Path

import pytest

from forefront.catalog.machine import cpus as machine_cpus
from forefront.catalog.machine.control_groups import ControlGroups
from forefront.catalog.machine.cpus import available_cores, limited_threads


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ControlGroups:
    """A process in the group `/a/b` of versions 1 and 2 on a machine with 16 cores."""
    monkeypatch.setattr(machine_cpus, "visible_cores", lambda: 16)
    own = tmp_path / "own"
    own.write_text("4:cpu,cpuacct:/a/b\n0::/a/b\n")
    for folder in ("a/b", "cpu/a/b"):
        (tmp_path / folder).mkdir(parents=True)
    return ControlGroups(tmp_path, own)


@pytest.mark.parametrize(
    ("limit", "cores"),
    [
        ("max 100000", 16), ("200000 100000", 2), ("150000 100000", 1), ("50000 100000", 1), ("3200000 100000", 16),
        ("", 16), ("nonsense", 16), ("1 0", 16), ("-1 100000", 16),
    ],
)  # fmt: skip
@pytest.mark.parametrize("place", ["cpu.max", "a/cpu.max", "a/b/cpu.max"])
def test_processor_time_limits_the_cores(groups: ControlGroups, limit: str, cores: int, place: str) -> None:
    (groups.root / place).write_text(f"{limit}\n")
    assert available_cores(groups) == cores


def test_groups_of_version_1_and_the_smallest_limit_count(groups: ControlGroups) -> None:
    inner = groups.root / "cpu/a/b"
    (inner / "cpu.cfs_quota_us").write_text("800000\n")
    assert available_cores(groups) == 16  # without a period
    (inner / "cpu.cfs_period_us").write_text("100000\n")
    assert available_cores(groups) == 8
    (groups.root / "a/cpu.max").write_text("600000 100000\n")
    assert available_cores(groups) == 6
    (inner / "cpu.cfs_quota_us").write_text("-1\n")
    (groups.root / "a/cpu.max").write_text("max 100000\n")
    assert available_cores(groups) == 16


def test_threads_are_set_where_a_limit_binds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_cpus, "visible_cores", lambda: 16)
    for cores, threads, expected in ((16, 0, 0), (2, 0, 2), (2, 4, 4), (16, 4, 4)):
        monkeypatch.setattr(machine_cpus, "available_cores", lambda cores=cores: cores)
        assert limited_threads(threads) == expected
