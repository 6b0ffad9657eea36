"""The sections of `forefront.toml`."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from forefront.catalog.sources.model_settings import ModelSettings

Seconds = Annotated[float, Meta(ge=0, le=86_400)]
ModelPrice = Annotated[float, Meta(ge=0, le=1e6)]


class ServerSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`[server]`"""

    host: Annotated[str, Meta(min_length=1)] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 8000
    grace_seconds: Seconds = 30.0
    header_seconds: Annotated[float, Meta(gt=0, le=86_400)] = 20.0
    body_seconds: Annotated[float, Meta(gt=0, le=86_400)] = 60.0
    send_seconds: Annotated[float, Meta(gt=0, le=86_400)] = 60.0
    connections: Annotated[int, Meta(ge=1, le=1_000_000)] = 2000
    connections_per_address: Annotated[int, Meta(ge=1, le=1_000_000)] = 100
    body_memory_mib: Annotated[int, Meta(ge=8, le=1_000_000)] = 256
    cors_origins: list[str] = []
    tls_certificate: str | None = None
    tls_key: str | None = None


class MetricsSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`[metrics]`: the port of the metrics, if they have their own."""

    host: Annotated[str, Meta(min_length=1)] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] | None = None


class TracingSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`[tracing]`"""

    endpoint: str | None = None


class StoreSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`[store]`"""

    url: str | None = None


class RedisSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`[redis]`"""

    url: str | None = None


class LogSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`[log]`"""

    format: Literal["human", "json"] = "human"
    level: Literal["debug", "info", "warning", "error"] = "info"
    prompts: bool = False


class QueueSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`[queue]`"""

    running: Annotated[int, Meta(ge=1, le=100_000)] = 64
    waiting: Annotated[int, Meta(ge=0, le=1_000_000)] = 1024


class LoadingSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`[loading]`: the memory of all models in GiB (None: what the machine has, less a reserve), and the seconds that a
    model stays loaded at least before another takes its memory."""

    memory_gib: Annotated[float, Meta(ge=0.01, le=65536)] | None = None
    minimum_seconds: Seconds = 10.0


class ResponsesSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`[responses]`: whether responses are stored whose requests leave `store` out, the days that a stored response is
    kept, those that an unused conversation is kept, and what one project may store."""

    store: bool = False
    days: Annotated[float, Meta(gt=0, le=36_500)] = 30.0
    project_responses: Annotated[int, Meta(ge=0, le=100_000_000)] = 100_000
    project_conversations: Annotated[int, Meta(ge=0, le=100_000_000)] = 100_000
    project_mib: Annotated[int, Meta(ge=0, le=100_000_000)] = 1024


class ReplicaRange(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """The fewest and the most replicas of a model. With a minimum of 0, the first request starts one."""

    min: Annotated[int, Meta(ge=0, le=10_000)] = 1
    max: Annotated[int, Meta(ge=1, le=10_000)] | None = None

    @property
    def bounds(self) -> tuple[int, int]:
        """Both, the maximum at least the minimum and 1."""
        return self.min, max(self.min, 1) if self.max is None else self.max


class RayModelSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """`[ray.models.NAME]`: the replicas of a model, what each reserves on its node, and when they are added: at
    `target_load` of their slots (None: by the device). Replicas are removed after `shrink_seconds` with less load, the
    last one after `idle_seconds` without a request."""

    replicas: ReplicaRange = ReplicaRange()
    cpus: Annotated[float, Meta(gt=0, le=4096)] = 1.0
    gpus: Annotated[float, Meta(ge=0, le=64)] = 0.0
    kv_cache_gib: Annotated[float, Meta(ge=0.01, le=4096)] | None = None
    target_load: Annotated[float, Meta(gt=0, le=1)] | None = None
    shrink_seconds: Seconds = 60.0
    idle_seconds: Seconds = 300.0

    @property
    def wanted_load(self) -> float:
        """`target_load`, or its default: on CPUs each sequence of a batch lengthens the steps of all others."""
        if self.target_load is not None:
            return self.target_load
        return 0.7 if self.gpus else 0.15


class RaySettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`[ray]`: the cluster whose replicas generate the tokens (None: this process does). A generation survives
    `migrations` lost replicas. A replica is lost after `stall_seconds` of silence. A draining replica keeps its
    generations for `grace_seconds`, then hands them over. A request waits `start_seconds` for a replica."""

    address: Annotated[str, Meta(min_length=1)] | None = None
    migrations: Annotated[int, Meta(ge=0, le=100)] = 3
    stall_seconds: Annotated[float, Meta(ge=2, le=3600)] = 5.0
    grace_seconds: Seconds = 30.0
    start_seconds: Annotated[float, Meta(ge=1, le=3600)] = 120.0
    models: dict[str, RayModelSettings] = {}


class PriceSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`[prices.MODEL]`: units of money per million tokens."""

    input: ModelPrice = 0.0
    output: ModelPrice = 0.0
    cached: ModelPrice | None = None


class Config(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Every setting."""

    server: ServerSettings = msgspec.field(default_factory=ServerSettings)
    store: StoreSettings = msgspec.field(default_factory=StoreSettings)
    metrics: MetricsSettings = msgspec.field(default_factory=MetricsSettings)
    tracing: TracingSettings = msgspec.field(default_factory=TracingSettings)
    redis: RedisSettings = msgspec.field(default_factory=RedisSettings)
    log: LogSettings = msgspec.field(default_factory=LogSettings)
    queue: QueueSettings = msgspec.field(default_factory=QueueSettings)
    loading: LoadingSettings = msgspec.field(default_factory=LoadingSettings)
    responses: ResponsesSettings = msgspec.field(default_factory=ResponsesSettings)
    ray: RaySettings = msgspec.field(default_factory=RaySettings)
    prices: dict[str, PriceSettings] = {}
    models: dict[str, ModelSettings] = {}
