"""Models on a cluster: deploy, scale, upgrade and remove applications of Ray Serve, and report them.

All functions need `ray_session.connect`. Servers that answer requests call none of them.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final

import msgspec
import ray
from ray import serve
from ray._raylet import GcsClient  # type: ignore[attr-defined]
from ray.experimental import internal_kv
from ray.serve.config import ProxyLocation
from ray.serve.schema import ApplicationStatus

from forefront.cluster.deployment.application import (
    DEPLOYMENT,
    PREFIX,
    Scale,
    application_name,
    build_application,
    model_prefix,
)
from forefront.cluster.deployment.errors import DeployError
from forefront.cluster.deployment.ray_session import nodes
from forefront.cluster.replica.replica_spec import ReplicaSpec

_POLL_SECONDS: Final = 0.2
# The maximum time that a draining node waits for its replicas.
_DRAIN_SECONDS: Final = 3600.0
# After this time without progress, a new version is considered to have no room beside the old one.
_NO_ROOM_SECONDS: Final = 20.0
_PREEMPTION: Final = 2  # `DRAIN_NODE_REASON_PREEMPTION`: work in progress does not prevent it


class _KeyValues:
    """The deployed specifications, in the GCS's store, for `forefront cluster scale`."""

    def put(self, name: str, value: bytes) -> None:
        internal_kv._internal_kv_put(name.encode(), value, namespace=_NAMESPACE)

    def get(self, name: str) -> bytes | None:
        value: bytes | None = internal_kv._internal_kv_get(name.encode(), namespace=_NAMESPACE)
        return value


_NAMESPACE: Final = b"forefront"
_KEY_VALUES: Final = _KeyValues()


@dataclass(frozen=True, slots=True)
class DeployedApplication:
    """An application. `replicas` counts them by state, `message` explains a failure."""

    name: str
    status: str
    message: str
    replicas: dict[str, int]

    @property
    def failed(self) -> bool:
        """Whether the deployment has failed."""
        return self.status in (ApplicationStatus.DEPLOY_FAILED, ApplicationStatus.UNHEALTHY)


def start_serve() -> None:
    """Start Serve without its HTTP server. Does nothing if it runs."""
    serve.start(proxy_location=ProxyLocation.Disabled)


def deploy(spec: ReplicaSpec, scale: Scale, report: Callable[[str], None], timeout: float = 600.0) -> None:
    """Deploy a model, or change its scale. An older version of it is removed once the new one runs: its replicas finish
    their generations. Raises `DeployError`; the older version then continues."""
    start_serve()
    name = application_name(spec, version("forefront"))
    before = find(name)
    if before is not None and before.failed:
        # Serve would report the old failure for the new attempt.
        serve.delete(name)
    _run(name, spec, scale)
    _KEY_VALUES.put(name, msgspec.json.encode((spec, scale)))
    deadline, shown, changed = time.monotonic() + timeout, "", time.monotonic()
    while True:
        state = find(name)
        text = "waits for Serve" if state is None else _describe(state)
        if text != shown:
            shown, changed = text, time.monotonic()
            report(text)
        if state is not None and state.status == ApplicationStatus.RUNNING:
            break
        if state is not None and state.failed:
            raise DeployError(f"{spec.name}: {_reason(state.message) or shown}")
        if time.monotonic() > deadline:
            raise DeployError(f"{spec.name} is not ready after {timeout:g} seconds: {shown}")
        if time.monotonic() - changed > _NO_ROOM_SECONDS and _make_room(spec.name, name):
            changed = time.monotonic()
            report("there is no room beside the older version: one of its replicas ends")
        time.sleep(_POLL_SECONDS)
    for other in applications(model_prefix(spec.name)):
        if other.name != name:
            serve.delete(other.name, _blocking=False)


def _make_room(model: str, newest: str) -> bool:
    """End one replica of a model's older versions, for a cluster that has no room for two versions. False if there is
    none."""
    for older in applications(model_prefix(model)):
        running = older.replicas.get("RUNNING", 0)
        record = _KEY_VALUES.get(older.name)
        if older.name == newest or not running:
            continue
        if running == 1 or record is None:
            serve.delete(older.name, _blocking=False)
        else:
            spec, before = msgspec.json.decode(record, type=tuple[ReplicaSpec, Scale])
            _run(older.name, spec, msgspec.structs.replace(before, min=running - 1, max=running - 1))
        return True
    return False


def _run(name: str, spec: ReplicaSpec, scale: Scale) -> None:
    target = serve.RunTarget(build_application(spec, scale), name=name, route_prefix=None)
    serve.run_many([target], wait_for_ingress_deployment_creation=False, wait_for_applications_running=False)


def scale(model: str, minimum: int, maximum: int, report: Callable[[str], None]) -> None:
    """Change the number of replicas of a deployed model. Raises `DeployError`."""
    found = applications(model_prefix(model))
    record = _KEY_VALUES.get(found[-1].name) if found else None
    if record is None:
        raise DeployError(f"{model} is not on the cluster; `forefront cluster up` deploys models")
    spec, before = msgspec.json.decode(record, type=tuple[ReplicaSpec, Scale])
    deploy(spec, msgspec.structs.replace(before, min=minimum, max=maximum), report)


def model_of(application: str) -> str:
    """The model of an application."""
    record = _KEY_VALUES.get(application)
    return application if record is None else msgspec.json.decode(record, type=tuple[ReplicaSpec, Scale])[0].name


def drain_node(node: str, report: Callable[[str], None]) -> None:
    """Move all replicas away from a node, whose id begins with `node`. Serve starts others elsewhere first. Raises
    `DeployError`."""
    found = [status for status in node_statuses() if status.alive and status.id.startswith(node)]
    if len(found) != 1:
        raise DeployError(
            f"{len(found)} nodes have an id that begins with {node}; `forefront cluster status` shows them"
        )
    client = GcsClient(address=ray.get_runtime_context().gcs_address)
    deadline = int((time.time() + _DRAIN_SECONDS) * 1000)
    accepted, reason = client.drain_node(found[0].id, _PREEMPTION, "forefront cluster drain", deadline)
    if not accepted:
        raise DeployError(f"the node refuses to drain: {reason}")
    report(f"node {found[0].id[:12]} drains: its replicas move, and it gets no new ones")


def remove(model: str) -> list[str]:
    """Remove a model's applications. Their replicas finish their generations."""
    names = [application.name for application in applications(model_prefix(model))]
    for name in names:
        serve.delete(name, _blocking=False)
    return names


def find(name: str) -> DeployedApplication | None:
    """The application of that name."""
    return next((application for application in applications(name) if application.name == name), None)


def applications(prefix: str = PREFIX + "-") -> list[DeployedApplication]:
    """The applications whose names begin with `prefix`, in the order of deployment."""
    found = sorted(serve.status().applications.items(), key=lambda item: item[1].last_deployed_time_s)
    return [
        DeployedApplication(name, status.status, _message(status), _replicas(status))
        for name, status in found
        if name.startswith(prefix)
    ]


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """A node. `cpus`: free and all."""

    id: str
    address: str
    alive: bool
    head: bool
    free_cpus: float
    cpus: float


def node_statuses() -> list[NodeStatus]:
    """The cluster's nodes, the head first."""
    available = ray._private.state.available_resources_per_node()  # type: ignore[no-untyped-call]
    found = []
    for node in nodes():
        resources, free = node["Resources"], available.get(node["NodeID"], {})
        found.append(
            NodeStatus(
                node["NodeID"],
                node["NodeManagerAddress"],
                node["Alive"],
                "node:__internal_head__" in resources,
                free.get("CPU", 0.0),
                resources.get("CPU", 0.0),
            )
        )
    return sorted(found, key=lambda node: (not node.head, not node.alive, node.id))


def _message(status: Any) -> str:
    deployment = status.deployments.get(DEPLOYMENT)
    parts = [status.message, "" if deployment is None else deployment.message]
    return " ".join(part for part in parts if part)


def _replicas(status: Any) -> dict[str, int]:
    deployment = status.deployments.get(DEPLOYMENT)
    if deployment is None:
        return {}
    return {str(getattr(state, "value", state)): count for state, count in deployment.replica_states.items() if count}


def _reason(message: str) -> str:
    """The exception at the end of a traceback, without its class."""
    last = message.strip().splitlines()[-1] if message.strip() else ""
    name, _, text = last.partition(": ")
    return text if name.startswith("forefront.") else last


def _describe(state: DeployedApplication) -> str:
    replicas = ", ".join(f"{count} {name.lower()}" for name, count in state.replicas.items())
    return f"{state.status.lower()} ({replicas or 'no replicas'})"
