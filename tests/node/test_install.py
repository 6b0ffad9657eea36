"""`npm install ./clients/node` into an empty project; then the documented program runs as printed."""

import re
from pathlib import Path

import pytest

from tests.support.programs.node import SDK, run, typescript
from tests.support.server import RunningServer

PAGES = {name: (SDK.parents[1] / name).read_text() for name in ("README.md", "clients/node/README.md")}


def snippet(page: str, containing: str) -> str:
    """The one fenced block of TypeScript or JavaScript that holds the text."""
    blocks = re.findall(r"```(?:ts|js)\n(.*?)```", PAGES[page], re.DOTALL)
    [found] = [code for code in blocks if containing in code]
    return str(found)


def documented(page: str, server: RunningServer) -> str:
    """The program with the key and the model filled in, the two placeholders."""
    code = snippet(page, 'new Forefront("YOUR_API_KEY")')
    return code.replace("YOUR_API_KEY", server.key).replace("MODEL_STRING", "forefront-mini")


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("kind", ["esm", "cjs", "typescript"])
def test_the_documented_program(node_project: Path, server: RunningServer, page: str, kind: str) -> None:
    code = documented(page, server)
    name = {"esm": "documented.mjs", "cjs": "documented.cjs", "typescript": "documented.mts"}[kind]
    if kind == "cjs":
        loading, _, rest = code.partition("\n")
        assert loading == 'import Forefront from "forefront";'
        code = f'const {{ Forefront }} = require("forefront");\n(async () => {{{rest}}})();\n'
    (node_project / name).write_text(code)
    if kind == "typescript":
        typescript(name, cwd=node_project)
    for _ in range(4):  # the program sets no temperature, and one sampled answer in some is no recipe
        output = run("node", name.replace(".mts", ".mjs"), cwd=node_project, FOREFRONT_BASE_URL=server.url)
        if "Ingredients:\n- " in output:
            break
    assert "Ingredients:\n- " in output


def test_the_published_package_s_way_of_importing(node_project: Path) -> None:
    """Its CommonJS build has the class under `default` alone."""
    script = 'const F = require("forefront").default; console.log(new F("KEY", "model", "http://host").defaultModel)'
    assert run("node", "-e", script, cwd=node_project) == "model\n"
