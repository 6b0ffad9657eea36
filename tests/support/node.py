"""The Node SDK, built once for a run of tests; and what running Node takes."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SDK = Path(__file__).parents[2] / "clients" / "node"


def require_node() -> None:
    """Skip where there is no Node of version 20 or later. Where `CI` is set, that is a failure."""
    node = shutil.which("node")
    if node and shutil.which("npm"):
        version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
        if int(version.removeprefix("v").partition(".")[0]) >= 20:
            return
    reason = "the Node SDK is NOT tested: there is no node ≥ 20 with npm on the PATH"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def run(*command: str, cwd: Path, **environment: str) -> str:
    """Run to the end; standard output. A failure shows all that was said."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("FOREFRONT")}
    result = subprocess.run(
        command, cwd=cwd, env=variables | environment, capture_output=True, text=True, timeout=300, check=False
    )
    if result.returncode:
        pytest.fail(
            f"{' '.join(command)} ended with {result.returncode}:\n{result.stdout[-8000:]}{result.stderr[-4000:]}"
        )
    return result.stdout


def build() -> Path:
    """Build the SDK; its folder."""
    require_node()
    if not (SDK / "node_modules" / "typescript").exists():
        run("npm", "ci", "--ignore-scripts", cwd=SDK)
    run("node", "scripts/build.mjs", cwd=SDK)
    return SDK
