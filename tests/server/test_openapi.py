"""The OpenAPI document against the server that serves it."""

import json
import re
from typing import Any

import httpx

from forefront.server.openapi.document import build_document
from tests.support.server import RunningServer

DOCUMENT: dict[str, Any] = json.loads(build_document())
# What comes before there is an operation, or instead of one.
OF_NO_OPERATION = {"method_not_allowed"}
EXAMPLES = 12
# Answers whose length nobody bounds would take the engine minutes.
MOST_TOKENS = 4


def test_the_server_sends_it_without_a_key(server: RunningServer) -> None:
    response = httpx.get(f"{server.url}/openapi.json")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.json() == DOCUMENT


def test_every_route_is_an_operation(server: RunningServer) -> None:
    """A method on a path is either described, or not there; asked of the server itself."""
    for path, operations in DOCUMENT["paths"].items():
        response = server_request(server, "TRACE", re.sub(r"\{\w+\}", "x", path))
        assert response.status_code == 405
        allowed = {method.strip() for method in response.headers["allow"].split(",")} - {"HEAD"}
        assert allowed <= {method.upper() for method in operations}
