"""Bomb-like bodies are refused with one error and little work, and the next request is served."""

import gzip
import json
import zlib
from typing import Any

import pytest

from tests.security.errors import check_error, watched
from tests.security.raw import exchange, request
from tests.security.test_numbers import resident
from tests.support.server import RunningServer

PATH = "/v1/chat/completions"
GOOD: dict[str, Any] = {"model": "tiny", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}
GOOD_JSON = json.dumps(GOOD).encode()


def with_field(name: str, value: bytes) -> bytes:
    """The good body with one more field, verbatim."""
    return GOOD_JSON[:-1] + b', "' + name.encode() + b'": ' + value + b"}"


DEEP = 100_000
BODIES = {
    "depth of arrays": b"[" * DEEP + b"]" * DEEP,
    "depth of objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "depth in a field": with_field("metadata", b"[" * DEEP + b"]" * DEEP),
    "depth in a message": GOOD_JSON.replace(b'"Hi"', b"[" * DEEP + b"]" * DEEP),
    "unclosed depth": with_field("metadata", b"[" * DEEP),
    "digits": with_field("seed", b"9" * 1_000_000),
    "digits of a fraction": with_field("temperature", b"0." + b"9" * 1_000_000 + b"e9"),
    "exponent": with_field("temperature", b"1e" + b"9" * 100_000),
    "long name": with_field("x" * 5_000_000, b"[[[").replace(b"}", b""),
    "many names": b"{" + b",".join(b'"k%d":1' % n for n in range(200_000)) + b"}",
    "many messages": json.dumps(GOOD | {"messages": GOOD["messages"] * 100_000}).encode(),
    "many stops": json.dumps(GOOD | {"stop": ["x"] * 1_000_000}).encode(),
    "many biases": json.dumps(GOOD | {"logit_bias": {str(n): 1 for n in range(300_000)}}).encode(),
    "a large text": json.dumps(GOOD | {"messages": [{"role": "user", "content": "x " * 2_000_000}]}).encode(),
    "one long word": json.dumps(GOOD | {"messages": [{"role": "user", "content": "x" * 4_000_000}]}).encode(),
    "escapes": GOOD_JSON.replace(b'"Hi"', b'"' + b"\\u0000" * 500_000 + b'"'),
    "quotes": b'{"model": "' + b'\\"' * 3_000_000,
    "commas": b"[" + b"," * 4_000_000,
    "nothing": b"",
    "zeros": bytes(1_000_000),
}


@pytest.mark.parametrize("name", BODIES)
def test_an_exploding_template_fails_once_and_the_next_request_works(server: RunningServer, name: str) -> None:
    with watched(server, headers={"content-type": "application/json"}) as client:
        assert client.post(PATH, content=GOOD_JSON).status_code == 200
        before = resident(server.process.pid)
        response = client.post(PATH, content=BODIES[name])
        assert 400 <= response.status_code < 500
        assert len(response.content) < 2000
        assert client.post(PATH, content=GOOD_JSON).status_code == 200
        assert resident(server.process.pid) - before < 300


def test_memory_is_released(server: RunningServer) -> None:
    with watched(server, headers={"content-type": "application/json"}) as client:
        for body in BODIES.values():
            client.post(PATH, content=body)
        before = resident(server.process.pid)
        for body in BODIES.values():
            client.post(PATH, content=body)
        assert resident(server.process.pid) - before < 200


def test_a_body_without_content_length_is_bounded(server: RunningServer) -> None:
    chunk = b"10000\r\n" + b" " * 2**16 + b"\r\n"
    head = request(
        "POST",
        PATH,
        "Host: x",
        "Connection: close",
        "Transfer-Encoding: chunked",
        f"Authorization: Bearer {server.key}",
    )
    try:
        raw_response = exchange(server.url, head + chunk * 200, timeout=30)
    except OSError:  # closed while it was still being sent
        return
    assert raw_response.status == 413
    check_error(raw_response.status, raw_response.body)


@pytest.mark.parametrize(
    ("encoding", "content"),
    [
        ("gzip", gzip.compress(bytes(50_000_000))),
        ("deflate", zlib.compress(GOOD_JSON)),
        ("br", b"\x8b\x02\x80"),
        ("zstd", b"(\xb5/\xfd"),
        ("identity, gzip", gzip.compress(GOOD_JSON, mtime=0)),
        ("GZIP", gzip.compress(GOOD_JSON, mtime=0)),
        ("x-gzip", gzip.compress(GOOD_JSON, mtime=0)),
        ("unknown", GOOD_JSON),
    ],
)
def test_no_encoding_is_unpacked(server: RunningServer, encoding: str, content: bytes) -> None:
    headers = {"content-type": "application/json", "content-encoding": encoding}
    with watched(server, headers=headers) as client:
        response = client.post(PATH, content=content)
    assert response.status_code == 415


def test_the_last_of_duplicate_fields_counts_in_every_check(server: RunningServer) -> None:
    """Two readers of one body must not see two values: the checked value is the used value."""
    with watched(server, headers={"content-type": "application/json"}) as client:
        good = client.post(PATH, content=with_field("max_tokens", b"2")).json()
        assert good["usage"]["completion_tokens"] <= 2
        for twice, status in ((b"-2", 422), (b'"x"', 422)):
            response = client.post(PATH, content=with_field("max_tokens", twice))
            assert (response.status_code, response.json()["error"]["param"]) == (status, "max_tokens")
        other = client.post(PATH, content=with_field("model", b'"nobody"'))
        assert (other.status_code, other.json()["error"]["param"]) == (404, "model")


def test_only_the_oversized_prompt_is_refused_with_its_numbers(server: RunningServer) -> None:
    """While it is being refused, and after, its neighbour's answer is what it would have been."""
    neighbour = GOOD | {"max_tokens": 200, "temperature": 0, "stream": True, "logit_bias": {"2": -100}}

    def text_of(content: str) -> list[str]:
        lines = [line.removeprefix("data: ") for line in content.splitlines() if line.startswith("data: {")]
        return [choice["delta"].get("content", "") for line in lines for choice in json.loads(line)["choices"]]

    with watched(server) as client, watched(server) as greedy:
        alone = text_of(client.post(PATH, json=neighbour).text)
        with client.stream("POST", PATH, json=neighbour) as response:
            lines = response.iter_lines()
            seen = [next(lines)]
            for size in (2_100, 50_000, 2_000_000):
                long = GOOD | {"messages": [{"role": "user", "content": "x " * size}]}
                refused = greedy.post(PATH, json=long)
                error = refused.json()["error"]
                assert (refused.status_code, error["code"]) == (400, "context_length_exceeded")
                assert "2048" in error["message"]
                assert any(int(number) >= size for number in error["message"].split() if number.isdecimal())
            seen += list(lines)
    assert "".join(text_of("\n".join(seen))) == "".join(alone)
