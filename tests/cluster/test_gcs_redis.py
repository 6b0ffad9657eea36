"""A cluster whose head is killed and replaced: the GCS has its state in a Redis, and servers and streams go on."""

import concurrent.futures
import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import pytest

from forefront.cluster.deployment.local_cluster import find_local
from forefront.managed_engines.process_tree import descendants
from tests.cluster.test_ray import Tutorial, stream, until
from tests.support.programs.redis import PASSWORD, RedisServer, run_redis
from tests.support.server import run_server

_SETTINGS = '[ray.models."forefront-mini"]\nreplicas = { min = 1, max = 2 }\ncpus = 0.5\n'


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with run_redis() as running:
        yield running


@pytest.fixture
def heads() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes of heads that the test starts. They have ended with the cluster."""
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def cluster(tmp_path: Path, redis: RedisServer, heads: list[subprocess.Popen[bytes]]) -> Iterator[Tutorial]:
    """A cluster with its state in Redis."""
    assert not heads
    variables = {"RAY_REDIS_ADDRESS": f"127.0.0.1:{redis.port}", "RAY_REDIS_PASSWORD": PASSWORD}
    cluster = Tutorial(tmp_path, variables)
    (tmp_path / "forefront.toml").write_text(_SETTINGS)
    try:
        cluster.run_any("forefront cluster up --local 2")
        yield cluster
    finally:
        cluster.run_any("forefront cluster down")


def replace_head(home: Path, during: Callable[[], None]) -> subprocess.Popen[bytes]:
    """Kill all processes of the head node, and start another one with its command on its port. `during` is called
    while there is none."""
    local = find_local(home)
    assert local is not None
    head = Path("/proc", str(local.processes[0]))
    command = [part.decode() for part in (head / "cmdline").read_bytes().split(b"\0")[:-1]]
    variables = [part.decode().partition("=") for part in (head / "environ").read_bytes().split(b"\0")[:-1]]
    for process in [local.processes[0], *descendants(local.processes[0])]:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    during()
    command[command.index("head") + 1] = local.address.rpartition(":")[2]
    log = home / "cluster" / "second-head.log"
    with log.open("wb") as output:
        environment = {name: value for name, _, value in variables}
        started = subprocess.Popen(command, env=environment, stdout=output, stderr=output, start_new_session=True)
    local.processes[0] = started.pid
    (home / "cluster" / "local.json").write_text(json.dumps(asdict(local)))
    until(lambda: "ready " in log.read_text() or started.poll() is not None)
    assert started.poll() is None, log.read_text()
    return started


@pytest.mark.exhaustive
@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_new_head_finds_the_cluster_in_redis(cluster: Tutorial, heads: list[subprocess.Popen[bytes]]) -> None:
    body = cluster.body | {"temperature": 1, "max_tokens": 1500}
    short = body | {"max_tokens": 20}
    words: list[str] = []
    with run_server(["--ray", "auto"], cluster.home) as server, concurrent.futures.ThreadPoolExecutor(1) as threads:
        running = threads.submit(stream, server, body, words)
        until(lambda: len(words) > 20)

        def without_head() -> None:
            end = running.result(120)
            assert (end["choices"][0]["finish_reason"], end["receipt"]["moves"]) == ("length", None)
            assert stream(server, short, words)["choices"][0]["finish_reason"] == "length"

        heads.append(replace_head(cluster.home, without_head))
        cluster.run_any("forefront cluster scale forefront-mini 2")
        until(lambda: "2 running" in cluster.run_any("forefront cluster status"))
        assert stream(server, short, words)["choices"][0]["finish_reason"] == "length"
        assert server.process.poll() is None
