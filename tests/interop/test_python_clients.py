"""Python clients and frameworks that other people made, unmodified, against the real server."""

import re
from pathlib import Path

import pytest

from tests.support.interop_environment import ROOT, SUITES, install, run_suite
from tests.support.server import RunningServer

# Which lock has the packages of which suites.
CLIENTS = {
    "interop": [
        "test_dspy",
        "test_haystack",
        "test_langchain_standard",
        "test_litellm",
        "test_llm",
        "test_openai_agents",
        "test_pydantic_ai",
        "test_smolagents",
    ],
    "interop-openai-2": ["test_instructor", "test_llama_index"],
}


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
    locked = {
        name.replace("_", "-").lower(): version
        for lock in CLIENTS
        for name, version in re.findall(r"^(\S+)==([^\s\\]+)", (ROOT / f"requirements/{lock}.txt").read_text(), re.M)
    }
    rows = re.findall(r"^\| `([\w.-]+)` \(PyPI\) \| ([\d.]+) ", (ROOT / "docs" / "clients.md").read_text(), re.M)
    assert len(rows) >= sum(len(suites) for suites in CLIENTS.values())
    assert [(name, version) for name, version in rows if locked.get(name, version) != version] == []
