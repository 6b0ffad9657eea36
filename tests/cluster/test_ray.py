"""The tutorial of `docs/cluster.md` with real Ray processes on loopback: its commands, in its order."""

import concurrent.futures
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.models.random_encoder import ENCODERS, write_encoder
from tests.support.server import RunningServer, run_server

PAGE = Path(__file__).parents[2] / "docs" / "cluster.md"


class Tutorial:
    """A folder with the page's `forefront.toml`, in which commands run."""

    def __init__(self, folder: Path, variables: dict[str, str] | None = None) -> None:
        text = PAGE.read_text().partition("## Tutorial")[2].partition("\n## ")[0]
        self.commands = [
            line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()
        ]
        self.home = folder / "home"
        [settings] = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
        (folder / "forefront.toml").write_text(settings)
        self.body: dict[str, Any] = json.loads(re.findall(r"--data '(.*?)'", text, re.DOTALL)[0])
        self._folder, self._variables = folder, variables or {}

    def run(self, command: str) -> str:
        """Run a command of the page; its output."""
        assert command in self.commands
        return self.run_any(command)

    def run_any(self, command: str) -> str:
        """Run any command; its output."""
        variables = {name: value for name, value in os.environ.items() if not name.startswith(("FOREFRONT", "RAY"))}
        done = subprocess.run(
            [sys.executable, "-m", "forefront.cli", *command.split()[1:]],
            cwd=self._folder,
            env=variables | {"FOREFRONT_HOME": str(self.home), "COLUMNS": "200"} | self._variables,
            capture_output=True,
            text=True,
            timeout=400,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def processes(self) -> list[int]:
        """The processes of the nodes, the head first."""
        found: list[int] = json.loads((self.home / "cluster" / "local.json").read_text())["processes"]
        return found


@pytest.fixture(scope="session")
def tutorial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tutorial]:
    """The tutorial's cluster, up."""
    tutorial = Tutorial(tmp_path_factory.mktemp("cluster"))
    try:
        tutorial.run("forefront cluster up --local 2")
        yield tutorial
    finally:
        tutorial.run("forefront cluster down")


@pytest.fixture(scope="session")
def on_cluster(tutorial: Tutorial) -> Iterator[RunningServer]:
    """The tutorial's server."""
    assert "forefront serve --ray auto" in tutorial.commands
    with run_server(["--ray", "auto"], tutorial.home) as running:
        yield running


def stream(server: RunningServer, body: dict[str, Any], words: list[str]) -> dict[str, Any]:
    """Read a stream, its texts into `words`; its last chunk."""
    last: dict[str, Any] = {}
    with server.client() as client, client.stream("POST", "/v1/chat/completions", json=body) as response:
        for line in response.iter_lines():
            if line.startswith("data: {"):
                last = json.loads(line.removeprefix("data: "))
                assert "error" not in last
                words += [choice["delta"].get("content") or "" for choice in last["choices"]]
    return last


@pytest.mark.exhaustive
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_tutorial_from_its_cluster_to_a_killed_node(tutorial: Tutorial, on_cluster: RunningServer) -> None:
    shown = tutorial.run("forefront cluster status")
    head, *nodes = tutorial.processes()
    assert shown.count("alive") == 2
    assert all(str(process) in shown for process in (head, *nodes))
    assert "2 running" in shown
    streams: list[list[str]] = [[] for _ in range(4)]
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        running = [threads.submit(stream, on_cluster, tutorial.body, words) for words in streams]
        until(lambda: all(len(words) > 20 for words in streams))
        os.kill(nodes[1], 9)
        ends = [future.result(120) for future in running]
    moves = [end["receipt"]["moves"] for end in ends]
    assert 1 in moves
    assert set(moves) <= {None, 1}
    assert all(end["choices"][0]["finish_reason"] == "length" for end in ends)
    until(lambda: tutorial.run("forefront cluster status").count("dead") == 1)
    tutorial.run("forefront cluster scale forefront-mini 1")
    with on_cluster.client() as client:
        answer = client.post("/v1/chat/completions", json=tutorial.body | {"stream": False, "max_tokens": 5})
    assert answer.status_code == 200


def until(condition: Any, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.exhaustive
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_embedding_model_and_a_model_with_a_draft(tutorial: Tutorial, tiny_gguf: Path, tmp_path: Path) -> None:
    encoder, settings = tmp_path / "encoder.gguf", tmp_path / "models.toml"
    write_encoder(encoder, ENCODERS["nomic-bert"])
    settings.write_text(
        f'[models.encoder]\nsource = "{encoder}"\n'
        f'[models.drafted]\nsource = "{tiny_gguf}"\ndraft = "{tiny_gguf}"\n'
        "[ray.models.encoder]\ncpus = 0.5\nreplicas = { min = 1, max = 1 }\n"
        "[ray.models.drafted]\ncpus = 0.5\nreplicas = { min = 1, max = 1 }\n"
    )
    texts = ["a word", "another and another"]
    with run_server([str(encoder)], tmp_path / "home") as running, running.client() as client:
        wanted = client.post("/v1/embeddings", json={"model": "encoder", "input": texts}).json()
    tutorial.run_any(f"forefront cluster up --config {settings}")
    with (
        run_server(["--ray", "auto", "--config", str(settings)], tutorial.home, log=tmp_path / "log") as running,
        running.client() as client,
    ):
        found = client.post("/v1/embeddings", json={"model": "encoder", "input": texts}).json()
        answer = client.post("/v1/completions", json={"model": "drafted", "prompt": "a", "max_tokens": 9})
        refused = client.post("/v1/completions", json={"model": "encoder", "prompt": "a"})
    tutorial.run_any("forefront cluster down encoder drafted")
    assert found["usage"] == wanted["usage"]
    for vector, expected in zip(found["data"], wanted["data"], strict=True):
        assert vector["embedding"] == pytest.approx(expected["embedding"], abs=0.02)
    assert answer.json()["usage"]["completion_tokens"] == 9
    assert refused.status_code == 400
