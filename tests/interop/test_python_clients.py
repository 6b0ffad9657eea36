"""Python clients and frameworks that other people made, unmodified, against the real server."""

import json
import re
from pathlib import Path

import pytest

from tests.interop.test_agents import AGENTS
from tests.support.programs.interop_environment import ROOT, SUITES, install, run_suite
from tests.support.programs.node import PEERS
from tests.support.server import RunningServer

# Which lock has the packages of which suites.
CLIENTS = {
    "interop": [
        "test_dspy",
        "test_haystack",
        "test_langchain_anthropic",
        "test_langchain_standard",
        "test_litellm",
        "test_llm",
        "test_openai_agents",
        "test_pydantic_ai",
        "test_smolagents",
    ],
    "interop-openai-2": ["test_instructor", "test_llama_index"],
}


@pytest.mark.exhaustive
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("lock", "suite"), [(lock, suite) for lock, suites in CLIENTS.items() for suite in suites])
def test_client(server: RunningServer, tmp_path: Path, lock: str, suite: str) -> None:
    run_suite(install(lock), suite, tmp_path, url=server.url, key=server.key)


def test_every_suite_is_run() -> None:
    listed = sorted(suite for suites in CLIENTS.values() for suite in suites)
    assert listed == sorted(path.stem for path in SUITES.glob("test_*.py"))


@pytest.mark.parametrize("lock", CLIENTS)
def test_the_lock_names_no_registry(lock: str) -> None:
    text = (ROOT / "requirements" / f"{lock}.txt").read_text()
    assert "://" not in text
    assert "--hash=sha256:" in text


def test_the_documented_versions_are_the_locked_ones() -> None:
    locks = "".join((ROOT / "requirements" / f"{name}.txt").read_text() for name in (*CLIENTS, "dev"))
    locked = set(re.findall(r"^(\S+)==([^\s\\]+)", locks, re.M))
    for folder in (PEERS, AGENTS):
        node = json.loads((folder / "package-lock.json").read_text())["packages"]
        locked |= {(path.removeprefix("node_modules/"), package.get("version", "")) for path, package in node.items()}
    rows = re.findall(r"^\| (`.+?) \((?:PyPI|npm)\) \| (.+?) \|", (ROOT / "docs" / "clients.md").read_text(), re.M)
    documented = {
        (name.strip("`"), version)
        for names, versions in rows
        for name, version in zip(names.split(", "), versions.split(", "), strict=True)
    }
    assert len(documented) == 22
    assert documented - locked == set()
