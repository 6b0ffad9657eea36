"""One model in one version as an application of Ray Serve. Names and settings, no calls."""

import hashlib
import re
from typing import Any, Final

import msgspec
from ray import serve
from ray.serve.config import AutoscalingConfig, AutoscalingPolicy

from forefront.cluster.deployment.serve_replica import Replica
from forefront.cluster.replica.replica_spec import ReplicaSpec

PREFIX: Final = "forefront"
DEPLOYMENT: Final = "replica"
_HEALTH_SECONDS: Final = 5.0
# The maximum time of draining. A draining replica keeps answers that no other replica can continue.
_MAX_DRAIN_SECONDS: Final = 6 * 3600.0


class Scale(msgspec.Struct, frozen=True, kw_only=True):
    """The number of replicas, `min` to `max`, and what each reserves on its node. `target_load`, `shrink_seconds` and
    `idle_seconds`: see `ScalingSettings`."""

    min: int = 1
    max: int = 1
    cpus: float = 1.0
    gpus: float = 0.0
    target_load: float = 0.7
    shrink_seconds: float = 60.0
    idle_seconds: float = 300.0


def model_prefix(model: str) -> str:
    """The beginning of the names of a model's applications."""
    slug = re.sub(r"[^A-Za-z0-9]+", "-", model)[:40].strip("-")
    return f"{PREFIX}-{slug}-{hashlib.sha256(model.encode()).hexdigest()[:8]}-"


def application_name(spec: ReplicaSpec, program: str) -> str:
    """The name of a model's application. It changes with everything that the replicas run, and with the `program`'s
    version: an upgrade is a new application beside the old one."""
    version = hashlib.sha256(msgspec.json.encode([spec, program])).hexdigest()[:8]
    return model_prefix(spec.name) + version


def build_application(spec: ReplicaSpec, scale: Scale) -> Any:
    """The application for Ray Serve."""
    policy = AutoscalingPolicy(  # type: ignore[no-untyped-call]
        policy_function="forefront.cluster.deployment.serve_scaling.ServeScaling",
        policy_kwargs={
            "min_replicas": scale.min,
            "max_replicas": scale.max,
            "target_load": scale.target_load,
            "shrink_seconds": scale.shrink_seconds,
            "idle_seconds": scale.idle_seconds,
        },
    )
    # The policy itself delays scaling up and down.
    autoscaling = AutoscalingConfig(
        min_replicas=scale.min,
        max_replicas=scale.max,
        initial_replicas=scale.min,
        metrics_interval_s=0.5,
        look_back_period_s=1.0,
        upscale_delay_s=0.0,
        downscale_delay_s=0.0,
        downscale_to_zero_delay_s=0.0,
        policy=policy,
    )
    deployment: Any = serve.deployment(Replica)
    deployment = deployment.options(
        name=DEPLOYMENT,
        # Without a fixed version, a change of the scale would replace all replicas.
        version="1",
        autoscaling_config=autoscaling,
        ray_actor_options={"num_cpus": scale.cpus, "num_gpus": scale.gpus},
        max_ongoing_requests=1000,
        health_check_period_s=_HEALTH_SECONDS,
        health_check_timeout_s=2 * _HEALTH_SECONDS,
        graceful_shutdown_timeout_s=_MAX_DRAIN_SECONDS,
        graceful_shutdown_wait_loop_s=0.2,
        _internal=True,
    )
    return deployment.bind(msgspec.json.encode(spec).decode())
