"""The Node SDK's own tests, with a real server for those that want one; its types; what would be published."""

import json
from pathlib import Path

import pytest

from forefront.wire.errors import ERRORS
from tests.support.programs.node import SDK, run, run_suite
from tests.support.server import RunningServer

SUITES = ["client", "contract", "errors", "network", "retry", "server"]
SLOW = ["contract", "network"]


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in SUITES])
def test_suite(node_sdk: Path, server: RunningServer, name: str) -> None:
    settings = {"FOREFRONT_BASE_URL": server.url, "FOREFRONT_API_KEY": server.key} if name == "server" else {}
    run_suite(f"test/{name}.test.mjs", cwd=node_sdk, **settings)


def test_every_suite_is_run() -> None:
    assert sorted(path.name.partition(".")[0] for path in SDK.glob("test/*.test.mjs")) == SUITES


@pytest.mark.parametrize("options", [[], ["--lib", "ES2022"], ["--types", ""]], ids=["all", "no DOM", "no Node"])
def test_types(node_sdk: Path, options: list[str]) -> None:
    run("node", "node_modules/typescript/bin/tsc", "-p", "test", *options, cwd=node_sdk)


@pytest.mark.slow
def test_package(node_sdk: Path) -> None:
    """What is published is the build and nothing else, and resolves from ESM, CommonJS and bundlers."""
    [packed] = json.loads(run("npm", "pack", "--dry-run", "--json", "--ignore-scripts", cwd=node_sdk))
    files = {entry["path"] for entry in packed["files"]}
    assert {"package.json", "README.md", "LICENSE", "dist/esm/index.js", "dist/cjs/index.d.ts"} <= files
    assert all(path.startswith("dist/") for path in files - {"package.json", "README.md", "LICENSE"})
    assert packed["unpackedSize"] < 300_000
    run("node", "node_modules/publint/src/cli.js", "--strict", cwd=node_sdk)
    attw = "node_modules/@arethetypeswrong/cli/dist/index.js"
    run("node", attw, "--pack", ".", "--profile", "node16", cwd=node_sdk)


def test_the_lock_names_no_registry() -> None:
    lock = json.loads((SDK / "package-lock.json").read_text())
    assert all("resolved" not in package for package in lock["packages"].values())
    assert "dependencies" not in lock["packages"][""]


def test_the_error_table_is_the_server_s(node_sdk: Path) -> None:
    script = "import('./dist/esm/error-parsing.js').then(m => console.log(JSON.stringify(m.STATUS_BY_CODE)))"
    assert json.loads(run("node", "-e", script, cwd=node_sdk)) == {code: status for code, (status, _) in ERRORS.items()}
