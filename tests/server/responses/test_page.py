"""docs/responses.md, followed word by word: its commands and its Python code against a running server."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.support.server import RunningServer

PAGE = Path("docs/responses.md").read_text()


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language, in order."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def run(server: RunningServer, *command: str) -> str:
    variables = {"URL": server.url, "KEY": server.key, "PATH": os.environ["PATH"]}
    variables |= {"FOREFRONT_BASE_URL": server.url, "FOREFRONT_API_KEY": server.key}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_its_commands(server: RunningServer) -> None:
    request, conversation, *_ = (block for block in blocks("sh") if "curl" in block)
    assert '"object":"response"' in run(server, "bash", "-euc", request)
    answer = run(server, "bash", "-euc", conversation)
    assert re.search(r'"conversation":\{"id":"conv_', answer), answer


def test_its_python(server: RunningServer) -> None:
    response, conversation = blocks("python")
    whole, _, streamed = run(server, sys.executable, "-c", response).partition("\n")
    assert whole or streamed
    client = "from forefront import ForefrontClient\n\nclient = ForefrontClient()\n"
    shown = "\nprint(item.role, item.content[0].text)"
    assert run(server, sys.executable, "-c", client + conversation + shown) == "user My name is Ada.\n"
