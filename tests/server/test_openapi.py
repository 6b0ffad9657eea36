"""The OpenAPI document against the server that serves it."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

from forefront.server.openapi.document import build_document
from forefront.server.openapi.operations.all_operations import OPERATIONS
from forefront.wire.errors import ERRORS
from tests.security.routes import route_table
from tests.support.server import RunningServer, run_server

DOCUMENT: dict[str, Any] = json.loads(build_document())
# They come before there is an operation, or in its place.
OF_NO_OPERATION = {"method_not_allowed", "invalid_http"}
HERE = Path(__file__).parent
HELLO = [{"role": "user", "content": "Hello"}]


def validator(name: str) -> jsonschema.Draft202012Validator:
    """What checks a value against one of the document's schemas."""
    return jsonschema.Draft202012Validator(DOCUMENT | {"$ref": f"#/components/schemas/{name}"})


def test_the_server_sends_it_without_a_key(server: RunningServer) -> None:
    response = httpx.get(f"{server.url}/openapi.json")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.json() == DOCUMENT


def test_every_method_of_every_route_is_an_operation(tmp_path: Path) -> None:
    described = {(path, method.upper()) for path, methods in DOCUMENT["paths"].items() for method in methods}
    there = {
        (route.path.replace(":path", ""), method) for route in route_table(tmp_path) for method in route.methods or ()
    }
    assert {(path, method) for path, method in there if method != "HEAD"} == described


def test_an_unknown_method_gets_the_list_of_methods(server: RunningServer) -> None:
    with server.client() as client:
        for path, operations in DOCUMENT["paths"].items():
            refused = client.request("TRACE", re.sub(r"\{\w+\}", "x", path))
            assert refused.status_code == 405
            allowed = set(refused.headers["allow"].split(", "))
            assert allowed - {"HEAD"} == {method.upper() for method in operations}


def test_every_error_belongs_to_an_operation() -> None:
    documented = {code for operation in OPERATIONS for codes in operation.codes.values() for code in codes}
    assert documented | OF_NO_OPERATION >= set(ERRORS)


def test_texts_come_from_the_types() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert schemas["Budget"]["description"].startswith("A budget: tokens (in and out), money, or both")
    assert "`seed` makes sampling repeatable." in schemas["ChatRequest"]["properties"]["seed"]["description"]
    assert all(schema["description"] for schema in schemas.values())
    assert not re.search(r"\\\\Z|  ", json.dumps(schemas))


@pytest.mark.parametrize(
    ("fields", "fits"),
    [
        ({"messages": HELLO}, True),
        ({"prompt": "Hello"}, True),
        ({}, False),
        ({"messages": HELLO, "prompt": "Hello"}, False),
        ({"messages": HELLO, "prompt": None}, True),
        ({"messages": None, "prompt": "Hello"}, True),
        ({"messages": None, "prompt": None}, False),
        ({"messages": HELLO, "temperature": 2, "top_p": None}, True),
        ({"messages": HELLO, "temperature": 2.1}, False),
        ({"messages": HELLO, "temeperature": 0}, True),
        ({"messages": HELLO, "temeperature": 3}, False),
        ({"messages": HELLO, "temeperature": 0, "temperature": False}, False),
        ({"messages": HELLO, "max_completion_tokens": 2}, True),
        ({"messages": HELLO, "max_completion_tokens": 0}, False),
        ({"messages": HELLO, "user": "me", "metadata": {"a": 1}, "something else": [1]}, True),
        ({"messages": HELLO, "store": False}, True),
        ({"messages": HELLO, "store": 0}, False),
        ({"messages": HELLO, "store": True}, False),
        ({"messages": HELLO, "functions": []}, True),
        ({"messages": HELLO, "audio": {"voice": "a"}}, False),
        ({"messages": HELLO, "stream_options": {"include_usage": True}}, False),
        ({"messages": HELLO, "stream_options": {"include_usage": True}, "stream": True}, True),
        ({"messages": HELLO, "top_logprobs": 2}, False),
        ({"messages": HELLO, "top_logprobs": 2, "logprobs": True}, True),
        ({"messages": HELLO, "regex": "a", "grammar": "b"}, False),
        ({"messages": HELLO, "regex": "a", "response_format": {"type": "json_object"}}, False),
        ({"messages": [{"role": "user"}]}, False),
        ({"messages": [{"role": "tool", "content": "x"}]}, False),
        ({"messages": [{"role": "user", "content": "x", "tool_call_id": "y"}]}, False),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]}, True),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, False),
    ],
)
def test_schema_and_server_agree(server: RunningServer, fields: dict[str, Any], fits: bool) -> None:
    body = {"model": "tiny"} | fields | ({} if "max_completion_tokens" in fields else {"max_tokens": 2})
    with server.client() as client:
        status = client.post("/v1/chat/completions", json=body).status_code
    assert validator("ChatRequest").is_valid(body) is fits
    assert status in ((200,) if fits else (400, 422))


@pytest.mark.parametrize(
    ("path", "chunk", "fields"),
    [
        ("/v1/chat/completions", "ChatCompletionChunk", {"messages": HELLO}),
        ("/v1/completions", "Completion", {"prompt": "Hello", "echo": True}),
    ],
)
def test_every_event_of_a_stream_fits_its_schema(
    server: RunningServer, path: str, chunk: str, fields: dict[str, Any]
) -> None:
    body = {"model": "tiny", "max_tokens": 4, "stream": True, "stream_options": {"include_usage": True}, "seed": 1}
    body["logprobs"] = True if chunk == "ChatCompletionChunk" else 1
    with server.client() as client:
        text = client.post(path, json=body | fields).text
    events = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
    assert len(events) >= 3
    for event in events:
        validator(chunk).validate(event)


@pytest.fixture(scope="module")
def spare_server(tiny_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One whose projects and keys may be changed at random."""
    with run_server([f"tiny={tiny_gguf}"], tmp_path_factory.mktemp("spare") / "home") as running:
        yield running


@pytest.mark.slow
@pytest.mark.timeout(330)
def test_schemathesis_finds_nothing(spare_server: RunningServer, tmp_path: Path) -> None:
    """No 5xx, no status, header, media type or body that is not described, nothing wrong accepted, no key forgotten."""
    server = spare_server
    with server.client() as client:
        [own, *_] = client.get("/admin/keys").json()["data"]
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(HERE / "schemathesis.toml"),
        "run", f"{server.url}/openapi.json", "--max-examples", "5", "--seed", "1", "--no-shrink",
        "--generation-database", "none",
    ]  # fmt: skip
    environment = os.environ | {
        "SCHEMATHESIS_HOOKS": "tests.server.openapi_hooks",
        "PYTHONPATH": os.pathsep.join([str(HERE.parents[1]), os.environ.get("PYTHONPATH", "")]),
        "FOREFRONT_TEST_KEY": server.key,
        "FOREFRONT_TEST_KEY_ID": own["id"],
    }
    run = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert run.returncode == 0, run.stdout[-12_000:] + run.stderr[-2000:]
    # It asks for the document once, and leaves it out of the operations.
    assert f"{len(OPERATIONS) - 1} selected / {len(OPERATIONS) - 1} total" in run.stdout
