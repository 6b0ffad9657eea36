"""The connection of this process to Ray. Commands and child processes have one; a server of requests has none.

Ray reads its environment when it is imported: `ray_environment` comes before.
"""

import os
from typing import Any

import ray

from forefront.cluster.protocol.connection_security import check_security


def connect(address: str) -> None:
    """Connect to the cluster at `address`, or, for `auto`, to the one that this machine belongs to. Raises
    `ConnectionError`, and `InsecureClusterError`."""
    ray.init(address=address, namespace="forefront", log_to_driver=False, configure_logging=False)
    check_security((str(node["NodeManagerAddress"]) for node in nodes()), os.environ)


def nodes() -> list[dict[str, Any]]:
    """The cluster's nodes, including ended ones."""
    found: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return found
