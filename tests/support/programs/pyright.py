"""The type checker Pyright, installed from its lock."""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.support.programs.node import install, require_node

FOLDER = Path(__file__).parents[2] / "interop" / "pyright"
SOURCES = Path(__file__).parents[3] / "src"


def pyright(files: Sequence[Path], folder: Path) -> list[tuple[str, int]]:
    """Check copies of the files, made in an empty `folder`, strictly; message and line of each complaint."""
    require_node()
    install(FOLDER)
    for path in files:
        shutil.copy(path, folder / path.name)
    settings = {"include": ["*.py"], "typeCheckingMode": "strict", "extraPaths": [str(SOURCES)]}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    command = ["node", str(FOLDER / "node_modules" / "pyright" / "index.js"), "--outputjson"]
    command += ["--project", str(folder), "--pythonpath", sys.executable]
    result = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    report = json.loads(result.stdout)
    assert report["summary"]["filesAnalyzed"] == len(files), report
    return [(found["message"], found["range"]["start"]["line"] + 1) for found in report["generalDiagnostics"]]
