"""The Node SDK beside `fetch` and the `openai` package: the cost of the import, of a request and of a chunk.

Costs are processor time of the client's process, which other work on the machine affects less than wall-clock time.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path
from statistics import median

from benchmarks.report import table

_ROOT = Path(__file__).parents[1]
_REQUESTS, _CHUNKS = 300, 20_000
_MODULES = {
    "fetch": "",
    "forefront": "clients/node/dist/esm/index.js",
    "openai": "tests/interop/node/node_modules/openai/index.mjs",
}


def run(repeats: int) -> None:
    """Print the table; the clients take turns in each of `repeats` rounds, and medians are shown."""
    if shutil.which("npm") is None:
        print("\nThe Node SDK is not measured: npm is not on the PATH.", flush=True)
        return
    for folder in ("clients/node", "tests/interop/node"):
        _node("npm", "ci", "--ignore-scripts", "--silent", cwd=_ROOT / folder)
    _node("node", "scripts/build.mjs", cwd=_ROOT / "clients/node")
    start = {name: median(_start(module) for _ in range(3 * repeats)) for name, module in _MODULES.items()}
    output = _node("node", "benchmarks/node/measure.mjs", str(repeats), str(_REQUESTS), str(_CHUNKS), cwd=_ROOT)
    measured = json.loads(output)
    rows = [
        [
            name,
            f"{1000 * (start[name] - start['fetch']):.0f}",
            f"{median(measured['request'][name]):.0f}",
            f"{median(measured['chunk'][name]):.1f}",
        ]
        for name in _MODULES
    ]
    title = f"Node SDK ({_node('node', '--version', cwd=_ROOT).strip()}, server on the same machine)"
    table(title, ["processor time", "import, ms over bare Node", "µs per request", "µs per chunk"], rows)


def _start(module: str) -> float:
    """Seconds of processor time of a process that imports `module` and ends."""
    script = f"await import('./{module}')" if module else ""
    begin = os.times()
    _node("node", "--input-type=module", "-e", script, cwd=_ROOT)
    end = os.times()
    return end.children_user + end.children_system - begin.children_user - begin.children_system


def _node(*command: str, cwd: Path) -> str:
    return subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.PIPE, text=True).stdout
