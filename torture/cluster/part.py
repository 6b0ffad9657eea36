"""All scenarios on one cluster of two local nodes."""

from typing import Final

from torture.cluster.accounts import budgets, ledger, nonces
from torture.cluster.environment import SETTINGS, Cluster
from torture.cluster.faults import cuts, freezes, kills, two_servers
from torture.cluster.operations import control_plane, scaling
from torture.cluster.structured import structured_streams
from torture.harness import Harness

# The smallest scale of a run with all scenarios.
_WHOLE: Final = 0.03


async def run(harness: Harness) -> None:
    """Run the part. A small fraction leaves out the scenarios that take minutes: nodes, scaling, an upgrade and the
    control plane."""
    whole = harness.scale >= _WHOLE
    folder = harness.new_folder()
    (folder / "forefront.toml").write_text(SETTINGS)
    cluster = Cluster(harness, folder / "home", harness.new_store(harness.stores[-1]))
    try:
        await cluster.command("up", "--local", "2")
        async with cluster.server() as server:
            await cuts(cluster, server)
            await kills(cluster, server, ("replica", "node") if whole else ("replica",))
            await structured_streams(cluster, server)
            await freezes(cluster, server, ("replica", "node") if whole else ("replica",))
            if whole:
                await scaling(cluster, server)
                await control_plane(cluster, server)
            async with cluster.server() as second:
                await budgets(cluster, [server, second])
                await nonces(cluster, [server, second])
                await two_servers(cluster, server, second)
        await ledger(cluster)
    finally:
        await cluster.command("down")
