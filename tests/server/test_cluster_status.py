"""What administrators see of a cluster: the status, the metrics, and the screen of `forefront top`."""

import io
from collections.abc import Iterator

import httpx
import msgspec
import pytest
from rich.console import Console

from forefront.cli.live_view.reading import Rates, parse_reading
from forefront.cli.live_view.screen import Screen
from forefront.wire.admin.records import ClusterStatus, ServerStatus
from tests.support.backends.clustered import MODEL, ClusteredInstant
from tests.support.backends.instant import KEY, Nursery


@pytest.fixture(scope="module")
def admin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("clustered")
    with (
        Nursery().serve(f"sqlite:///{folder}/s.db", folder / "log", backends={MODEL: ClusteredInstant()}) as running,
        httpx.Client(base_url=running.url, headers={"authorization": f"Bearer {KEY}"}) as client,
    ):
        yield client


def status(admin: httpx.Client) -> ServerStatus:
    return msgspec.json.decode(admin.get("/admin/status").content, type=ServerStatus)


def test_the_status_has_replicas_routing_and_moves(admin: httpx.Client) -> None:
    cluster = status(admin).models[MODEL].cluster
    assert isinstance(cluster, ClusterStatus)
    seen = [(replica.node, replica.name, replica.state) for replica in cluster.replicas]
    assert seen == [
        ("node-0", "replica-1", "available"),
        ("node-1", "replica-2", "draining"),
        ("node-1", "replica-3", "lost"),
    ]
    first = cluster.replicas[0]
    assert (first.running, first.waiting, first.work, first.requests) == (3, 1, 700, 0)
    assert (first.blocks_held, first.blocks_total, first.slots, first.fingerprint) == (5, 10, 64, "fp")
    routing, moves = cluster.routing, cluster.moves
    assert (routing.prefix + routing.hash + routing.load, routing.tokens, routing.known_tokens) == (2, 200, 96)
    assert (moves.failures, moves.drains, moves.given_up) == (3, 2, 1)


def test_the_status_has_the_counts_of_drafts(admin: httpx.Client) -> None:
    model = status(admin).models[MODEL]
    assert (model.drafts, model.draft_tokens, model.accepted_tokens) == (3, 12, 7)


def test_metrics_by_node(admin: httpx.Client) -> None:
    text = admin.get("/metrics").text
    for line in (
        'cluster_replicas{model_name="clustered",node="node-1",state="draining"} 1.0',
        'cluster_replicas{model_name="clustered",node="node-1",state="available"} 0.0',
        'cluster_work_tokens{model_name="clustered",node="node-1"} 1400.0',
        'cluster_prompt_tokens_total{model_name="clustered"} 200.0',
        'cluster_known_tokens_total{model_name="clustered"} 96.0',
        'cluster_moves_total{model_name="clustered",reason="failures"} 3.0',
    ):
        assert f"forefront_{line}\n" in text


def test_the_screen_shows_replicas(admin: httpx.Client) -> None:
    reading = parse_reading(0.0, status(admin), admin.get("/metrics").text)
    console = Console(width=140, record=True, file=io.StringIO())
    console.print(Screen("http://localhost").render(reading, Rates(0.0)))
    shown = console.export_text()
    assert "replica-1 on node-0" in shown
    assert "draining" in shown
    assert "48 % known, 5 moved" in shown
