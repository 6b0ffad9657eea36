"""The README's snippets work, against a running server."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from tests.support.server import RunningServer
from training.dialogues.recipes import Wish, good_recipe

README = Path("README.md").read_text()
ITALIAN = Wish(cuisine="italian", meal="dinner")


def snippet(language: str, containing: str) -> str:
    """The one fenced block of that language that holds the text."""
    [found] = [code for code in re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL) if containing in code]
    return str(found)


def test_the_first_answer_is_a_recipe_as_shown(server: RunningServer) -> None:
    command = snippet("sh", "curl").replace("http://127.0.0.1:8000", server.url)
    run = subprocess.run(
        ["bash", "-c", command], env={"FOREFRONT_API_KEY": server.key, "PATH": "/usr/local/bin:/usr/bin:/bin"},
        capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    choice = json.loads(run.stdout)["choices"][0]
    assert choice["finish_reason"] == "stop"
    assert good_recipe(choice["message"]["content"], ITALIAN)
    assert good_recipe(snippet("text", "Ingredients"), ITALIAN)


def test_the_python_example_prints_an_answer(server: RunningServer) -> None:
    code = snippet("python", "ForefrontClient(") + snippet("python", "stream.text")
    code = code.replace("YOUR_API_KEY", server.key).replace("MODEL_STRING", "forefront-mini")
    run = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"FOREFRONT_BASE_URL": server.url},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("\n") > 5
    assert "Ingredients:" in run.stdout


def test_the_openai_example_prints_a_recipe(server: RunningServer) -> None:
    code = snippet("python", "OpenAI(").replace("YOUR_API_KEY", server.key).replace("http://127.0.0.1:8000", server.url)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    assert good_recipe(run.stdout.strip(), ITALIAN)
