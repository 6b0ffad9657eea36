"""The environment of Ray's processes. Ray reads it when it is imported and when its programs start."""

from collections.abc import Mapping
from typing import Final

_DEFAULTS: Final = {
    # Ray ends a process whose head node is unreachable for longer; the default is a minute.
    "RAY_gcs_rpc_server_reconnect_timeout_s": "86400",
    "RAY_USAGE_STATS_ENABLED": "0",
    # A first request for a model without replicas is noticed within a second, not ten.
    "RAY_SERVE_HANDLE_AUTOSCALING_METRIC_PUSH_INTERVAL_S": "0.5",
    "RAY_SERVE_REPLICA_AUTOSCALING_METRIC_PUSH_INTERVAL_S": "0.5",
}


def ray_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """`environment` with the defaults of a cluster."""
    return _DEFAULTS | dict(environment)
