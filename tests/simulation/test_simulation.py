"""The simulation, small: every request ends once, and routing by prefix has the effects of `simulation/page.md`."""

from dataclasses import replace
from pathlib import Path

import pytest

from forefront.cluster.routing.router import PrefixRouter
from forefront.cluster.routing.scaling import ScalingSettings
from simulation.cluster import MIGRATIONS, ClusterSettings, Result, SimulatedCluster
from simulation.page import write_page
from simulation.routers import ROUTERS
from simulation.scenarios import AMPLE_CACHE, SMALL_CACHE, Scenarios, settings
from simulation.service_times import load_service_times
from simulation.summary import Summary, summarize
from simulation.workload import WorkloadSettings

TIMES = load_service_times()


def run(one: ClusterSettings) -> Result:
    """A run, all of whose requests ended exactly once."""
    cluster = SimulatedCluster(one, TIMES)
    result = cluster.run()
    assert len(result.requests) > 50
    for request in result.requests:
        assert request.ended == 1
        assert request.error == (request.moves > MIGRATIONS)
        if not request.error:
            assert request.first_token_at is not None
            assert request.ended_at is not None
            assert request.arrived_at <= request.first_token_at <= request.ended_at
            assert request.cached + request.computed >= request.prompt
        if not request.moves:
            assert request.cached + request.computed == request.prompt
    assert all(replica.own_work == replica.requests == 0 for server in cluster.servers for replica in server.replicas())
    assert all(replica.load().work == replica.load().blocks_held == 0 for replica in cluster.replicas)
    return result


def compare(one: ClusterSettings, router: type[PrefixRouter]) -> Summary:
    """The figures of a router."""
    one = replace(one, router=router)
    return summarize(run(one), one)


@pytest.mark.parametrize(("blocks", "minimum"), [(SMALL_CACHE, 2.0), (AMPLE_CACHE, 1.4)])
def test_routing_by_prefix_computes_fewer_prompt_tokens(blocks: int, minimum: float) -> None:
    one = replace(settings(8, blocks=blocks), seconds=80.0, warm_up_seconds=30.0)
    by_prefix, at_random = (compare(one, ROUTERS[name]) for name in ("prefix", "random"))
    assert at_random.computed_tokens >= minimum * by_prefix.computed_tokens
    assert by_prefix.hit_rate > at_random.hit_rate
    assert by_prefix.ttft_p99 < at_random.ttft_p99


def test_requests_survive_failures() -> None:
    usual = settings(8)
    result = run(replace(usual, seconds=40.0, deaths=0.02, freezes=0.01, slow_replicas=0.2))
    moved = [request for request in result.requests if request.moves]
    assert len(moved) > 5
    assert sum(request.error for request in result.requests) <= len(moved) / 5


def test_replicas_follow_a_burst() -> None:
    workload = WorkloadSettings(24, 0.8, burst=8.0, burst_at=(20.0, 50.0), think_seconds=2.0)
    scaling = ScalingSettings(0, 8, 0.15, shrink_seconds=20.0, idle_seconds=20.0)
    one = ClusterSettings(0, workload, slowness=5.0, scaling=scaling, seconds=140.0, start_seconds=3.0)
    sizes = run(one).sizes
    assert sizes[0][1] == 0
    assert max(size for _, size, _, _ in sizes) >= 4
    assert sizes[130][1] < 4


@pytest.mark.exhaustive
def test_the_page_and_its_figures_are_written(tmp_path: Path) -> None:
    write_page(Scenarios(TIMES, 0.04), TIMES, tmp_path / "simulation.md", tmp_path / "images")
    text = (tmp_path / "simulation.md").read_text()
    figures = {path.name for path in (tmp_path / "images").iterdir()}
    assert len(figures) == 6
    assert all(f"images/{name}" in text for name in figures)
    assert "{" not in text
