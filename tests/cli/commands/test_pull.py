"""`forefront pull`, `serve` and `models` as a user meets them, with a stand-in of the hub."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from forefront.catalog.sources.source import BUILT_IN_PATH
from forefront.cli.app import app
from tests.support.models.hf_directory import write_directory
from tests.support.server import RunningServer, run_server
from tests.support.services.hub import Hub, Repository, run_hub

MINI, TINY = "hf:owner/mini:Q8_0", "hf:owner/tiny"
LARGE = os.urandom(3_000_000)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A hub with the built-in model, a directory of safetensors, and a large file."""
    folder = tmp_path_factory.mktemp("repository") / "tiny"
    write_directory(folder)
    tiny = {path.name: path.read_bytes() for path in folder.iterdir()} | {"README.md": b"", "pytorch_model.bin": b"x"}
    mini = {"forefront-mini-Q8_0.gguf": BUILT_IN_PATH.read_bytes(), "forefront-mini-F16.gguf": b"other"}
    with run_hub(
        owner__mini=Repository(mini),
        owner__tiny=Repository(tiny, licence="mit\x1b[31m"),
        owner__large=Repository({"large.gguf": LARGE}),
        owner__gated=Repository({"m.gguf": b"GGUF"}, token="hf_right"),
    ) as running:
        yield running


def variables(hub: Hub, folder: Path) -> dict[str, str]:
    home = {"FOREFRONT_HOME": str(folder / "home"), "HF_HOME": str(folder / "hf")}
    return home | {"HF_ENDPOINT": hub.url, "HF_TOKEN": "", "HF_TOKEN_PATH": str(folder / "token")}


def forefront(hub: Hub, folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "forefront.cli", *arguments]
    environment = os.environ | variables(hub, folder) | {"COLUMNS": "200"} | more
    return subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
    )


def answer(hub: Hub, folder: Path, *arguments: str) -> Any:
    """The JSON of a command that succeeds."""
    done = forefront(hub, folder, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def complete(server: RunningServer, model: str) -> str:
    fields = {"model": model, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4, "temperature": 0}
    with server.client() as client:
        response = client.post("/v1/chat/completions", json=fields)
    assert response.status_code == 200, response.text
    assert response.json()["usage"]["completion_tokens"] > 0
    return str(response.json()["model"])


def test_models_are_pulled_served_shown_and_removed(hub: Hub, tmp_path: Path) -> None:
    [pulled] = answer(hub, tmp_path, "pull", MINI)
    assert Path(pulled["directory"], pulled["main"]).read_bytes() == BUILT_IN_PATH.read_bytes()
    assert answer(hub, tmp_path, "models", "show", MINI)["packed"] == 0
    # The other model is pulled by the server.
    with run_server([f"mini={MINI}", TINY], tmp_path / "home", environment=variables(hub, tmp_path)) as server:
        assert complete(server, "mini") == "mini"
        assert complete(server, "owner/tiny") == "owner/tiny"
        shown = answer(hub, tmp_path, "models", "show", "owner/tiny")
        assert shown["in_use"]
        assert shown["packed"] > 0
        assert not {"README.md", "pytorch_model.bin"} & {file["path"] for file in shown["files"]}
        refused = forefront(hub, tmp_path, "models", "remove", MINI)
        assert refused.returncode == 1
        assert refused.stderr == f"forefront: {MINI} is in use by a running server; --yes removes it nevertheless\n"
        removed = answer(hub, tmp_path, "models", "remove", TINY, "--yes")
        assert removed["freed"] == shown["size"] + shown["packed"]
        assert complete(server, "owner/tiny") == "owner/tiny"
    listed = {model["name"]: model for model in answer(hub, tmp_path, "models", "list")}
    assert listed[MINI]["state"] == "pulled"
    assert listed[MINI]["last_used"] >= listed[MINI]["pulled"]
    assert listed["smollm2"]["state"] == "not pulled"
    assert TINY not in listed
    assert forefront(hub, tmp_path, "models", "remove", MINI).returncode == 0
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.stat().st_size > 1_000_000]


@pytest.mark.slow
def test_a_server_with_a_pulled_model_starts_offline(hub: Hub, tmp_path: Path) -> None:
    forefront(hub, tmp_path, "pull", "hf:owner/mini")
    environment = variables(hub, tmp_path) | {"HF_ENDPOINT": "http://127.0.0.1:9"}
    with run_server(["hf:owner/mini"], tmp_path / "home", environment=environment) as server:
        assert complete(server, "owner/mini") == "owner/mini"


def test_text_of_the_hub_cannot_control_the_terminal(hub: Hub, tmp_path: Path) -> None:
    done = forefront(hub, tmp_path, "pull", TINY)
    assert done.returncode == 0
    assert done.stderr.splitlines()[0].startswith(f"Pulling {TINY} (")
    for arguments in (("models", "list"), ("models", "show", TINY)):
        shown = forefront(hub, tmp_path, *arguments)
        assert r"mit\u001b[31m" in shown.stdout
        assert "\x1b[31m" not in shown.stdout


def test_ctrl_c_keeps_the_partial_answer(hub: Hub, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "forefront.cli", "pull", "hf:owner/large"]
    hub.held_after = 1_500_000
    hub.gate.clear()
    process = subprocess.Popen(
        command, env=os.environ | variables(hub, tmp_path), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        wait_for_size(tmp_path, 1_500_000)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=120)
    finally:
        process.kill()
        hub.gate.set()
        hub.held_after = 0
    assert process.returncode == 130
    last = "forefront: interrupted; partial files are kept, and the next pull continues from there"
    assert error.splitlines()[-1] == last
    assert "50 % pulled" in forefront(hub, tmp_path, "models", "list").stdout
    hub.requests.clear()
    assert forefront(hub, tmp_path, "pull", "hf:owner/large").returncode == 0
    assert [range_ for _, range_ in hub.downloads()] == ["bytes=1500000-"]


def wait_for_size(folder: Path, size: int) -> None:
    for _ in range(3000):
        if any(path.stat().st_size >= size for path in folder.rglob("*.incomplete")):
            return
        time.sleep(0.05)
    raise AssertionError("nothing came")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pull", "hf:owner/gated"], "hf:owner/gated: the repository is gated: accept its licence at "),
        (["serve", "hf:owner/missing", "--port", "0"], "hf:owner/missing: there is no such repository on 127.0.0.1:"),
        (
            ["pull", "nothing"],
            "nothing: this is neither a known model (`forefront models list`) nor a reference such as hf:owner/repo",
        ),
        (
            ["pull", "smolm2"],
            "smolm2: this is neither a known model (`forefront models list`) nor a reference such as "
            "hf:owner/repo; did you mean smollm2?",
        ),
        (
            ["pull", "Qwen/Qwen3-4B"],
            "Qwen/Qwen3-4B: this is neither a known model (`forefront models list`) nor a "
            "reference such as hf:owner/repo; hf:Qwen/Qwen3-4B would be the model of that name on the Hugging Face hub",
        ),
        (["models", "remove", "no\x1bthing"], r"no\u001bthing has not been pulled; `forefront models list` lists"),
    ],
)
def test_a_failing_command_is_one_line(hub: Hub, tmp_path: Path, arguments: list[str], message: str) -> None:
    done = CliRunner().invoke(app, arguments, env=variables(hub, tmp_path) | {"COLUMNS": "200"})
    assert done.exit_code == 1
    lines = done.stderr.splitlines()
    assert lines[-1].startswith(f"forefront: {message}")
    assert isinstance(done.exception, SystemExit)
    assert done.stdout == ""


def test_a_token_opens_a_gated_repository_and_is_not_shown(hub: Hub, tmp_path: Path) -> None:
    wrong = forefront(hub, tmp_path, "pull", "hf:owner/gated", HF_TOKEN="hf_wrong")
    assert "with the account of the token in HF_TOKEN" in wrong.stderr
    right = forefront(hub, tmp_path, "pull", "hf:owner/gated", HF_TOKEN="hf_right")
    assert right.returncode == 0
    assert "hf_" not in wrong.stderr + right.stderr + right.stdout


def test_offline_is_respected(hub: Hub, tmp_path: Path) -> None:
    before = len(hub.requests)
    done = forefront(hub, tmp_path, "pull", "hf:owner/mini", HF_HUB_OFFLINE="1")
    assert "HF_HUB_OFFLINE is set, and the hub's cache in" in done.stderr
    assert len(hub.requests) == before
