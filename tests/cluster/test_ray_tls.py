"""A cluster of real Ray processes with TLS: Ray's certificates protect the connections to replicas too."""

import asyncio
import os
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from forefront.cluster.backend.connections.replica_pool import RemoteModel
from forefront.cluster.backend.dispatching.dispatcher import RemoteLimits
from forefront.cluster.backend.remote_engine import RemoteEngine
from forefront.cluster.deployment.local_cluster import find_local
from forefront.cluster.deployment.ray_environment import ray_environment
from forefront.cluster.discovery.cluster_watch import ClusterWatch
from forefront.cluster.protocol.connection_security import client_context
from forefront.engine.request import GenerateRequest
from tests.cluster.certificates import write_certificates
from tests.cluster.replicas import ready
from tests.cluster.test_ray import Tutorial
from tests.engine.engines import GREEDY, collect, prompt

MODEL = "forefront-mini"


@pytest.fixture
def certificates(tmp_path: Path) -> dict[str, str]:
    return write_certificates(tmp_path, "node")


@pytest.fixture
def cluster(tmp_path: Path, certificates: dict[str, str]) -> Iterator[Tutorial]:
    """One node with one replica, all connections with TLS."""
    cluster = Tutorial(tmp_path, certificates)
    (tmp_path / "forefront.toml").write_text(f'[ray.models."{MODEL}"]\nreplicas = {{ min = 1, max = 1 }}\n')
    try:
        cluster.run_any("forefront cluster up --local 1")
        yield cluster
    finally:
        cluster.run_any("forefront cluster down")


@pytest.mark.exhaustive
@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_replica_accepts_only_cluster_certificates(cluster: Tutorial, certificates: dict[str, str]) -> None:
    local = find_local(cluster.home)
    assert local is not None
    watch = ClusterWatch(local.address, [MODEL], ray_environment(os.environ) | local.environment() | certificates)
    watch.start()
    try:
        [replica] = await asyncio.to_thread(watch.wait, MODEL, 60.0)
    finally:
        await asyncio.to_thread(watch.stop)
    identity = replica.identity

    async def first_bytes(context: ssl.SSLContext | None) -> bytes:
        """What the replica says to a stranger."""
        try:
            reader, writer = await asyncio.open_connection(identity.host, identity.port, ssl=context)
        except OSError:
            return b""
        try:
            writer.write(b"\0\0\0\1x")
            return await asyncio.wait_for(reader.read(100), 20)
        except OSError:
            return b""
        finally:
            writer.transport.abort()

    other = await asyncio.to_thread(write_certificates, cluster.home.parent, "other")
    stranger = client_context(other)
    assert stranger is not None
    stranger.load_verify_locations(certificates["RAY_TLS_CA_CERT"])
    assert await first_bytes(None) == await first_bytes(stranger) == b""
    assert b"challenge" in await first_bytes(client_context(certificates))

    model = RemoteModel(identity.context_limit, identity.vocabulary_size, identity.text)
    engine = RemoteEngine(model, RemoteLimits(), tls=client_context(certificates))
    engine.start()
    engine.set_replicas([replica])
    await ready(engine, 1)
    assert len(await collect(engine.submit(GenerateRequest(prompt(20), 5, GREEDY)))) == 5
    await engine.stop()
