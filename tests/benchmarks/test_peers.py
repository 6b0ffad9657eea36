"""Processes and requirements of peers, and the goals that compare them."""

import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks.comparison.targets import Row, decode_share, goodput_ratio, memory_ratio, prefill_share, ratio
from benchmarks.peers.environment import REQUIREMENTS, pinned_version
from benchmarks.peers.process import PeerError, run_process, run_to_end, wait_until_ready

# A child in the same process group, which would outlive its parent.
_FAMILY = """
import subprocess, sys, time
print(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]).pid, flush=True)
time.sleep(60)
"""


def peers(**figures: tuple[float, float]) -> dict[str, Any]:
    """A part with figures of Forefront and llama-server."""
    names = ("Forefront", "llama-server")
    return {
        "peers": {
            name: {
                "median": {figure: values[number] for figure, values in figures.items()},
                "memory": {"pss_mib": 100.0 * (number + 1)},
            }
            for number, name in enumerate(names)
        }
    }


def has_not_ended(stat: Path) -> bool:
    """Whether a process runs. One that nothing waits for stays as a zombie."""
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_process_ends_with_its_children(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with run_process([sys.executable, "-c", _FAMILY], log) as process:
        deadline = time.monotonic() + 60
        while not (found := re.search(r"(\d+)\n", log.read_text())) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert found is not None
        child = Path(f"/proc/{found[1]}/stat")
        assert child.exists()
    assert process.poll() is not None
    deadline = time.monotonic() + 60
    while has_not_ended(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not has_not_ended(child)


def test_a_process_ends_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    code = f"""
import os, sys
from pathlib import Path
from benchmarks.peers.process import run_process
with run_process([sys.executable, "-c", "import time; time.sleep(60)"], Path({str(tmp_path / "log")!r})) as process:
    print(process.pid, flush=True)
    os.kill(os.getpid(), 9)
"""
    result = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=False)
    child = Path(f"/proc/{int(result.stdout)}/stat")
    deadline = time.monotonic() + 60
    while has_not_ended(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not has_not_ended(child)


@pytest.mark.parametrize(
    ("end", "reason"),
    [("raise SystemExit(3)", "ended with status 3"), ("import os; os.kill(os.getpid(), 4)", "was ended by SIGILL")],
)
def test_a_failed_peer_is_reported_with_its_log(tmp_path: Path, end: str, reason: str) -> None:
    log = tmp_path / "log"
    command = [sys.executable, "-c", f"print('no such model', flush=True); {end}"]
    with (
        run_process(command, log) as process,
        pytest.raises(PeerError, match=rf"llama-server did not start: it {reason}\.(.|\n)*no such model"),
    ):
        wait_until_ready("llama-server", "http://127.0.0.1:9/health", process, log)


def test_a_failed_build_reports_its_output() -> None:
    with pytest.raises(PeerError, match=r"OpenVINO GenAI could not be built(.|\n)*no space"):
        run_to_end("OpenVINO GenAI", [sys.executable, "-c", "import sys; sys.exit('no space')"])


@pytest.mark.parametrize("file", sorted(REQUIREMENTS.glob("*.txt")), ids=lambda path: path.stem)
def test_every_requirement_is_pinned_with_a_hash(file: Path) -> None:
    entries = file.read_text().replace("\\\n", " ").strip().splitlines()
    assert entries
    for entry in entries:
        assert re.fullmatch(r"[\w.-]+==\S+(\s+--hash=sha256:[0-9a-f]{64})+\s*", entry), entry


def test_versions_match_the_requirements() -> None:
    assert pinned_version("xllamacpp", "xllamacpp").startswith("2026.")
    with pytest.raises(LookupError):
        pinned_version("absent", "xllamacpp")


def test_a_ratio_compares_with_the_best_peer() -> None:
    part = peers(throughput=(60.0, 10.0))
    part["peers"]["faster"] = {"median": {"throughput": 20.0}}
    assert ratio({"p": part}, "p", "throughput") == 6.0
    assert ratio({"p": part}, "p", "throughput", ("llama-server", "faster")) == 3.0
    assert ratio({}, "p", "throughput") is None


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ([1.0, 0.9], [0.8, 0.3], 3.0),
        ([1.0, 0.9], [0.4, 0.1], 2.5),  # the first rate below half
        ([1.0, 0.9], [0.8, 0.0], float("inf")),
        ([0.0], [0.0], None),
        ([1.0], [0.7], None),
    ],
)
def test_goodput_is_compared_where_half_of_the_peers_answers_are_late(
    ours: list[float], theirs: list[float], expected: float | None
) -> None:
    rates = {"Forefront": ours, "llama-server": theirs}
    part = {"peers": {name: {"rates": [{"good": good} for good in values]} for name, values in rates.items()}}
    found = goodput_ratio({"open-loop": part})
    assert found is None if expected is None else found == pytest.approx(expected)


def test_shares_of_the_limits_and_of_memory() -> None:
    limits = {
        "limits": {
            "bandwidth": 20e9, "int8": 300e9, "int8_batch": 100e9, "float32": 80e9, "weight_bytes": 400_000_000,
            "layer_operations": 0.6e9, "output_operations": 0.1e9,
        },
        "speed": {"prefill": 350.0, "decode": {"1": 40.0}, "host_share": 0.02},
    }  # fmt: skip
    assert decode_share({"limits": limits}) == pytest.approx(0.8)
    assert prefill_share({"limits": limits}) == pytest.approx(0.7)
    parts = {name: peers(throughput=(1.0, 1.0)) | {"part": name} for name in ("closed-1", "quoting")}
    parts["quoting"]["peers"]["Forefront"]["memory"]["pss_mib"] = 900.0  # another model, which does not count
    assert memory_ratio(parts) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("figure", "at_least", "verdict"),
    [
        (4.0, True, "met"),
        (3.9, True, "missed"),
        (4.0, False, "met"),
        (4.1, False, "missed"),
        (None, True, "not measured"),
    ],
)
def test_a_goal_is_met_at_exactly_its_value(figure: float | None, at_least: bool, verdict: str) -> None:
    assert Row("m", "t", 4.0, at_least, figure).verdict == verdict
