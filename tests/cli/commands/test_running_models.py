"""`forefront models status`, `load` and `unload`."""

import json
import os
import subprocess
import sys

from tests.support.server import RunningServer


def command(server: RunningServer, *arguments: str) -> subprocess.CompletedProcess[str]:
    variables = os.environ | {"FOREFRONT_API_KEY": server.key, "FOREFRONT_BASE_URL": server.url, "COLUMNS": "200"}
    line = [sys.executable, "-m", "forefront.cli", "models", *arguments]
    return subprocess.run(line, env=variables, capture_output=True, text=True, timeout=60, check=False)


def test_models_are_shown_unloaded_and_loaded(server: RunningServer) -> None:
    shown = command(server, "status")
    assert shown.returncode == 0, shown.stderr
    head, first, second, taken = shown.stdout.splitlines()
    assert head.split() == ["name", "state", "MiB", "requests", "waiting"]
    assert first.split()[:2] == ["forefront-mini", "loaded"]
    assert second.split()[0] == "tiny"
    assert "MiB are taken by models" in taken
    unloaded = json.loads(command(server, "unload", "tiny", "--json").stdout)
    assert (unloaded["state"], unloaded["blocks_total"]) == ("unloaded", 0)
    loaded = command(server, "load", "tiny")
    assert loaded.stdout.startswith("tiny is loaded, ")
    status = json.loads(command(server, "status", "--json").stdout)
    assert status["models"]["tiny"]["state"] == "loaded"


def test_an_unknown_model_is_one_line(server: RunningServer) -> None:
    refused = command(server, "load", "none")
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert "There is no model `none` here" in refused.stderr


def test_a_key_without_the_scope_is_one_line(server: RunningServer) -> None:
    with server.client() as client:
        key = client.post("/admin/keys", json={"name": "user"}).json()["key"]
    refused = command(RunningServer(server.url, key, server.process, server.log), "status")
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "insufficient_scope" in refused.stderr
