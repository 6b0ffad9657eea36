"""One node of a cluster on this machine alone, bound to loopback: its own process with Ray's programs below it.

    python -m forefront.cluster.deployment.local_node head PORT CPUS DIRECTORY      the head; PORT is that of its GCS
    python -m forefront.cluster.deployment.local_node node PORT CPUS DIRECTORY      another node

`ray start` is not used here because it replaces loopback by the machine's address. The node ends with SIGTERM.
"""

import os
import signal
import sys
import threading
from typing import Any, Final

from ray._private.node import Node
from ray._private.parameter import RayParams

LOOPBACK: Final = "127.0.0.1"
# Ray's shared memory: tokens do not pass through it.
_OBJECT_STORE: Final = 80 * 2**20


def run(kind: str, port: int, cpus: float, directory: str) -> None:
    """Run a node until SIGTERM."""
    parameters: Any = RayParams(
        node_ip_address=LOOPBACK,
        num_cpus=cpus,  # type: ignore[arg-type]
        num_gpus=0,
        object_store_memory=_OBJECT_STORE,
        min_worker_port=0,
        max_worker_port=0,
        include_log_monitor=False,  # type: ignore[arg-type]
        include_dashboard=False,
        temp_dir=directory,
    )
    if kind == "head":
        # With RAY_REDIS_ADDRESS, the GCS keeps its state in Redis, so it survives the GCS.
        parameters.update(gcs_server_port=port, redis_password=os.environ.get("RAY_REDIS_PASSWORD", ""))
    else:
        parameters.update(gcs_address=f"{LOOPBACK}:{port}", node_manager_port=0)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    node = Node(parameters, head=kind == "head", shutdown_at_exit=False, spawn_reaper=True)
    sys.stdout.write(f"ready {node.gcs_address}\n")
    sys.stdout.flush()
    ended.wait()
    node.kill_all_processes(check_alive=False, allow_graceful=True)


if __name__ == "__main__":
    run(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4])
