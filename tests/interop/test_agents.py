"""Coding agents of other people edit a file, by a model that answers from a script."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.backends.agent_backend import AgentBackend
from tests.support.backends.instant import KEY, Nursery
from tests.support.programs.node import install, require_node

AGENTS = Path(__file__).parent / "agents"
MODEL = "scripted"


@pytest.fixture(scope="module")
def agents() -> Path:
    """The folder with the agents' programs, installed."""
    require_node()
    install(AGENTS)
    return AGENTS / "node_modules" / ".bin"


def documented_configuration(url: str) -> str:
    """The configuration of Codex in the documentation, for this server and model."""
    text = (Path(__file__).parents[2] / "docs" / "responses.md").read_text()
    found = re.search(r"```toml\n(model = .*?)```", text, re.DOTALL)
    assert found
    return found[1].replace("forefront-mini", MODEL).replace("http://127.0.0.1:8000", url)


def documented_variables(url: str) -> dict[str, str]:
    """The variables for Claude Code in the documentation, for this server and model."""
    text = (Path(__file__).parents[2] / "docs" / "messages.md").read_text()
    [row] = re.findall(r"^\| Claude Code \| (.*) \|$", text, re.MULTILINE)
    values = {"KEY": KEY, "MODEL": MODEL, "http://127.0.0.1:8000": url}
    pairs = re.findall(r"`(\w+)=([^`]*)`", row)
    return {name: values.get(value, value) for name, value in pairs}


@pytest.mark.exhaustive
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_codex_edits_a_file_over_responses(agents: Path, tmp_path: Path) -> None:
    folder, home = tmp_path / "project", tmp_path / "home"
    folder.mkdir()
    (home / ".codex").mkdir(parents=True)
    (folder / "greeting.txt").write_text("Hello\n")
    command = json.dumps({"cmd": "sed -i s/Hello/Goodbye/ greeting.txt && cat greeting.txt"})
    # The second call is of a tool in a namespace, to which Codex answers with an error: there is no such agent.
    close = ("multi_agent_v1__close_agent", json.dumps({"target": "none"}))
    backend = AgentBackend([("exec_command", command), close, "The file says Goodbye now."])
    log = tmp_path / "log"
    with Nursery().serve(f"sqlite:///{tmp_path / 'f.db'}", log, backends={MODEL: backend}) as server:
        (home / ".codex" / "config.toml").write_text(documented_configuration(server.url))
        result = subprocess.run(
            [
                str(agents / "codex"),
                *("exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"),
                *("--output-last-message", str(tmp_path / "last")),
                "Replace Hello by Goodbye in greeting.txt",
            ],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "HOME": str(home), "FOREFRONT_API_KEY": KEY},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert result.returncode == 0, result.stdout + result.stderr
    assert (folder / "greeting.txt").read_text() == "Goodbye\n", result.stdout + result.stderr
    assert (tmp_path / "last").read_text() == "The file says Goodbye now."


@pytest.mark.exhaustive
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_claude_code_edits_a_file_over_messages(agents: Path, tmp_path: Path) -> None:
    folder, home = tmp_path / "project", tmp_path / "home"
    folder.mkdir()
    home.mkdir()
    (folder / "greeting.txt").write_text("Hello\n")
    path = str(folder / "greeting.txt")
    edit = json.dumps({"file_path": path, "old_string": "Hello", "new_string": "Goodbye"})
    backend = AgentBackend([("Read", json.dumps({"file_path": path})), ("Edit", edit), "The file says Goodbye now."])
    [program] = (agents.parent / "@anthropic-ai").glob("claude-code-linux-*/claude")
    with Nursery().serve(f"sqlite:///{tmp_path / 'f.db'}", tmp_path / "log", backends={MODEL: backend}) as server:
        result = subprocess.run(
            [str(program), "--print", "--allowedTools=Read,Edit", "Replace Hello by Goodbye in greeting.txt"],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "HOME": str(home)} | documented_variables(server.url),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert (result.returncode, result.stdout) == (0, "The file says Goodbye now.\n"), result.stdout + result.stderr
    assert (folder / "greeting.txt").read_text() == "Goodbye\n"
