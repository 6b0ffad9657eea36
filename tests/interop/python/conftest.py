"""Every client here uses the server that FOREFRONT_BASE_URL and FOREFRONT_API_KEY name. The interpreter is that of
`.venv-interop`."""

import json
import os
import urllib.request
from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Endpoint:
    """What a client is configured with."""

    url: str
    key: str
    model: str = "forefront-mini"
    tiny: str = "tiny"


@pytest.fixture(scope="session")
def endpoint() -> Endpoint:
    """The server, with a key that has no limits."""
    return Endpoint(os.environ["FOREFRONT_BASE_URL"] + "/v1", os.environ["FOREFRONT_API_KEY"])


@pytest.fixture(scope="session")
def limited(endpoint: Endpoint) -> Endpoint:
    """The same with a key of 20 tokens a minute."""
    request = urllib.request.Request(
        endpoint.url.removesuffix("/v1") + "/admin/keys",
        json.dumps({"name": "limited", "limits": {"tokens_per_minute": 20}}).encode(),
        {"authorization": f"Bearer {endpoint.key}", "content-type": "application/json"},
    )
    with urllib.request.urlopen(request) as response:
        return Endpoint(endpoint.url, json.load(response)["key"])
