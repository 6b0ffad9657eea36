"""The scenarios of the part `cluster`, in the order of their runs."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from tests.support.server import RunningServer
from torture.cluster.accounts import budgets, nonces
from torture.cluster.environment import Cluster
from torture.cluster.faults import cuts, node_freeze, node_kills, replica_freeze, replica_kills, two_servers
from torture.cluster.operations import control_plane, scaling
from torture.cluster.structured import structured_streams


@dataclass(frozen=True)
class Scenario:
    """`text`: what is done at full scale, and how long it takes on two cores. `long`: a small fraction of the part
    leaves it out, as it takes minutes in any case. `run` is called with one server, or with two."""

    text: str
    run: Callable[[Cluster, list[RunningServer]], Awaitable[None]]
    servers: int = 1
    long: bool = False


def _with_one(run: Callable[[Cluster, RunningServer], Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    return lambda cluster, servers: run(cluster, servers[0])


SCENARIOS: Final[dict[str, Scenario]] = {
    "cuts": Scenario("500 clients that leave", _with_one(cuts)),
    "replica-kills": Scenario("40 replica kills under 64 streams", _with_one(replica_kills)),
    "node-kills": Scenario("50 node kills under 64 streams", _with_one(node_kills), long=True),
    "structured": Scenario("20 replica kills under JSON schemas and tool calls", _with_one(structured_streams)),
    "replica-freeze": Scenario("a replica stopped under 64 streams", _with_one(replica_freeze)),
    "node-freeze": Scenario("a node stopped under 64 streams", _with_one(node_freeze), long=True),
    "scaling": Scenario("2, 4, 1 and 2 replicas, then an upgrade", _with_one(scaling), long=True),
    "control-plane": Scenario("Serve's controller killed, GCS stopped for 90 s", _with_one(control_plane), long=True),
    "budgets": Scenario("200 requests at once, budget for 10, a replica killed", budgets, servers=2),
    "nonces": Scenario("secret words of 16 projects under 10 replica kills", nonces, servers=2),
    "two-servers": Scenario("one of two servers killed", lambda cluster, two: two_servers(cluster, *two), servers=2),
}
