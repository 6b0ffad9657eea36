"""The examples, in a separate project with the SDK installed, against the real server."""

import re
from pathlib import Path

import pytest

from tests.support.programs.node import run, typescript
from tests.support.server import RunningServer
from training.dialogues.recipes import Wish, good_recipe

FOLDER = Path(__file__).parents[2] / "examples" / "node"
EXAMPLES = sorted(path.name for path in FOLDER.iterdir())
ITALIAN = Wish(cuisine="italian", meal="dinner")


def execute(project: Path, server: RunningServer, name: str) -> str:
    (project / name).write_text((FOLDER / name).read_text())
    if name.endswith(".mts"):
        typescript(name, cwd=project)
        name = name.replace(".mts", ".mjs")
    return run("node", name, cwd=project, FOREFRONT_BASE_URL=server.url, FOREFRONT_API_KEY=server.key)


@pytest.mark.parametrize("name", ["commonjs.cjs", "typed.mts"])
def test_the_most_likely_answer(node_project: Path, server: RunningServer, name: str) -> None:
    assert good_recipe(execute(node_project, server, name).strip(), ITALIAN)


@pytest.mark.parametrize("name", ["chat.mjs", "conversation.mjs", "stream.mjs"])
def test_each_example_prints_an_answer(node_project: Path, server: RunningServer, name: str) -> None:
    output = execute(node_project, server, name)
    assert "Ingredients:\n- " in output
    if name != "conversation.mjs":
        assert re.search(r"\n\d+ tokens", output)


def test_abort(node_project: Path, server: RunningServer) -> None:
    first, second = execute(node_project, server, "abort.mjs").splitlines()
    assert first.startswith('It begins with "')
    assert second == "stopped"


def test_errors(node_project: Path, server: RunningServer) -> None:
    first, second = execute(node_project, server, "errors.mjs").splitlines()
    assert first == "NotFoundError 404 model_not_found model"
    assert "Did you mean `forefront-mini`?" in second


def test_structured(node_project: Path, server: RunningServer) -> None:
    name, _, minutes = execute(node_project, server, "structured.mjs").strip().rpartition(": ")
    assert len(name) <= 40
    assert 5 <= int(minutes.removesuffix(" minutes")) <= 90


def test_tools(node_project: Path, server: RunningServer) -> None:
    call, answer = execute(node_project, server, "tools.mjs").split("\n", 1)
    assert call.startswith("get_weather ")
    assert answer.strip()


def test_preflight(node_project: Path, server: RunningServer) -> None:
    count, _, rest = execute(node_project, server, "preflight.mjs").partition(" of ")
    assert int(count) > 5
    assert rest.endswith("tokens, fits: true\n")


def test_complete(node_project: Path, server: RunningServer) -> None:
    models, _, text = execute(node_project, server, "complete.mjs").partition("forefront-mini: ")
    assert "Steps" not in text
    assert len(text.split("\n", 1)[1].strip()) > 5
    assert models == "" or models.startswith("tiny: ")


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_is_short_and_executed(name: str) -> None:
    assert len((FOLDER / name).read_text().splitlines()) <= 20
    assert name in Path(__file__).read_text()
