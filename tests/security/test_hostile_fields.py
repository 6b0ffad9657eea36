"""No field of a request blocks the server: `/health` stays fast."""

import time
from pathlib import Path

import httpx
import pytest

from tests.support.hostile import HOSTILE, Hostile, Watch, matching_stops
from tests.support.server import RunningServer

# Seconds. An idle machine needs a tenth of it; this one may be busy.
SILENCE = 1.0
JSON = {"content-type": "application/json"}


def send(server: RunningServer, hostile: Hostile) -> tuple[httpx.Response, float]:
    """What answers it, and the longest silence meanwhile."""
    watch = Watch(server.url)
    with server.client() as client, watch():
        headers = JSON | dict(hostile.headers)
        response = client.request(hostile.method, hostile.path, content=hostile.body, headers=headers)
        time.sleep(0.02)
    return response, watch.longest


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_the_server_is_never_silent(server: RunningServer, name: str) -> None:
    response, silence = send(server, HOSTILE[name])
    assert response.status_code in HOSTILE[name].statuses, response.text[:300]
    if response.status_code != 200:
        assert len(response.content) < 2000
    assert silence < SILENCE


@pytest.mark.slow
@pytest.mark.parametrize("length", [1000, 20_000])
def test_stops_with_a_prefix_that_always_matches(
    server: RunningServer, tiny_gguf: Path, tmp_path: Path, length: int
) -> None:
    response, silence = send(server, matching_stops(tiny_gguf, length))
    assert response.status_code == (200 if length == 1000 else 422)
    assert silence < SILENCE
