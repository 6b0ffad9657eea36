"""`forefront tune` as a user meets it."""

import json
import os
import subprocess
import sys
from pathlib import Path

from forefront.engine.model.model import ModelOptions, PagedModel
from forefront.engine.model.speed import measure_speed
from tests.support.models.loaded import build
from tests.support.models.random_model import write_random_gguf


def forefront(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"FOREFRONT_HOME": str(home), "COLUMNS": "200"}
    command = [sys.executable, "-m", "forefront.cli", "tune", *arguments]
    return subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False
    )


def test_a_model_is_measured_and_the_result_kept(tiny_gguf: Path, tmp_path: Path) -> None:
    done = forefront(tmp_path, str(tiny_gguf), "--seconds", "1", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    measured = result["measured"]
    assert {"pinned": True, "threads": 0} in [{name: row[name] for name in ("pinned", "threads")} for row in measured]
    assert all(row["single_tokens_per_second"] > 0 for row in measured)
    assert result["chosen"]["kv_precision"] == "f16"  # results stay the same
    [kept] = (tmp_path / "tuning").iterdir()
    assert json.loads(kept.read_text()) == result["chosen"]
    assert "threads" in done.stderr  # its progress


def test_untunable_models_are_reported_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "not.gguf"
    file.write_bytes(b"GGUF" + bytes(20))
    for name in (str(file), str(tmp_path / "missing.gguf")):
        done = forefront(tmp_path, name)
        assert done.returncode == 1
        assert done.stderr.strip().splitlines()[-1].startswith("forefront: ")
        assert "Traceback" not in done.stderr


def test_a_model_with_a_small_context_and_few_blocks_can_be_measured(tmp_path: Path) -> None:
    write_random_gguf(tmp_path / "model.gguf", context=40)
    graph = build(tmp_path / "model.gguf", tmp_path / "cache").graph
    speed = measure_speed(PagedModel(graph, 40, ModelOptions(contexts=1)), 0)
    assert min(speed.prompt, speed.single, speed.streams) > 0
