"""docs/models.md: the commands of "Pull a model" work as they are written, with a stand-in of the hub."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from forefront.catalog.sources.source import BUILT_IN_PATH
from tests.support.models.hf_directory import write_directory
from tests.support.server import run_server
from tests.support.services.hub import Repository, run_hub

DOCUMENT = Path(__file__).parents[1] / "docs" / "models.md"


def commands() -> list[list[str]]:
    """The words of each command in the section."""
    section = DOCUMENT.read_text().partition("\n## Pull a model\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    return [shlex.split(line) for block in blocks for line in block.splitlines()]


@pytest.mark.slow
def test_the_commands_work_as_they_are_written(tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    write_directory(folder)
    model = BUILT_IN_PATH.read_bytes()
    repositories = {
        "Qwen/Qwen3-0.6B-GGUF": Repository({"Qwen3-0.6B-Q8_0.gguf": model}),
        "Qwen/Qwen3-4B-GGUF": Repository({"Qwen3-4B-Q8_0.gguf": model, "Qwen3-4B-Q4_K_M.gguf": model}),
        "Qwen/Qwen3-0.6B": Repository({path.name: path.read_bytes() for path in folder.iterdir()}),
    }
    home = tmp_path / "home"
    with run_hub() as hub:
        hub.repositories = repositories
        environment = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf"), "HF_TOKEN_PATH": str(tmp_path / "none")}
        seen: dict[str, str] = {}
        for program, *arguments in commands():
            assert program == "forefront"
            if arguments[0] == "serve":
                with run_server(arguments[1:], home, environment=environment) as server:
                    names = [entry["id"] for entry in server.get("/v1/models").json()["data"]]
                assert names == ["small", "qwen3-4b"]
                continue
            command = [sys.executable, "-m", "forefront.cli", *arguments]
            variables = os.environ | environment | {"FOREFRONT_HOME": str(home)}
            done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60, check=False)
            assert done.returncode == 0, done.stderr
            seen[" ".join(arguments[:2])] = done.stdout
        assert re.search(r"hf:Qwen/Qwen3-4B-GGUF:Q4_K_M .* pulled ", seen["models list"])
        assert re.search(r"state +pulled", seen["models show"])
        assert "has been removed" in seen["models remove"]
    records = [json.loads(path.read_text())["reference"] for path in (home / "pulled").glob("*.json")]
    assert sorted(records) == ["hf:Qwen/Qwen3-0.6B-GGUF", "hf:Qwen/Qwen3-4B-GGUF", "hf:Qwen/Qwen3-4B-GGUF:Q4_K_M"]
