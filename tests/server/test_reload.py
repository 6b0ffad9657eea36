"""New settings for a running server: SIGHUP and `POST /admin/reload`."""

import asyncio
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from forefront.catalog.sources.source import BUILT_IN_PATH
from tests.support.server import RunningServer, run_server

HELLO = [{"role": "user", "content": "Hello"}]
SETTINGS = """
[models.first]
source = "forefront-mini"
kv_cache_gib = 0.02
[models.second]
source = "forefront-mini"
kv_cache_gib = 0.02
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningServer, Path]]:
    """A server, and the file of its settings."""
    folder = tmp_path_factory.mktemp("reload")
    settings = folder / "forefront.toml"
    settings.write_text(SETTINGS)
    with run_server(["--config", str(settings)], folder / "home") as running:
        yield running, settings


@pytest.fixture
def client(served: tuple[RunningServer, Path]) -> Iterator[httpx.Client]:
    """A client of the server, which has its first settings."""
    running, settings = served
    settings.write_text(SETTINGS)
    with running.client() as http:
        assert http.post("/admin/reload").status_code == 200
        yield http


@pytest.fixture
def settings(served: tuple[RunningServer, Path]) -> Path:
    return served[1]


def names(client: httpx.Client) -> list[str]:
    return [model["id"] for model in client.get("/v1/models").json()["data"]]


def states(client: httpx.Client) -> dict[str, str]:
    return {model["id"]: model["state"] for model in client.get("/v1/models").json()["data"]}


def chat(client: httpx.Client, model: str, **fields: Any) -> httpx.Response:
    body = {"model": model, "messages": HELLO, "max_tokens": 3} | fields
    return client.post("/v1/chat/completions", json=body)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_reload_without_changes_does_nothing(client: httpx.Client) -> None:
    before = client.get("/admin/status").json()["models"]
    result = client.post("/admin/reload").json()
    assert result == {
        "object": "reload", "added": [], "changed": [], "removed": [], "settings": [], "needs_restart": [],
    }  # fmt: skip
    assert client.get("/admin/status").json()["models"] == before


def test_models_are_added_changed_and_removed(client: httpx.Client, settings: Path) -> None:
    assert chat(client, "second").status_code == 200
    settings.write_text(
        '[models.third]\nsource = "forefront-mini"\nkv_cache_gib = 0.02\n'
        '[models.second]\nsource = "forefront-mini"\nkv_cache_gib = 0.02\ncontext_length = 512\n'
        '[models.kept]\nsource = "forefront-mini"\nkv_cache_gib = 0.02\nkeep = "always"\n'
    )
    result = client.post("/admin/reload").json()
    assert (result["added"], result["changed"], result["removed"]) == (["third", "kept"], ["second"], ["first"])
    assert names(client) == ["third", "second", "kept"]
    assert chat(client, "first").json()["error"]["code"] == "model_not_found"
    # What was loaded is loaded again, and what is always kept is loaded.
    until(lambda: states(client) == {"third": "unloaded", "second": "loaded", "kept": "loaded"})
    assert client.get("/v1/models/second").json()["context_length"] == 512
    assert chat(client, "third").status_code == 200


async def test_a_running_answer_ends_on_the_model_that_it_began_with(
    served: tuple[RunningServer, Path], client: httpx.Client
) -> None:
    running, settings = served
    body = {"model": "first", "messages": HELLO, "max_tokens": 200, "ignore_eos": True, "stream": True}
    async with running.async_client() as http:
        async with http.stream("POST", "/v1/chat/completions", json=body) as stream:
            lines = stream.aiter_lines()
            await anext(lines)
            settings.write_text(SETTINGS.replace("[models.first]", "[models.other]"))
            assert (await http.post("/admin/reload")).json()["removed"] == ["first"]
            refused = await http.post("/v1/chat/completions", json=body)
            assert refused.json()["error"]["code"] == "model_not_found"
            rest = [line async for line in lines]
        assert "data: [DONE]" in rest
        async with asyncio.timeout(60):
            while "unloaded first" not in running.log.read_text():
                await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[models", "is not TOML"),
        ("[models.a]\nsource = '/none.gguf'\n", "/none.gguf: there is no such file"),
        ("[models.a]\nsuorce = 'x'\n", "did you mean `source`"),
        ("[models.a]\nsource = '{bad}'\n", "this is not a GGUF file"),
        ("[models.a]\nsource = '{damaged}'\n", "damaged.gguf"),
        ("[queue]\nrunning = 0\n", "`queue.running`"),
        ("[models.a]\nupstream = 'http://127.0.0.1:9/v1'\nfallback = ['b']\n", "there is no model `b`"),
        ('[loading]\nmemory_gib = 0.05\n[models.a]\nsource = "forefront-mini"\nkeep = "always"\n', "memory_gib"),
    ],
)
def test_invalid_settings_change_nothing(client: httpx.Client, settings: Path, text: str, reason: str) -> None:
    before = client.get("/admin/status").json()["models"]
    (settings.parent / "bad.gguf").write_text("not a model")
    (settings.parent / "damaged.gguf").write_bytes(BUILT_IN_PATH.read_bytes()[:5000])
    settings.write_text(
        text.replace("{bad}", str(settings.parent / "bad.gguf"))
        .replace("{damaged}", str(settings.parent / "damaged.gguf"))
    )  # fmt: skip
    response = client.post("/admin/reload")
    assert (response.status_code, response.json()["error"]["code"]) == (422, "invalid_value")
    assert reason in response.json()["error"]["message"]
    assert client.get("/admin/status").json()["models"] == before


def test_settings_apply_or_need_a_restart(client: httpx.Client, settings: Path) -> None:
    settings.write_text(
        SETTINGS + "[queue]\nwaiting = 7\n[server]\ngrace_seconds = 9\nsend_seconds = 7\n[log]\nlevel = 'warning'\n"
        "[prices.first]\ninput = 3.0\n[loading]\nmemory_gib = 3\n"
    )
    result = client.post("/admin/reload").json()
    assert sorted(result["settings"]) == ["loading.memory_gib", "log.level", "prices.first", "queue.waiting"]
    assert result["needs_restart"] == ["server.grace_seconds", "server.send_seconds"]
    assert client.get("/admin/status").json()["memory_limit"] == 3 * 2**30
    used = chat(client, "first").json()
    cost = client.get(f"/v1/usage/{used['id']}").json()["cost"]
    assert cost == pytest.approx(used["usage"]["prompt_tokens"] * 3e-6)
    # They are named until the restart.
    again = client.post("/admin/reload").json()
    assert (again["settings"], again["needs_restart"]) == ([], ["server.grace_seconds", "server.send_seconds"])


def test_a_smaller_memory_unloads_idle_models(client: httpx.Client, settings: Path) -> None:
    for name in ("first", "second"):
        assert chat(client, name).status_code == 200
    settings.write_text(SETTINGS + "[loading]\nmemory_gib = 0.1\n")
    assert client.post("/admin/reload").status_code == 200
    until(lambda: states(client) == {"first": "unloaded", "second": "loaded"})


def test_the_signal_reloads(client: httpx.Client, settings: Path, served: tuple[RunningServer, Path]) -> None:
    running = served[0]
    settings.write_text(SETTINGS + '[models.more]\nsource = "forefront-mini"\n')
    os.kill(running.process.pid, signal.SIGHUP)
    until(lambda: "more" in names(client))
    settings.write_text("[models")
    os.kill(running.process.pid, signal.SIGHUP)
    until(lambda: "the settings are not reloaded" in running.log.read_text())
    assert "more" in names(client)


def test_a_file_that_was_replaced_is_read_after_unloading(
    client: httpx.Client, settings: Path, tiny_gguf: Path
) -> None:
    file = settings.parent / "model.gguf"
    shutil.copy(BUILT_IN_PATH, file)
    settings.write_text(SETTINGS + f'[models.file]\nsource = "{file}"\nkv_cache_gib = 0.02\n')
    assert client.post("/admin/reload").json()["added"] == ["file"]
    before = chat(client, "file").json()["system_fingerprint"]
    assert client.post("/admin/models/file/unload").status_code == 200
    other = settings.parent / "other.gguf"
    shutil.copy(tiny_gguf, other)
    other.replace(file)
    assert chat(client, "file").json()["system_fingerprint"] != before
