"""docs/models.md, followed word by word: its commands with a stand-in of the hub, its settings as a file."""

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from forefront.catalog.sources.source import BUILT_IN_PATH
from forefront.cli.settings.config import load_config
from tests.cli.commands.test_pull import complete, forefront, variables
from tests.support.models.hf_directory import write_directory
from tests.support.server import run_server
from tests.support.services.hub import Hub, Repository, run_hub

PAGE = Path("docs/models.md").read_text()


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language, in order."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


PULL, MANAGE = blocks("sh")
[SETTINGS] = blocks("toml")


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A hub that has the repositories of the page, with small models in them."""
    folder = tmp_path_factory.mktemp("repository") / "tiny"
    write_directory(folder)
    directory = {path.name: path.read_bytes() for path in folder.iterdir()}
    gguf = BUILT_IN_PATH.read_bytes()
    repositories = {
        "Qwen__Qwen3-0.6B-GGUF": Repository({"Qwen3-0.6B-Q8_0.gguf": gguf}),
        "Qwen__Qwen3-4B-GGUF": Repository({"Qwen3-4B-Q4_K_M.gguf": gguf}),
        "Qwen__Qwen3-0.6B": Repository(directory, licence="apache-2.0"),
    }
    with run_hub(**repositories) as running:
        yield running


def commands(block: str) -> list[list[str]]:
    """The arguments of each command of a block."""
    lines = [shlex.split(line) for line in block.splitlines()]
    assert all(line[0] == "forefront" for line in lines)
    return [line[1:] for line in lines]


@pytest.mark.slow
def test_its_commands(hub: Hub, tmp_path: Path) -> None:
    *pulls, serve = commands(PULL)
    for arguments in pulls:
        done = forefront(hub, tmp_path, *arguments)
        assert done.returncode == 0, done.stderr
    assert serve[0] == "serve"
    before = len(hub.downloads())
    with run_server(serve[1:], tmp_path / "home", environment=variables(hub, tmp_path)) as server:
        assert [model["id"] for model in server.get("/v1/models").json()["data"]] == ["small", "qwen3-4b"]
        assert [complete(server, name) for name in ("small", "qwen3-4b")] == ["small", "qwen3-4b"]
    assert len(hub.downloads()) == before, "what was pulled is not pulled again"
    shown = [forefront(hub, tmp_path, *arguments) for arguments in commands(MANAGE)]
    assert [done.returncode for done in shown] == [0, 0, 0], [done.stderr for done in shown]
    listed, described, _ = (done.stdout for done in shown)
    assert "apache-2.0" in listed
    assert "Qwen3-4B-Q4_K_M.gguf" in described
    again = forefront(hub, tmp_path, "models", "show", "hf:Qwen/Qwen3-0.6B")
    assert again.returncode != 0, "it was removed"


def test_its_settings(tmp_path: Path) -> None:
    path = tmp_path / "forefront.toml"
    path.write_text(SETTINGS)
    models = load_config(path, dict(os.environ)).models
    assert models["mixture"].source == "/models/Qwen3-30B-A3B-Q4_K_M.gguf"
    assert (models["eyes"].engine, len(models["eyes"].engine_args or ())) == ("llama.cpp", 6)
