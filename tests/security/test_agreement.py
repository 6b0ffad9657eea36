"""The server and other HTTP implementations agree on the limits of requests, or the server refuses."""

import re
from collections.abc import Iterator

import pytest

from tests.security.framing_corpus import corpus
from tests.security.framing_peers import Reading, read_by_h11, read_by_nginx, run_nginx
from tests.security.raw import RawResponse, exchange
from tests.support.server import RunningServer

# What the server answers to each method of the corpus; a DELETE is a body that was read as a request.
_STATUSES = {"POST": 401, "GET": 200, "DELETE": 405}
_REFUSALS = {400, 431}


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with run_nginx(tmp_path_factory.mktemp("nginx")) as url:
        yield url


def check(name: str, response: RawResponse, *peers: Reading) -> None:
    """The answers are those to the peers' requests, or a refusal ends the connection."""
    statuses = [int(found) for found in re.findall(rb"HTTP/1\.1 (\d{3})", response.content) if found != b"100"]
    refused = bool(statuses) and statuses[-1] in _REFUSALS
    if refused:
        assert response.closed, name
        statuses.pop()
    for peer in peers:
        assert "DELETE" in peer.methods or 405 not in statuses, (name, response)
        expected = [_STATUSES.get(method, 401) for method in peer.methods]
        if refused or peer.refused:
            common = min(len(statuses), len(expected))
            assert statuses[:common] == expected[:common], (name, response, peer)
        elif "Proxy-Connection" in name:  # llhttp takes it for `Connection`, which may end the connection early
            assert statuses == expected[: len(statuses)], (name, response, peer)
            assert response.closed
        else:
            assert statuses == expected, (name, response, peer)


CASES = dict(corpus())


@pytest.mark.parametrize("name", CASES)
def test_requests_are_framed_as_by_nginx_and_h11_or_refused(server: RunningServer, nginx: str, name: str) -> None:
    content = CASES[name]
    for seconds in (0.3, 3, 20):  # a busy machine may answer late
        response = exchange(server.url, content, timeout=seconds)
        try:
            check(name, response, read_by_h11(content), read_by_nginx(nginx, content, seconds))
        except AssertionError:
            if seconds == 20:
                raise
        else:
            return
