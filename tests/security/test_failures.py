"""When the engine fails or hangs: one clean error, no end that looks like success, and no false word of health."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.security.errors import check_error
from tests.support.server import RunningServer, run_server

CHAT: dict[str, Any] = {"model": "tiny", "messages": [{"role": "user", "content": "Hi"}], "logit_bias": {"2": -100}}


@pytest.fixture(scope="module")
def faulty(tiny_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningServer, Path]]:
    """A server, and the file that makes its engine fail or hang."""
    folder = tmp_path_factory.mktemp("faulty")
    fault = folder / "fault"
    environment = {"FAULT": str(fault)}
    with run_server(
        [f"tiny={tiny_gguf}"], folder / "home", environment=environment, module="tests.support.backends.faulty"
    ) as running:
        yield running, fault


@contextmanager
def mood(fault: Path, text: str) -> Iterator[None]:
    fault.write_text(text)
    try:
        yield
    finally:
        fault.unlink()


def check_failure(error: dict[str, Any]) -> None:
    """A server's error that names nothing of the inside. Borrows the check of clients' errors."""
    assert error["error"]["type"] == "server_error"
    changed = {"error": error["error"] | {"type": "invalid_request_error", "code": "invalid_json"}}
    check_error(400, json.dumps(changed).encode())


def test_an_engine_that_fails_mid_stream_ends_it_as_an_error(faulty: tuple[RunningServer, Path]) -> None:
    server, fault = faulty
    with server.client() as client:
        fields = CHAT | {"stream": True, "max_tokens": 1500}
        with client.stream("POST", "/v1/chat/completions", json=fields) as response:
            assert response.status_code == 200
            lines = response.iter_lines()
            seen = [next(lines) for _ in range(12)]
            with mood(fault, "fail"):
                seen += list(lines)
        payloads = [line.removeprefix("data: ") for line in seen if line.startswith("data: ")]
        *chunks, last = map(json.loads, payloads)
        check_failure(last)
        assert last["error"]["code"] == "engine_failed"
        assert chunks
        assert all(choice["finish_reason"] is None for chunk in chunks for choice in chunk["choices"])
        while (
            found := client.get(f"/v1/usage/{chunks[0]['id']}")
        ).status_code == 404:  # the response does not wait for such a row
            pass
        usage = found.json()
        assert (usage["status"], usage["cost"]) == ("failed", 0)
        assert usage["output_tokens"] >= len([chunk for chunk in chunks if chunk["choices"][0]["delta"].get("content")])
        assert client.post("/v1/chat/completions", json=CHAT | {"max_tokens": 2}).status_code == 200


def test_each_running_request_gets_one_error_and_the_next_works(faulty: tuple[RunningServer, Path]) -> None:
    server, fault = faulty
    responses: list[httpx.Response] = []

    def ask() -> None:
        with server.client() as client:
            responses.append(client.post("/v1/chat/completions", json=CHAT | {"max_tokens": 1900, "n": 8}))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    with server.client() as client:
        for thread in threads:
            thread.start()
        while client.get("/admin/status").json()["running"] < 6:
            pass
        with mood(fault, "fail"):
            for thread in threads:
                thread.join(120)
        assert [response.status_code for response in responses] == [500] * 6
        for response in responses:
            check_failure(response.json())
            assert response.headers["x-should-retry"] == "true"
        assert client.post("/v1/chat/completions", json=CHAT | {"max_tokens": 2}).status_code == 200
        assert client.get("/admin/status").json()["running"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("text", ["hang", "fail"])
def test_readiness_requires_an_engine_that_generates(faulty: tuple[RunningServer, Path], text: str) -> None:
    server, fault = faulty
    with httpx.Client(base_url=server.url, timeout=30) as client:
        with mood(fault, text):
            status, body = 200, {}
            while status == 200:  # what was generated in the last two seconds still counts
                response = client.get("/ready")
                status, body = response.status_code, response.json()
            assert (status, body["error"]["code"]) == (503, "not_ready")
            check_failure(body)
            assert client.get("/health").status_code == 200
        while client.get("/ready").status_code != 200:
            pass
