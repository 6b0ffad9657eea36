"""Protection of a cluster's connections: the rule for addresses, TLS on both sides, and hostile bytes."""

import asyncio
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from forefront.cluster.protocol.connection_security import (
    InsecureClusterError,
    check_security,
    client_context,
    server_context,
)
from forefront.cluster.protocol.frames import PROTOCOL, Cancel, Challenge, FromReplica, Hello
from forefront.cluster.protocol.secret_proof import new_nonce, proof
from tests.cluster.certificates import write_certificates
from tests.cluster.replicas import Replica, spec_of

TOKEN = {"RAY_AUTH_MODE": "token"}
TLS = {"RAY_USE_TLS": "1", "RAY_TLS_SERVER_CERT": "c", "RAY_TLS_SERVER_KEY": "k", "RAY_TLS_CA_CERT": "a"}


@pytest.mark.parametrize("addresses", [[], ["127.0.0.1"], ["127.0.0.1", "::1", "127.8.9.1"]])
def test_loopback_needs_nothing(addresses: list[str]) -> None:
    check_security(addresses, {})


@pytest.mark.parametrize("address", ["192.0.2.7", "2001:db8::1", "head.example", "0.0.0.0", ""])
def test_any_other_address_needs_a_token_and_tls(address: str) -> None:
    check_security([address, "127.0.0.1"], TOKEN | TLS)
    for environment in ({}, TOKEN, TLS, TOKEN | TLS | {"RAY_TLS_CA_CERT": ""}, TLS | {"RAY_AUTH_MODE": "disabled"}):
        with pytest.raises(InsecureClusterError, match="not loopback"):
            check_security([address, "127.0.0.1"], environment)
    with pytest.raises(InsecureClusterError) as caught:
        check_security([address], {})
    assert "RAY_AUTH_MODE=token" in str(caught.value)
    assert "RAY_USE_TLS=1" in str(caught.value)


@pytest.fixture(scope="module")
def replica(tiny_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replica]:
    replica = Replica(spec_of(tiny_gguf, tmp_path_factory.mktemp("home")))
    yield replica
    replica.close()


async def connect(replica: Replica) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, Challenge]:
    identity = replica.address.identity
    reader, writer = await asyncio.open_connection(identity.host, identity.port)
    size = int.from_bytes(await reader.readexactly(4), "big")
    challenge = msgspec.msgpack.decode(await reader.readexactly(size), type=FromReplica)
    assert isinstance(challenge, Challenge)
    assert challenge.protocol == PROTOCOL
    return reader, writer, challenge


def frame(message: object) -> bytes:
    data = msgspec.msgpack.encode(message)
    return len(data).to_bytes(4, "big") + data


async def test_an_unauthenticated_peer_is_disconnected(replica: Replica) -> None:
    secret = bytes.fromhex(replica.address.identity.secret)
    nonce = new_nonce()
    for data in (
        b"GET / HTTP/1.1\r\n\r\n" * 100,
        (2**31).to_bytes(4, "big"),
        (5000).to_bytes(4, "big") + b"x" * 5000,
        (3).to_bytes(4, "big") + b"\xff\xff\xff",
        frame(Cancel(1)),
        frame(Hello(b"", nonce)),
        frame(Hello(proof(b"wrong", b"server", nonce), nonce)),
        # A proof of the right secret for another challenge, or in the other role.
        frame(Hello(proof(secret, b"server", nonce), nonce)),
    ):
        reader, writer, challenge = await connect(replica)
        if data == frame(Cancel(1)):
            data += frame(Hello(proof(secret, b"replica", challenge.nonce), nonce))
        writer.write(data)
        assert await asyncio.wait_for(reader.read(), 60) == b""
        writer.close()
    reader, writer, challenge = await connect(replica)
    writer.write(frame(Hello(proof(secret, b"server", challenge.nonce), nonce)))
    assert await asyncio.wait_for(reader.readexactly(4), 60)
    # Authenticated servers that send nonsense are disconnected too.
    writer.write((3).to_bytes(4, "big") + b"\xff\xff\xff")
    await asyncio.wait_for(reader.read(), 60)
    writer.close()


async def test_both_sides_need_a_certificate_of_the_clusters_authority(tmp_path: Path) -> None:
    own, other = write_certificates(tmp_path, "own"), write_certificates(tmp_path, "other")

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(4))
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=server_context(own))
    port = server.sockets[0].getsockname()[1]

    async def call(context: ssl.SSLContext | None) -> bytes:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        except (ssl.SSLError, ConnectionError):
            return b""
        try:
            writer.write(b"ping")
            return await reader.read(4)
        except (ssl.SSLError, ConnectionError):
            return b""
        finally:
            writer.transport.abort()

    assert await call(client_context(own)) == b"ping"
    without = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    without.check_hostname = False
    without.load_verify_locations(own["RAY_TLS_CA_CERT"])
    assert await call(client_context(other)) == b""
    assert await call(without) == b""
    server.close()
    await server.wait_closed()
    assert server_context({}) is None
    assert client_context({"RAY_USE_TLS": "0"}) is None


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_certificates_that_cannot_be_used_are_one_clear_error(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "certificate.pem"
    if content is not None:
        path.write_text(content)
    names = ("RAY_TLS_SERVER_CERT", "RAY_TLS_SERVER_KEY", "RAY_TLS_CA_CERT")
    environment = {"RAY_USE_TLS": "1"} | dict.fromkeys(names, str(path))
    for create in (client_context, server_context):
        with pytest.raises(InsecureClusterError, match="RAY_TLS_SERVER_CERT, RAY_TLS_SERVER_KEY and RAY_TLS_CA_CERT"):
            create(environment)


def test_a_server_does_not_import_ray() -> None:
    """Neither without `--ray` nor with it: its child process does."""
    program = (
        "import sys; import forefront.cli.commands.serve, forefront.cluster.backend.cluster_loader\n"
        "print([name for name in sys.modules if name == 'ray' or name.startswith('ray.')])"
    )
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert output == "[]\n"
