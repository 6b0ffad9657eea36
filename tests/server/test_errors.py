"""Bad input over real HTTP: a precise error each time, never a 5xx, and the next request works."""

import gzip
import json
import socket
from contextlib import suppress
from typing import Any

import httpx
import pytest

from tests.support.server import RunningServer

GOOD: dict[str, Any] = {"model": "tiny", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}
PATH = "/v1/chat/completions"


def check(response: httpx.Response, status: int, code: str, param: str | None = None) -> str:
    """The error has the one shape, its status, code and param, and gives nothing internal away."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-request-id"]
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["code"], error["param"]) == (code, param), error
    message: str = error["message"]
    assert message
    for leak in ("Traceback", "0x", ".py", "/work", "/tmp", "object at"):
        assert leak not in message
    return message


def still_works(client: httpx.Client) -> None:
    assert client.post(PATH, json=GOOD).status_code == 200


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "The body is empty"),
        (b"{", "line 1, column 2"),
        (b'{"model": "tiny",\n "messages" []}', "line 2, column 13"),
        (b'{"model": "tiny", "max_tokens": NaN}', "column 33: NaN"),
        (b'{"model": "tiny", "max_tokens": 1e999}', "out of range"),
        (b'{"model": "tiny", // comment\n}', "column 19"),
        (b"{'model': 'tiny'}", "double quotes"),
        (b'{"model": "tiny",,}', "column 18"),
        (b"[" * 200_000, "too deep"),
        (b'{"model": "\xff"}', "UTF-8 at line 1, column 12"),
        (b'{"model": "\\ud800\\q"}', "escape"),
    ],
)
def test_malformed_json(server: RunningServer, content: bytes, expected: str) -> None:
    with server.client() as client:
        response = client.post(PATH, content=content, headers={"content-type": "application/json"})
        assert expected in check(response, 400, "invalid_json")
        still_works(client)


@pytest.mark.parametrize(
    ("change", "status", "code", "param"),
    [
        ({"model": ...}, 400, "missing_parameter", "model"),
        ({"messages": ...}, 400, "missing_parameter", "messages"),
        ({"messages": [{"role": "user"}]}, 400, "missing_parameter", "messages[0].content"),
        ({"messages": [{"content": "x"}]}, 400, "missing_parameter", "messages[0].role"),
        ({"messages": []}, 422, "invalid_value", "messages"),
        ({"messages": "Hello"}, 422, "invalid_type", "messages"),
        ({"messages": ["Hello"]}, 422, "invalid_type", "messages[0]"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, 422, "invalid_value", "messages[0].role"),
        ({"messages": [{"role": "user", "content": 5}]}, 422, "invalid_type", "messages[0].content"),
        ({"model": "unknown"}, 404, "model_not_found", "model"),
        ({"model": 7}, 422, "invalid_type", "model"),
        ({"model": ""}, 422, "invalid_value", "model"),
        ({"max_tokens": 0}, 422, "invalid_value", "max_tokens"),
        ({"max_tokens": -2}, 422, "invalid_value", "max_tokens"),
        ({"max_tokens": 2**31}, 422, "invalid_value", "max_tokens"),
        ({"max_tokens": 2**63}, 422, "invalid_value", "max_tokens"),
        ({"max_tokens": 10**40}, 422, "invalid_value", "max_tokens"),
        ({"max_tokens": 1.5}, 422, "invalid_type", "max_tokens"),
        ({"max_tokens": "8"}, 422, "invalid_type", "max_tokens"),
        ({"max_tokens": True}, 422, "invalid_type", "max_tokens"),
        ({"temperature": -0.1}, 422, "invalid_value", "temperature"),
        ({"temperature": 2.1}, 422, "invalid_value", "temperature"),
        ({"temperature": 1e308}, 422, "invalid_value", "temperature"),
        ({"temperature": "hot"}, 422, "invalid_type", "temperature"),
        ({"top_p": -0.01}, 422, "invalid_value", "top_p"),
        ({"top_p": 1.01}, 422, "invalid_value", "top_p"),
        ({"top_k": -2}, 422, "invalid_value", "top_k"),
        ({"min_p": 1.5}, 422, "invalid_value", "min_p"),
        ({"n": 0}, 422, "invalid_value", "n"),
        ({"n": 1_000_000_000}, 422, "invalid_value", "n"),
        ({"seed": 2**63}, 422, "invalid_value", "seed"),
        ({"stop": ""}, 422, "invalid_value", "stop"),
        ({"stop": ["ok", ""]}, 422, "invalid_value", "stop[1]"),
        ({"stop": ["x"] * 17}, 422, "invalid_value", "stop"),
        ({"stop": {"a": 1}}, 422, "invalid_type", "stop"),
        ({"presence_penalty": 2.5}, 422, "invalid_value", "presence_penalty"),
        ({"frequency_penalty": -3}, 422, "invalid_value", "frequency_penalty"),
        ({"repetition_penalty": 0}, 422, "invalid_value", "repetition_penalty"),
        ({"logit_bias": {"5": 101}}, 422, "invalid_value", "logit_bias"),
        ({"logit_bias": {"five": 1}}, 422, "invalid_value", "logit_bias"),
        ({"logit_bias": {"99999": 1}}, 422, "invalid_value", "logit_bias"),
        ({"logprobs": True, "top_logprobs": 21}, 422, "invalid_value", "top_logprobs"),
        ({"top_logprobs": 3}, 422, "invalid_value", "top_logprobs"),
        ({"stream": "yes"}, 422, "invalid_type", "stream"),
        ({"stream_options": {"include_usage": True}}, 422, "invalid_value", "stream_options"),
        ({"temprature": 0}, 422, "unknown_parameter", "temprature"),
        ({"max_token": 5}, 422, "unknown_parameter", "max_token"),
        ({"temperature": 0, "temeperature": 1}, 422, "invalid_value", "temeperature"),
        ({"tools": [{"type": "function"}]}, 400, "missing_parameter", "tools[0].function"),
        ({"store": True}, 400, "unsupported_parameter", "store"),
        ({f"unknown{n}": n for n in range(100)}, 422, "unknown_parameter", "unknown64"),
        ({"max_tokens": 5000}, 400, "context_length_exceeded", "max_tokens"),
        ({"messages": [{"role": "user", "content": "word " * 5000}]}, 400, "context_length_exceeded", "messages"),
    ],
    ids=lambda value: json.dumps(value, default=str)[:50] if isinstance(value, dict) else None,
)
def test_bad_fields(server: RunningServer, change: dict[str, Any], status: int, code: str, param: str) -> None:
    fields = {name: value for name, value in (GOOD | change).items() if value is not ...}
    for stream in (False, True):
        with server.client() as client:
            changed = fields if "stream" in change else fields | {"stream": stream}
            if "stream_options" in change:
                changed = fields
            check(client.post(PATH, json=changed), status, code, param)
            still_works(client)


def test_an_over_long_prompt_gets_an_error_with_its_numbers(server: RunningServer) -> None:
    with server.client() as client:
        fields = GOOD | {"messages": [{"role": "user", "content": "x " * 3000}], "max_tokens": 10}
        message = check(client.post(PATH, json=fields), 400, "context_length_exceeded", "messages")
    assert "2048" in message


def test_a_typo_is_refused_and_an_unknown_field_is_ignored_by_name(server: RunningServer) -> None:
    with server.client() as client:
        assert "`temperature`" in client.post(PATH, json=GOOD | {"temprature": 1}).text
        response = client.post(PATH, json=GOOD | {"zorp": 1, "new\nline é": 2, "metadata": {}})
    assert response.status_code == 200
    assert response.headers["x-ignored-params"] == "zorp, new%0Aline%20%C3%A9, metadata"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, "No API key"),
        ("", "No API key"),
        ("Bearer", "No API key"),
        ("Basic dXNlcjpwYXNz", "No API key"),
        ("Bearer wrong-key-0123456789", "unknown"),
        ("Bearer $FOREFRONT_API_KEY", "double quotes"),
        ("Bearer ' OR 1=1 --", "unknown"),
        ("Bearer \xe9\xe8", "unknown"),
    ],
)
def test_no_key_or_a_wrong_one(server: RunningServer, header: str | None, expected: str) -> None:
    headers = {} if header is None else {"authorization": header.encode("latin-1")}
    response = httpx.post(server.url + PATH, json=GOOD, headers=headers)  # type: ignore[arg-type]
    assert expected in check(response, 401, "invalid_api_key")
    assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("path", [PATH, "/v1/models", "/v1/models/tiny", "/v1", "/nothing", "/health/../v1/models"])
def test_every_route_and_method_needs_a_key(server: RunningServer, method: str, path: str) -> None:
    assert httpx.request(method, server.url + path).status_code == 401


@pytest.mark.parametrize("host", ["x/?", "x/#", "x/health?", "x/health", "localhost/health"])
def test_a_crafted_host_header_bypasses_nothing(server: RunningServer, host: str) -> None:
    address = server.url.removeprefix("http://").split(":")
    with socket.create_connection((address[0], int(address[1])), timeout=10) as raw:
        raw.sendall(f"GET /v1/models HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        assert raw.recv(100).startswith((b"HTTP/1.1 401", b"HTTP/1.1 400"))


def test_paths_and_methods(server: RunningServer) -> None:
    with server.client() as client:
        check(client.get("/v2/chat"), 404, "unknown_url")
        check(client.get(PATH + "/"), 404, "unknown_url")
        response = client.get(PATH)
        check(response, 405, "method_not_allowed")
        assert response.headers["allow"] == "POST"
        still_works(client)


def test_content_types_and_encodings(server: RunningServer) -> None:
    content = json.dumps(GOOD).encode()
    with server.client() as client:
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "x"):
            check(client.post(PATH, content=content, headers={"content-type": kind}), 415, "unsupported_media_type")
        squeezed = {"content-type": "application/json", "content-encoding": "gzip"}
        check(client.post(PATH, content=gzip.compress(content), headers=squeezed), 415, "unsupported_media_type")
        for kind in ("application/json; charset=utf-8", "Application/JSON", "application/vnd.api+json"):
            assert client.post(PATH, content=content, headers={"content-type": kind}).status_code == 200


def test_an_oversized_body_is_refused_whether_announced_or_not(server: RunningServer) -> None:
    def endless() -> Any:
        for _ in range(200):
            yield b" " * 2**16

    with server.client() as client:
        check(client.post(PATH, content=b" " * (9 * 2**20)), 413, "body_too_large")
        with suppress(httpx.TransportError):  # the server may close while the client still sends
            check(client.post(PATH, content=endless()), 413, "body_too_large")
        still_works(client)


def test_request_ids_are_the_clients_if_fit(server: RunningServer) -> None:
    with server.client() as client:
        assert client.get("/health", headers={"x-request-id": "mine-1"}).headers["x-request-id"] == "mine-1"
        for unfit in ("two words", "x" * 129):
            assert client.get("/health", headers={"x-request-id": unfit}).headers["x-request-id"].startswith("req_")


def test_models_health_and_readiness(server: RunningServer) -> None:
    with server.client() as client:
        models = client.get("/v1/models").json()
        assert models["object"] == "list"
        assert [model["id"] for model in models["data"]] == ["forefront-mini", "tiny"]
        assert client.get("/v1/models/tiny").json() == models["data"][1]
        assert models["data"][1]["context_length"] == 2048
        check(client.get("/v1/models/other"), 404, "model_not_found", "model")
    assert httpx.get(server.url + "/health").json() == {"status": "ok"}
    assert httpx.get(server.url + "/ready").json() == {"status": "ready"}


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/v1/v1/chat/completions", PATH),
        ("/chat/completions", PATH),
        (PATH + "/", PATH),
        ("//v1/chat/completions", PATH),
        ("/v1//chat/completions", PATH),
        ("/api/v1/chat/completions", PATH),
        ("/v1/chat/completions/chat/completions", PATH),
        ("/completions", "/v1/completions"),
        ("/models", "/v1/models"),
        ("/v1/models/", "/v1/models"),
        ("/v1/v1/models", "/v1/models"),
    ],
)
def test_a_wrong_base_url_gets_a_hint(server: RunningServer, path: str, meant: str) -> None:
    with server.client() as client:
        for method in ("GET", "POST"):
            if (method, path) != ("POST", "/v1/models/"):
                message = check(client.request(method, server.url + path), 404, "unknown_url")
                assert f"Did you mean {meant}?" in message


def test_a_path_without_a_similar_one_gets_no_hint(server: RunningServer) -> None:
    with server.client() as client:
        assert check(client.get("/v1/images"), 404, "unknown_url") == "There is nothing at /v1/images."
        for path, meant in (
            ("/api/tags", "Ollama"),
            ("/Api/Chat/", "Ollama"),
            ("/props", "llama.cpp"),
            ("/v1/", "base"),
        ):
            assert meant in check(client.get(path), 404, "unknown_url")
        # Not an id of a response that takes other methods.
        answer = client.post("/v1/responses/compact", json={"model": "forefront-mini", "input": "Hello"})
        assert "not compacted" in check(answer, 404, "unknown_url")


@pytest.mark.parametrize("path", [PATH, "/v1/models", "/v1/completions"])
def test_a_cors_preflight_needs_no_key(server: RunningServer, path: str) -> None:
    headers = {"origin": "https://app.example", "access-control-request-method": "POST"}
    response = httpx.options(server.url + path, headers=headers)
    assert response.status_code == 204
    assert "access-control-allow-origin" not in response.headers


def test_a_context_overflow_is_recognised_by_its_message(server: RunningServer) -> None:
    """LiteLLM and LangChain look for these words."""
    long: dict[str, Any] = {"prompt": "word " * 5000, "messages": None}
    cases: list[tuple[str, dict[str, Any], str]] = [
        (PATH, {"max_tokens": 10**6}, "max_tokens"),
        (PATH, {"max_tokens": 2045}, "max_tokens"),
        (PATH, long, "messages"),
        (PATH, {"prompt": "word " * 50_000, "messages": None}, "messages"),
        ("/v1/completions", long | {"prompt": [65] * 3000}, "messages"),
    ]
    with server.client() as client:
        for path, change, param in cases:
            message = check(client.post(path, json=GOOD | change), 400, "context_length_exceeded", param)
            assert "maximum context length is 2048 tokens" in message
            assert "prompt is too long" in message
