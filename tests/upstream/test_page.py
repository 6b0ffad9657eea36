"""docs/upstreams.md, followed word by word: a second Forefront server is the upstream."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from forefront.cli.settings.config import Config, load_config
from tests.support.server import KEY, RunningServer, run_server

PAGE = Path("docs/upstreams.md").read_text()


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language, in order."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


START_UPSTREAM, START, CHAT, USAGE = blocks("sh")
SETTINGS, *OTHER_SETTINGS = blocks("toml")
[UPSTREAM] = blocks("json")
assert PAGE.count("```") == 2 * (4 + 1 + len(OTHER_SETTINGS) + 1), "a block of the page is not followed"


def variables(script: str) -> dict[str, str]:
    """What a block exports."""
    return dict(re.findall(r"^export (\w+)=(.*)$", script, re.MULTILINE))


WRONG = """
[models.wrong]
upstream = "http://127.0.0.1:8001/v1"
upstream_model = "forefront-mini"
upstream_key = "env:WRONG_KEY"
"""
WRONG_KEY = "wrong-key-0123456789-wrong"


@pytest.fixture(scope="module")
def page_server(server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """The server that clients use. The upstream is one that runs already, at another port and with another key."""
    assert START_UPSTREAM.splitlines()[-1] == "forefront serve --port 8001"
    assert START.splitlines()[-1] == "forefront serve"
    assert variables(START)["UPSTREAM_KEY"] == variables(START_UPSTREAM)["FOREFRONT_API_KEY"]
    folder = tmp_path_factory.mktemp("upstreams")
    settings = folder / "forefront.toml"
    settings.write_text((SETTINGS + WRONG).replace("http://127.0.0.1:8001", server.url))
    environment = {"FOREFRONT_CONFIG": str(settings), "UPSTREAM_KEY": server.key, "WRONG_KEY": WRONG_KEY}
    with run_server([], folder / "home", environment=environment) as running:
        yield running


def curl(server: RunningServer, command: str, **environment: str) -> Any:
    """The JSON that a command of the page prints."""
    run = subprocess.run(
        ["bash", "-euc", command.replace("curl ", "curl --silent ", 1)],
        env={"URL": server.url, "KEY": server.key, "PATH": os.environ["PATH"]} | environment,
        capture_output=True,
        check=True,
        timeout=60,
    )
    return json.loads(run.stdout)


def test_the_first_steps(page_server: RunningServer) -> None:
    answer = curl(page_server, CHAT)
    assert answer["choices"][0]["message"]["content"].startswith("Risotto")
    assert answer["model"] == "remote"
    assert answer["receipt"]["upstream"] == json.loads(UPSTREAM)
    row = curl(page_server, USAGE, ID=answer["id"])
    assert row["output_tokens"] == answer["usage"]["completion_tokens"] == 20
    assert row["estimated"] is False
    model, _ = page_server.get("/v1/models").json()["data"]
    assert model["context_length"] == 2048
    log = page_server.log.read_text()
    assert "the upstream of remote is forefront" in log


def test_fields_and_parts_that_it_lacks_are_named(page_server: RunningServer) -> None:
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    body = {"model": "remote", "messages": [{"role": "user", "content": [part]}]}
    with page_server.client() as client:
        refused = client.post("/v1/chat/completions", json=body)
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "messages[0].content[0].type"


def test_the_settings_are_valid(tmp_path: Path) -> None:
    for text in (SETTINGS, *OTHER_SETTINGS):
        path = tmp_path / "forefront.toml"
        path.write_text(text)
        assert load_config(path, {}) != Config()


def test_a_wrong_upstream_key_is_a_server_error(page_server: RunningServer) -> None:
    """The client gets the class of the error, the log its reason."""
    with page_server.client() as client:
        body = {"model": "wrong", "messages": [{"role": "user", "content": "Hello"}]}
        failed = client.post("/v1/chat/completions", json=body)
    assert failed.status_code == 502
    assert failed.json()["error"]["code"] == "upstream_failed"
    assert "settings" in failed.json()["error"]["message"]
    log = page_server.log.read_text()
    assert "401" in log
    assert not any(secret in log + failed.text for secret in (WRONG_KEY, KEY))
