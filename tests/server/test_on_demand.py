"""Models that a running server loads on demand, and unloads to make room."""

import asyncio
import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from forefront.catalog.sources.source import BUILT_IN_PATH
from tests.support.server import KEY, RunningServer, run_server

HELLO = [{"role": "user", "content": "Hello"}]
# Memory for two of the small models, each of which takes some 75 MiB with its KV cache.
SETTINGS = """
[loading]
memory_gib = 0.18
minimum_seconds = 0
[models.first]
source = "forefront-mini"
kv_cache_gib = 0.02
[models."org/second"]
source = "forefront-mini"
kv_cache_gib = 0.02
[models.third]
source = "{copy}"
kv_cache_gib = 0.02
context_length = 512
[models.huge]
source = "forefront-mini"
kv_cache_gib = 0.4
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of the built-in model that a test can damage."""
    return Path(shutil.copy(BUILT_IN_PATH, tmp_path_factory.mktemp("models") / "copy.gguf"))


@pytest.fixture(scope="module")
def models(copy: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with four models and memory for two of them."""
    folder = tmp_path_factory.mktemp("on_demand")
    settings = folder / "forefront.toml"
    settings.write_text(SETTINGS.format(copy=copy))
    with run_server(["--config", str(settings)], folder / "home") as running:
        yield running
        # Models were loaded and unloaded: signals still reach a sound process.
        assert running.stop() == 0


@pytest.fixture
def client(models: RunningServer) -> Iterator[httpx.Client]:
    """A client of the server, whose first model is loaded alone."""
    with models.client() as http:
        for name in ("org/second", "third"):
            assert http.post(f"/admin/models/{name}/unload").status_code == 200
        assert http.post("/admin/models/first/load").status_code == 200
        yield http


def states(client: httpx.Client) -> dict[str, str]:
    return {model["id"]: model["state"] for model in client.get("/v1/models").json()["data"]}


def chat(client: httpx.Client, model: str, **fields: Any) -> httpx.Response:
    body = {"model": model, "messages": HELLO, "max_tokens": 3} | fields
    return client.post("/v1/chat/completions", json=body)


def test_only_the_first_model_is_loaded_at_the_start(copy: Path, tmp_path: Path) -> None:
    settings = tmp_path / "forefront.toml"
    settings.write_text(SETTINGS.format(copy=copy) + 'keep = "10m"\n[models.kept]\nsource = "forefront-mini"\n')
    settings.write_text(settings.read_text() + 'kv_cache_gib = 0.02\nkeep = "always"\n')
    with run_server(["--config", str(settings)], tmp_path / "home") as running, running.client() as client:
        loaded = {"first": "loaded", "org/second": "unloaded", "third": "unloaded", "huge": "unloaded"}
        assert states(client) == loaded | {"kept": "loaded"}
        assert client.get("/ready").status_code == 200


def test_a_request_loads_its_model_and_the_oldest_makes_room(client: httpx.Client) -> None:
    assert states(client)["first"] == "loaded"
    assert chat(client, "org/second").status_code == 200
    assert states(client) | {"huge": ""} == {
        "first": "loaded", "org/second": "loaded", "third": "unloaded", "huge": "",
    }  # fmt: skip
    assert chat(client, "first").status_code == 200
    assert chat(client, "third").json()["system_fingerprint"]
    assert states(client) | {"huge": ""} == {
        "first": "loaded", "org/second": "unloaded", "third": "loaded", "huge": "",
    }  # fmt: skip
    status = client.get("/admin/status").json()
    assert status["memory"] == sum(status["models"][name]["size"] for name in ("first", "third"))
    assert status["memory"] <= status["memory_limit"] == int(0.18 * 2**30)


def test_models_show_size_and_context_before_they_are_loaded(client: httpx.Client) -> None:
    third = client.get("/v1/models/third").json()
    assert (third["state"], third["context_length"]) == ("unloaded", 512)
    chat(client, "third")
    loaded = client.get("/v1/models/third").json()
    assert loaded == third | {"state": "loaded"}


def test_a_model_beyond_the_memory_limit_is_reported_to_administrators(client: httpx.Client) -> None:
    response = chat(client, "huge")
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["param"]) == (503, "model_unavailable", "model")
    assert int(response.headers["retry-after"]) >= 1
    refused = client.post("/admin/models/huge/load")
    assert refused.status_code == 503
    assert "loading.memory_gib" in refused.json()["error"]["message"]
    assert states(client)["first"] == "loaded"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions/preflight", {"messages": HELLO}),
        ("/v1/tokenize", {"prompt": "Hello"}),
        ("/v1/detokenize", {"tokens": [5, 6]}),
        ("/v1/completions", {"prompt": "Hello", "max_tokens": 2}),
    ],
)
def test_every_endpoint_loads_the_model(client: httpx.Client, path: str, body: dict[str, Any]) -> None:
    response = client.post(path, json=body | {"model": "org/second"})
    assert response.status_code == 200, response.text
    assert states(client)["org/second"] == "loaded"


def test_loading_and_unloading_are_idempotent(client: httpx.Client) -> None:
    for _ in range(2):
        shown = client.post("/admin/models/org/second/load").json()
        assert (shown["state"], shown["requests"], shown["failure"]) == ("loaded", 0, None)
    for _ in range(2):
        assert client.post("/admin/models/org/second/unload").json()["state"] == "unloaded"
    for action in ("load", "unload"):
        assert client.post(f"/admin/models/none/{action}").json()["error"]["code"] == "model_not_found"


def test_unloading_needs_the_scope(client: httpx.Client, models: RunningServer) -> None:
    key = client.post("/admin/keys", json={"name": "user"}).json()["key"]
    with models.client(headers={"authorization": f"Bearer {key}"}) as user:
        for path in ("/admin/models/first/load", "/admin/models/first/unload", "/admin/reload"):
            assert user.post(path).json()["error"]["code"] == "insufficient_scope"


def test_a_deadline_ends_the_wait_for_a_load(client: httpx.Client) -> None:
    response = chat(client, "org/second", deadline_ms=5)
    assert (response.status_code, response.json()["error"]["code"]) == (408, "deadline_exceeded")


class Damage:
    """Changes a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> bytes:
        return self._path.read_bytes()

    def write(self, data: bytes) -> None:
        self._path.write_bytes(data)

    def remove(self) -> None:
        self._path.unlink()


async def test_a_damaged_file_is_tried_once_and_fails_each_waiter_once(
    models: RunningServer, copy: Path, client: httpx.Client
) -> None:
    damage = Damage(copy)
    whole = damage.read()
    async with models.async_client() as http:

        async def request() -> httpx.Response:
            return await http.post("/v1/chat/completions", json={"model": "third", "messages": HELLO, "max_tokens": 2})

        try:
            damage.write(whole[: len(whole) // 2])
            responses = await asyncio.gather(*(request() for _ in range(20)))
            assert {response.status_code for response in responses} == {503}
            assert len({json.dumps(response.json()) for response in responses}) == 1
            assert str(copy) not in responses[0].text
            assert models.log.read_text().count("third could not be loaded") == 1
            status = (await http.get("/admin/status")).json()["models"]["third"]
            assert (status["state"], status["waiting_for_load"]) == ("failed", 0)
            assert str(copy) in status["failure"]
            damage.remove()
            refused = await http.post("/admin/models/third/load")
            assert refused.status_code == 503
            assert "No such file" in refused.json()["error"]["message"]
            assert (await http.get("/ready")).status_code == 200
        finally:
            damage.write(whole)
        assert (await request()).status_code == 503  # the pause is not over
        assert (await http.post("/admin/models/third/load")).json()["state"] == "loaded"
        assert (await request()).status_code == 200


async def test_a_running_answer_completes_before_its_model_is_removed(
    models: RunningServer, client: httpx.Client
) -> None:
    body = {"model": "first", "messages": HELLO, "max_tokens": 200, "ignore_eos": True, "stream": True}
    async with models.async_client() as http:
        async with http.stream("POST", "/v1/chat/completions", json=body) as stream:
            lines = stream.aiter_lines()
            await anext(lines)
            unloading = asyncio.create_task(http.post("/admin/models/first/unload"))
            rest = [line async for line in lines]
        assert "data: [DONE]" in rest
        assert (await unloading).json()["state"] == "unloaded"


async def test_other_requests_go_on_while_a_model_is_loaded(models: RunningServer, client: httpx.Client) -> None:
    """No health check waits for a second, or on a busy machine for half of the load. Idle, all are below 0.1 s."""
    async with models.async_client() as http:
        loading = asyncio.create_task(http.post("/admin/models/org/second/load"))
        times = []
        while not loading.done():
            start = time.perf_counter()
            assert (await http.get("/health")).status_code == 200
            times.append(time.perf_counter() - start)
        assert (await loading).status_code == 200
        assert len(times) > 5
        assert max(times) < max(1, sum(times) / 2)


def test_a_shutdown_while_a_model_is_loaded(tmp_path: Path) -> None:
    settings = tmp_path / "forefront.toml"
    settings.write_text('[models.a]\nsource = "forefront-mini"\n[models.b]\nsource = "forefront-mini"\n')
    with run_server(["--config", str(settings), "--grace", "0"], tmp_path / "home") as running:

        async def request() -> httpx.Response:
            async with running.async_client() as http:
                sent = asyncio.create_task(chat_with(http, "b"))
                while "Reading b" not in running.log.read_text():
                    await asyncio.sleep(0.005)
                os.kill(running.process.pid, signal.SIGTERM)
                return await sent

        response = asyncio.run(request())
        assert response.json()["error"]["code"] == "shutting_down"
        assert running.process.wait(60) == 0
        assert "Traceback" not in running.log.read_text()


async def chat_with(http: httpx.AsyncClient, model: str) -> httpx.Response:
    return await http.post("/v1/chat/completions", json={"model": model, "messages": HELLO, "max_tokens": 2})


def test_a_first_model_without_room_ends_the_start(tmp_path: Path) -> None:
    settings = tmp_path / "forefront.toml"
    settings.write_text("[loading]\nmemory_gib = 0.1\n")
    with (
        pytest.raises(RuntimeError, match=r"it needs 0\.\d+ GiB of memory, and models may take 0\.10 GiB"),
        run_server(["--config", str(settings)], tmp_path / "home", key=KEY),
    ):
        pass
