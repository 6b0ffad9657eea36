"""The Python examples and the SDK's page: short, typed, and they do what they say against the real server."""

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from forefront import ForefrontClient
from tests.support.programs.pyright import pyright
from tests.support.server import RunningServer

EXAMPLES = Path("examples/python")
PAGE = Path("docs/python.md")
# What each prints, as a pattern.
PRINTED = {
    "asynchronous": r"italian dinner: .+\nindian lunch: .+\neasy breakfast: .+\n",
    "chat": r"(.*\n)*Ingredients:\n(.*\n)+\d+ tokens\n",
    "errors": r"model_not_found: .* Did you mean `forefront-mini`\?.*\n",
    "idempotent": r"(chatcmpl-\S+ .+\n)\1",
    "preflight": r"\d+ of 2048 tokens; it fits\n",
    "stream": r"(.*\n)*Ingredients:\n(.*\n)+\d+ tokens in, \d+ out\n",
    "structured": r"(breakfast|lunch|dinner) with(out)? meat\n",
    "text": r".*\S.*\n(.*\n)*",
    "tools": r"get_weather\(\{.*\}\)\n.*21.*\n",
    "with_openai": r"Hello.+\n",
}


def python(code: list[str], server: RunningServer) -> str:
    environment = os.environ | {"FOREFRONT_BASE_URL": server.url, "FOREFRONT_API_KEY": server.key}
    result = subprocess.run(
        [sys.executable, *code], env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_every_example_is_run() -> None:
    assert sorted(path.stem for path in EXAMPLES.glob("*")) == sorted(PRINTED)


@pytest.mark.parametrize("name", PRINTED)
def test_example(name: str, server: RunningServer) -> None:
    path = EXAMPLES / f"{name}.py"
    assert len(path.read_text().splitlines()) <= 20
    printed = python(["-W", "error", str(path)], server)
    assert re.fullmatch(PRINTED[name], printed), printed


def test_the_page_s_programs(server: RunningServer, tmp_path: Path) -> None:
    program = tmp_path / "page.py"
    program.write_text("\n".join(re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)))
    printed = python(["-W", "error", str(program)], server)
    assert "422 invalid_value temperature req_" in printed


def test_the_page_names_every_option_of_the_client() -> None:
    documented = re.findall(r"^\| `(\w+)` \|", PAGE.read_text(), re.MULTILINE)
    assert documented == list(inspect.signature(ForefrontClient).parameters)


@pytest.mark.slow
def test_the_examples_pass_pyright(tmp_path: Path) -> None:
    """In its strict mode."""
    assert pyright([*EXAMPLES.glob("*.py"), Path("tests/client/typed.py")], tmp_path) == []


@pytest.mark.slow
def test_pyright_finds_type_errors(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text(
        "from forefront import ForefrontClient\n"
        "ask = ForefrontClient('k').chat.completions.create\n"
        "ask(messages=[], temprature=1)\n"
        "ask(messages=[], temperature='hot')\n"
        "ask(messages=[], stream=True).message\n"
        "ask(messages=[{'role': 'wizard', 'content': 'a'}])\n"
        "ask(messages=[], tools=[{'type': 'function', 'name': 'f'}])\n"
    )
    (tmp_path / "checked").mkdir()
    assert {line for _, line in pyright([wrong], tmp_path / "checked")} == {3, 4, 5, 6, 7}
