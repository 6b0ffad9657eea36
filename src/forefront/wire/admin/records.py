"""Administration: keys, projects, limits, budgets, usage.

Amounts of money are numbers in the unit that the prices are in; times are seconds since 1970.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from forefront.wire.models import ModelState
from forefront.wire.record import Record

Scope = Literal["chat", "models", "admin", "metrics"]
Period = Literal["day", "month", "ever"]
CompletionStatus = Literal["completed", "aborted", "failed"]

Count = Annotated[int, Meta(ge=1, le=2**31 - 1)]
TokenNumber = Annotated[int, Meta(ge=1, le=2**53)]
Money = Annotated[float, Meta(ge=0, le=1e9)]
# One line without control characters, fit for tables, logs and PostgreSQL.
_LINE = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*\Z"
Name = Annotated[str, Meta(min_length=1, max_length=128, pattern=_LINE)]
ModelName = Annotated[str, Meta(min_length=1, max_length=256, pattern=_LINE)]
# Up to the end of the year 9999.
Time = Annotated[int, Meta(ge=1, le=253_402_300_799)]
ProjectName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")]


class Limits(Record, kw_only=True, forbid_unknown_fields=True):
    """Rate limits: requests and tokens within any 60 seconds, and requests at a time. None: no limit."""

    requests_per_minute: Count | None = None
    tokens_per_minute: TokenNumber | None = None
    concurrency: Count | None = None


class Budget(Record, kw_only=True, forbid_unknown_fields=True):
    """A budget: tokens (in and out), money, or both, in each `period` (a day or month in UTC, or for ever)."""

    tokens: TokenNumber | None = None
    money: Money | None = None
    period: Period = "month"


class NewKey(Record, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /admin/keys`. `models`: those that the key may use, all by default. `expires`: a time in the
    future. `name` and `models` hold visible characters and single spaces between them."""

    name: Name
    project: ProjectName = "default"
    scopes: Annotated[list[Scope], Meta(min_length=1, max_length=4)] = msgspec.field(
        default_factory=lambda: ["chat", "models"]
    )
    models: Annotated[list[ModelName], Meta(max_length=256)] | None = None
    expires: Time | None = None
    limits: Limits = msgspec.field(default_factory=Limits)
    budget: Budget | None = None


class Key(Record, kw_only=True):
    """A key without its text, of which only a hash is stored."""

    id: str
    object: Literal["key"] = "key"
    name: str
    project: str
    scopes: list[Scope]
    models: list[str] | None
    expires: int | None
    limits: Limits
    budget: Budget | None
    source: Literal["created", "first", "environment"]
    created: int
    revoked: int | None = None


class IssuedKey(Key, kw_only=True):
    """A new or rotated key. Its text, `key`, is shown this once."""

    key: str


class KeyList(Record, kw_only=True):
    """Every key, the oldest first."""

    object: Literal["list"] = "list"
    data: list[Key]


class ProjectSettings(Record, kw_only=True, forbid_unknown_fields=True):
    """The body of `PUT /admin/projects/{name}`. `weight`: its share of a busy engine beside other projects'."""

    weight: Annotated[float, Meta(ge=0.01, le=100)] = 1.0
    limits: Limits = msgspec.field(default_factory=Limits)
    budget: Budget | None = None


class Project(Record, kw_only=True):
    """A tenant: its keys share its limits, its budget and its share of the engine, and nothing with other projects."""

    name: str
    object: Literal["project"] = "project"
    weight: float
    limits: Limits
    budget: Budget | None
    created: int


class ProjectList(Record, kw_only=True):
    """Every project, by name."""

    object: Literal["list"] = "list"
    data: list[Project]


class CompletionUsage(Record, kw_only=True):
    """One completion in the ledger. `aborted`: the client left before the end. `failed`: a fault of the server, at no
    cost. `estimated`: an upstream stated no usage, so the tokens are estimates."""

    id: str
    object: Literal["usage"] = "usage"
    key: str
    project: str
    model: str
    status: CompletionStatus
    finish_reason: str | None
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int
    estimated: bool
    cost: float
    received: float
    started: float | None
    finished: float


class UsageRow(Record, kw_only=True):
    """A row of a report: a value for each grouping column, then sums. The tokens of `estimated_requests` are estimates:
    an upstream stated no usage, or its answer was cut."""

    group: dict[str, str]
    requests: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cost: float
    estimated_requests: int


class UsageReport(Record, kw_only=True):
    """Usage from the day `since` to the day `until`, both included."""

    object: Literal["usage.report"] = "usage.report"
    since: str | None
    until: str | None
    by: list[str]
    data: list[UsageRow]


class EngineStatus(Record, kw_only=True):
    """The state of a model's engine: sequences, blocks of its KV cache, and counts since the server's start. Of
    `draft_tokens` in `drafts` drafts, sampling has confirmed `accepted_tokens`."""

    running: int
    waiting: int
    blocks_held: int
    blocks_total: int
    tokens_sampled: int
    preemptions: int
    evictions: int
    restarts: int
    drafts: int
    draft_tokens: int
    accepted_tokens: int


class ReplicaStatus(Record, kw_only=True):
    """One server of an upstream model.

    `state`: `closed` in use, `open` not in use, `half_open` before or during a trial; `ejections` counts how often it
    opened. `share` is the share of its usual load that it may get. `outstanding_tokens` are those of the `running`
    requests, with the longest answers. `last_error` is the class of the last failure, `last_error_at` its Unix time.
    """

    name: str
    address: str
    state: Literal["closed", "open", "half_open"]
    share: float
    running: int
    outstanding_tokens: int
    failures: int
    ejections: int
    last_error: str | None
    last_error_at: int | None


class ClusterReplica(Record, kw_only=True):
    """One replica of a model on a cluster, as this server sees it.

    `state`: `available` for new generations, `draining` until its last one has ended, or `lost` without heartbeats.
    Sequences and blocks are those of all servers; `requests` are this server's. `work`: tokens that are still to be
    computed for all servers. `fingerprint` identifies weights and engine. Of `draft_tokens` in `drafts` drafts since
    the start of the replica, sampling has confirmed `accepted_tokens`.
    """

    name: str
    node: str
    state: Literal["available", "draining", "lost"]
    fingerprint: str
    running: int
    waiting: int
    slots: int
    requests: int
    work: int
    blocks_held: int
    blocks_total: int
    drafts: int = 0
    draft_tokens: int = 0
    accepted_tokens: int = 0


class RoutingCounts(Record, kw_only=True):
    """How this server chose replicas since its start. Placements by `prefix`: the replica had the longest known part of
    the prompt; `hash`: no part was known; `load`: the preferred replicas were above the bound on load. Of `tokens` in
    prompts, `known_tokens` were expected in the cache of the chosen replica."""

    prefix: int
    hash: int
    load: int
    tokens: int
    known_tokens: int


class MoveCounts(Record, kw_only=True):
    """Generations that this server continued on another replica: after `failures` of replicas, as replicas ended
    (`drains`), and those that failed after too many moves (`given_up`)."""

    failures: int
    drains: int
    given_up: int


class ClusterStatus(Record, kw_only=True):
    """The replicas of a model on a cluster, and what this server did with them."""

    replicas: list[ClusterReplica]
    routing: RoutingCounts
    moves: MoveCounts


class ModelStatus(EngineStatus, kw_only=True):
    """A model and its engine. `size`: bytes of memory when it is loaded. `requests`: those that use it, and
    `waiting_for_load` those that wait for it. `load_percent`: the estimated progress of its load. `failure`: why its
    last load failed. `replicas`: the servers of a model with an upstream. `cluster`: of a model on a cluster."""

    state: ModelState
    size: int
    requests: int
    waiting_for_load: int
    load_percent: int | None = None
    failure: str | None = None
    replicas: list[ReplicaStatus] = msgspec.field(default_factory=list)
    cluster: ClusterStatus | None = None


class Reload(Record, kw_only=True):
    """The effect of new settings: names of models, and of settings. Those in `needs_restart` have changed too, and keep
    their old values until the server is restarted."""

    object: Literal["reload"] = "reload"
    added: list[str]
    changed: list[str]
    removed: list[str]
    settings: list[str]
    needs_restart: list[str]


class ServerStatus(Record, kw_only=True):
    """The server's load: running and waiting requests, and bytes of memory for models (`memory_limit`: null for no
    limit)."""

    object: Literal["status"] = "status"
    running: int
    waiting: int
    memory: int
    memory_limit: int | None
    models: dict[str, ModelStatus]
