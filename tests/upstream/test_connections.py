"""Connections to an upstream: kept, closed after a time, and replaced when they are lost."""

import asyncio
import ssl
from pathlib import Path

import pytest

from forefront.upstream.errors import UpstreamError
from forefront.upstream.http.connection_pool import ConnectionPool, Origin
from forefront.upstream.http.http_client import UpstreamClient
from forefront.upstream.http.http_connection import ConnectionLostError, MalformedResponseError, UpstreamResponse
from forefront.upstream.replica import UpstreamReplica
from tests.cli.settings.test_config import make_pair
from tests.support.upstreams.faulty_upstream import FaultyUpstream, run_faulty_upstream
from tests.support.upstreams.upstream_answers import Answer, Close, Forever, whole

REQUEST = b"GET /v1/models HTTP/1.1\r\nhost: upstream\r\n\r\n"


async def body_of(response: UpstreamResponse) -> bytes:
    parts = []
    while data := await response.read():
        parts.append(data)
    return b"".join(parts)


async def use(pool: ConnectionPool, origin: Origin) -> None:
    """One request over a kept connection, or else over a new one."""
    connection = pool.take(origin) or await pool.connect(origin)
    assert b"upstream-model" in await body_of(await connection.send(REQUEST))
    pool.give_back(origin, connection)


async def test_a_connection_is_reused(upstream: FaultyUpstream) -> None:
    pool, origin = ConnectionPool(1), Origin.of(upstream.url)
    for _ in range(3):
        await use(pool, origin)
    assert upstream.connections == 1
    pool.close()


async def test_an_old_connection_is_not_used_again(upstream: FaultyUpstream) -> None:
    """So a name that moves to another address is followed under constant load too."""
    pool, origin = ConnectionPool(1, max_age_seconds=0.05), Origin.of(upstream.url)
    await use(pool, origin)
    await asyncio.sleep(0.06)
    await use(pool, origin)
    assert upstream.connections == 2
    pool.close()


async def test_an_idle_connection_is_closed(upstream: FaultyUpstream) -> None:
    pool, origin = ConnectionPool(1, idle_seconds=0.02), Origin.of(upstream.url)
    await use(pool, origin)
    async with asyncio.timeout(60):
        while upstream.open_connections:
            await asyncio.sleep(0.01)
    pool.close()


async def test_a_kept_connection_that_is_lost_is_replaced(upstream: FaultyUpstream) -> None:
    """The server closes after each answer without `connection: close`."""
    body = b'{"data": []}'
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
    upstream.paths["/v1/models"] = Answer((head + body, Close()), raw=True)
    client, replica = UpstreamClient(1, 5), UpstreamReplica("big/1", upstream.url)
    for _ in range(20):
        assert await client.get(replica, f"{upstream.url}/models", 5) == (200, {"data": []})
    await client.close()


async def test_a_request_is_not_sent_twice_over_new_connections(upstream: FaultyUpstream) -> None:
    upstream.paths["/v1/models"] = Answer(before=(Close(),))
    client, replica = UpstreamClient(1, 5), UpstreamReplica("big/1", upstream.url)
    with pytest.raises(UpstreamError) as caught:
        await client.get(replica, f"{upstream.url}/models", 5)
    assert caught.value.kind == "unreachable"
    assert len(upstream.requests) == 1
    await client.close()


async def test_a_request_head_is_bounded_in_bytes(upstream: FaultyUpstream) -> None:
    upstream.paths["/v1/models"] = Answer((Forever(b"HTTP/1.1 100 Continue\r\n\r\n" * 500),), raw=True)
    pool, origin = ConnectionPool(1), Origin.of(upstream.url)
    connection = await pool.connect(origin)
    with pytest.raises(MalformedResponseError):
        await connection.send(REQUEST)
    pool.close()


async def test_more_than_was_requested_ends_the_connection(upstream: FaultyUpstream) -> None:
    upstream.paths["/v1/models"] = Answer(
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\n",), raw=True
    )
    pool, origin = ConnectionPool(1), Origin.of(upstream.url)
    connection = await pool.connect(origin)
    assert await body_of(await connection.send(REQUEST)) == b"{}"
    assert not connection.reusable
    pool.close()


async def test_a_body_without_content_length_ends_with_the_connection(upstream: FaultyUpstream) -> None:
    upstream.paths["/v1/models"] = Answer((b"HTTP/1.0 200 OK\r\n\r\nsome ", b"text", Close()), raw=True)
    pool, origin = ConnectionPool(1), Origin.of(upstream.url)
    connection = await pool.connect(origin)
    assert await body_of(await connection.send(REQUEST)) == b"some text"
    assert not connection.reusable
    pool.close()


async def test_a_large_body_waits_for_its_reader(upstream: FaultyUpstream) -> None:
    size = 8 * 2**20
    upstream.paths["/v1/models"] = whole(b"x" * size)
    pool, origin = ConnectionPool(1), Origin.of(upstream.url)
    connection = await pool.connect(origin)
    response = await connection.send(REQUEST)
    await asyncio.sleep(0.05)
    first = await response.read()
    assert len(first) < size / 2
    assert len(first) + len(await body_of(response)) == size
    pool.close()


async def test_closing_ends_waiting_calls(upstream: FaultyUpstream) -> None:
    pool, origin = ConnectionPool(1), Origin.of(upstream.url)
    upstream.paths["/v1/models"] = Answer((Forever(b"x", 0.01),))
    connection = await pool.connect(origin)
    response = await connection.send(REQUEST)
    reading = asyncio.create_task(body_of(response))
    await asyncio.sleep(0.02)
    pool.close()
    with pytest.raises(ConnectionLostError):
        await reading


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://gpu:8000/v1", Origin("gpu", 8000, tls=False, authority="gpu:8000")),
        ("https://api.example.com/v1", Origin("api.example.com", 443, tls=True, authority="api.example.com")),
        ("http://[::1]:80/v1", Origin("::1", 80, tls=False, authority="[::1]:80")),
        ("http://gpu", Origin("gpu", 80, tls=False, authority="gpu")),
    ],
)
def test_origins(url: str, expected: Origin) -> None:
    assert Origin.of(url) == expected


@pytest.mark.parametrize("trusted", [True, False])
async def test_certificates_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, trusted: bool) -> None:
    certificate, key = make_pair(tmp_path / "pair")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with run_faulty_upstream(tls=context) as upstream:
        client, replica = UpstreamClient(5, 5), UpstreamReplica("big/1", upstream.url)
        try:
            if trusted:
                status, body = await client.get(replica, f"{upstream.url}/models", 5)
                assert (status, body["data"][0]["id"]) == (200, "upstream-model")
            else:
                with pytest.raises(UpstreamError) as caught:
                    await client.get(replica, f"{upstream.url}/models", 5)
                assert "TLS certificate" in caught.value.message
                assert not upstream.requests
        finally:
            await client.close()
