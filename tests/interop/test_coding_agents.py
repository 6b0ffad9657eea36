"""Coding agents that other people made, unmodified: they edit a file through a model that plays its part."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.editing_agent import EditingBackend
from tests.support.instant import KEY, Nursery
from tests.support.node import install, require_node

AGENTS = Path(__file__).parent / "agents"


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_claude_code_edits_a_file(tmp_path: Path) -> None:
    """It is pointed here by the environment variables of `docs/messages.md` alone."""
    require_node()
    install(AGENTS)
    [program] = AGENTS.glob("node_modules/@anthropic-ai/claude-code-linux-*/claude")
    project, home = tmp_path / "project", tmp_path / "home"
    project.mkdir()
    home.mkdir()
    file = project / "greeting.py"
    file.write_text('print("hello")\n')
    backends = {"scripted": EditingBackend(str(file), "hello", "goodbye")}
    with Nursery().serve(f"sqlite:///{tmp_path / 'store.db'}", tmp_path / "log", backends=backends) as server:
        variables = {
            "ANTHROPIC_BASE_URL": server.url,
            "ANTHROPIC_AUTH_TOKEN": KEY,
            "ANTHROPIC_MODEL": "scripted",
            "ANTHROPIC_DEFAULT_HAIKU_MODEL": "scripted",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "HOME": str(home),
            "PATH": os.environ["PATH"],
        }
        command = [str(program), "--print", "Say goodbye in greeting.py", "--allowedTools", "Read,Edit"]
        result = subprocess.run(
            command,
            cwd=project,
            env=variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert (result.returncode, result.stdout.strip()) == (0, "Done."), result.stdout + result.stderr
    assert file.read_text() == 'print("goodbye")\n'
