"""Node clients that other people made, unmodified, against the real server."""

import json
from pathlib import Path

import pytest

from tests.support.programs.node import PEERS, run_suite, typescript
from tests.support.server import RunningServer

SUITES = ["langchain", "messages", "openai", "published", "responses", "schema", "tools"]


@pytest.mark.slow
@pytest.mark.parametrize("name", SUITES)
def test_peer(node_peers: Path, node_sdk: Path, server: RunningServer, name: str) -> None:
    settings = {"FOREFRONT_BASE_URL": server.url, "FOREFRONT_API_KEY": server.key}
    run_suite(f"{name}.test.mjs", cwd=node_peers, **settings)


def test_every_peer_is_run() -> None:
    assert sorted(path.name.partition(".")[0] for path in PEERS.glob("*.test.mjs")) == SUITES


def test_a_zod_schema_types_the_answer(node_peers: Path, node_sdk: Path) -> None:
    typescript("types.ts", cwd=node_peers, emit=False)


def test_the_lock_names_no_registry() -> None:
    lock = json.loads((PEERS / "package-lock.json").read_text())
    assert all("resolved" not in package for package in lock["packages"].values())
