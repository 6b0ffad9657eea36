"""The Node SDK, built once for a run of tests, and helpers that run Node."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.workers import in_turn, is_first

SDK = Path(__file__).parents[3] / "clients" / "node"
PEERS = Path(__file__).parents[2] / "interop" / "node"


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
    """Run to the end; standard output. A failure shows all output."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("FOREFRONT")}
    result = subprocess.run(
        command, cwd=cwd, env=variables | environment, capture_output=True, text=True, timeout=300, check=False
    )
    if result.returncode:
        pytest.fail(
            f"{' '.join(command)} ended with {result.returncode}:\n{result.stdout[-8000:]}{result.stderr[-4000:]}"
        )
    return result.stdout


def run_suite(path: str, *, cwd: Path, **environment: str) -> None:
    """Run a file of `node:test` tests. None may be skipped."""
    output = run("node", "--test", "--test-reporter=tap", path, cwd=cwd, **environment)
    assert "# skipped 0" in output
    assert "# pass 0" not in output


def build() -> Path:
    """Build the SDK; its folder."""
    require_node()
    install(SDK)
    with in_turn(str(SDK)):
        if is_first(SDK / "node_modules" / ".built-by"):
            run("node", "scripts/build.mjs", cwd=SDK)
    return SDK


def build_pages() -> None:
    """Build the web pages unless they are newer than their sources. Without npm a server starts without them."""
    with in_turn("web pages"):
        subprocess.run(["make", "--silent", "page"], cwd=SDK.parents[1], check=True, capture_output=True, timeout=300)


def install_peers() -> Path:
    """Install other people's clients; their folder."""
    require_node()
    install(PEERS)
    return PEERS


def make_project(folder: Path) -> Path:
    """An empty project in `folder` with the SDK installed, as a user of a fresh clone would do it."""
    require_node()
    fresh, project = folder / "clone", folder / "project"
    shutil.copytree(SDK, fresh, ignore=shutil.ignore_patterns("node_modules", "dist"))
    project.mkdir()
    (project / "package.json").write_text('{"name": "empty", "private": true}\n')
    (project / ".npmrc").write_text((SDK / ".npmrc").read_text())
    run("npm", "install", str(fresh), cwd=project)
    return project


def typescript(name: str, *, cwd: Path, emit: bool = True) -> None:
    """Compile a file, strictly; with `emit`, the declarations of what it imports are checked too."""
    install(SDK)
    compiler = SDK / "node_modules" / "typescript" / "bin" / "tsc"
    options = ["--strict", "--module", "nodenext", "--target", "es2022"]
    options += ["--lib", "es2022,dom", "--skipLibCheck", "false"] if emit else ["--skipLibCheck", "--noEmit"]
    run("node", str(compiler), *options, name, cwd=cwd)


def install(folder: Path) -> None:
    """What the folder's lock names, unless that is there already."""
    installed, lock = folder / "node_modules" / ".package-lock.json", folder / "package-lock.json"
    with in_turn(str(folder)):
        if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
            run("npm", "ci", "--ignore-scripts", cwd=folder)
