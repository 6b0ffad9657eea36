"""The connection of this process to Ray. Commands and child processes have one, a server that answers requests has none."""

import os
from typing import Any, Final

import ray

from forefront.cluster.security import check_security

# Ray ends a process whose head node is away for longer: a minute by default.
_RECONNECT_SECONDS: Final = 86_400
_ENVIRONMENT: Final = {
    "RAY_gcs_rpc_server_reconnect_timeout_s": str(_RECONNECT_SECONDS),
    "RAY_USAGE_STATS_ENABLED": "0",
    # A first request for a model without replicas is noticed within a second, not ten.
    "RAY_SERVE_HANDLE_AUTOSCALING_METRIC_PUSH_INTERVAL_S": "0.5",
    "RAY_SERVE_REPLICA_AUTOSCALING_METRIC_PUSH_INTERVAL_S": "0.5",
}


def prepare_environment(*, loopback: bool = False) -> None:
    """Set the environment of Ray's processes, before any of them starts. What is set already stays. `loopback`: Ray does
    not replace loopback by the machine's address."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if loopback:
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"


def connect(address: str) -> None:
    """Connect to the cluster at `address`, or, for `auto`, to the one that this machine belongs to. Raises
    `ConnectionError`, and `InsecureClusterError`."""
    ray.init(address=address, namespace="forefront", log_to_driver=False, configure_logging=False)
    check_security((str(node["NodeManagerAddress"]) for node in nodes()), os.environ)


def nodes() -> list[dict[str, Any]]:
    """The cluster's nodes, those that have ended too."""
    found: list[dict[str, Any]] = ray.nodes()
    return found
