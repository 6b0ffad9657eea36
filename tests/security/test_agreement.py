"""The server and other HTTP implementations agree on the limits of requests, or the server refuses."""

import asyncio
import itertools
import random
import re
import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.security.framing_corpus import corpus
from tests.security.framing_peers import Reading, read_by_h11, read_by_nginx, run_nginx
from tests.security.raw import RawResponse, exchange, request
from tests.support.server import RunningServer

# What the server answers to each method of the corpus; a DELETE is a body that was read as a request.
_STATUSES = {"POST": 401, "GET": 200, "DELETE": 405}
_REFUSALS = {400, 414, 431}


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


_EARLIER = request("GET", "/health", "Host: x")


def segments(content: bytes, seed: int) -> list[bytes]:
    """The bytes after two pipelined requests, cut at the end of a head, beside it and at random."""
    chance = random.Random(seed)
    whole = 2 * _EARLIER + content
    head = whole.find(b"\r\n\r\n", len(2 * _EARLIER)) + 4
    cuts = {len(_EARLIER) + 3, head - chance.randrange(4), head, *(chance.randrange(len(whole)) for _ in range(3))}
    places = [0, *sorted(cuts - {0, len(whole)}), len(whole)]
    return [whole[begin:end] for begin, end in itertools.pairwise(places)]


async def exchange_pieces(url: str, context: ssl.SSLContext, pieces: list[bytes], seconds: float) -> RawResponse:
    """Send each piece as a TLS record, and read until the server closes or is silent for so long."""
    port, content, closed = urlsplit(url).port, b"", False
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    try:
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0)
        while not closed:
            async with asyncio.timeout(seconds):
                closed = not (piece := await reader.read(2**16))
            content += piece
    except TimeoutError:
        pass
    except (ConnectionError, ssl.SSLError):
        closed = True
    finally:
        writer.transport.abort()
    return RawResponse(int(content[9:12] or 0), content, closed)


async def test_requests_over_tls_behind_others_are_framed_as_by_h11_or_refused(tls: tuple[RunningServer, Path]) -> None:
    server, certificate = tls
    context = ssl.create_default_context(cafile=str(certificate))
    at_once = asyncio.Semaphore(8)

    async def try_case(number: int, name: str) -> None:
        pieces = segments(CASES[name], number)
        for seconds in (0.3, 3, 20):
            async with at_once:
                response = await exchange_pieces(server.url, context, pieces, seconds)
            try:
                check(name, response, read_by_h11(b"".join(pieces)))
            except AssertionError:
                if seconds == 20:
                    raise
            else:
                return

    async with asyncio.TaskGroup() as group:
        for number, name in enumerate(CASES):
            group.create_task(try_case(number, name))
