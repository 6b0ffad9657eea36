"""Scenarios on one cluster of two local nodes, then the ledger."""

import time
from contextlib import AsyncExitStack
from typing import Final

from torture.cluster.accounts import ledger
from torture.cluster.environment import SETTINGS, Cluster
from torture.cluster.scenarios import SCENARIOS
from torture.harness import Harness

# The smallest scale of a run with all scenarios.
_WHOLE: Final = 0.03


async def run(harness: Harness) -> None:
    """Run the selected scenarios. Without a selection all of them, but a small fraction leaves out the long ones."""
    folder = harness.new_folder()
    (folder / "forefront.toml").write_text(SETTINGS)
    cluster = Cluster(harness, folder / "home", harness.new_store(harness.stores[-1]))
    try:
        await cluster.command("up", "--local", "2")
        async with AsyncExitStack() as stack:
            servers = [await stack.enter_async_context(cluster.server())]
            for name, scenario in SCENARIOS.items():
                if harness.scenarios:
                    chosen = name in harness.scenarios
                else:
                    chosen = harness.scale >= _WHOLE or not scenario.long
                if not chosen:
                    continue
                if len(servers) < scenario.servers:
                    servers.append(await stack.enter_async_context(cluster.server()))
                begin = time.monotonic()
                try:
                    await scenario.run(cluster, servers[: scenario.servers])
                except Exception as error:
                    cluster.report(name, f"broke: {error!r}", good=False)
                harness.log(f"{name}: {time.monotonic() - begin:.0f} s\n")
        await ledger(cluster)
    finally:
        await cluster.command("down")
