"""The load and the state of a replica, as a server knows them."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReplicaLoad:
    """The load of a replica over all servers, as its heartbeat reports it each second.

    `running` and `waiting` count sequences, `slots` is the most that run at once. `work`: tokens still to compute, the
    sum over all requests of `Placement.prompt_work` before the first token and `Placement.output_work` until the end.
    `blocks_held` of `blocks_total` KV blocks are in use. `retained_seconds`: cached blocks whose last use is longer
    ago have been evicted. `tokens_sampled`, `prompt_tokens` (computed or cached), `cached_tokens` (of those, found in
    the cache), `drafts`, `draft_tokens` and `accepted_tokens` count from the start of the replica. See `EngineStats`.
    """

    running: int = 0
    waiting: int = 0
    slots: int = 64
    work: int = 0
    blocks_held: int = 0
    blocks_total: int = 0
    retained_seconds: float = math.inf
    tokens_sampled: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    drafts: int = 0
    draft_tokens: int = 0
    accepted_tokens: int = 0


@dataclass(slots=True)
class ReplicaState:
    """A replica that this server is connected to.

    `name` is unique over the cluster's life; a restarted replica has a new one. `fingerprint` identifies weights and
    engine: a generation moves only between equal ones. `draining`: it ends once its generations have ended. `load` is
    at most a heartbeat old and includes this server's own generations up to then.
    """

    name: str
    node: str
    fingerprint: str
    block_size: int
    draining: bool = False
    load: ReplicaLoad = ReplicaLoad()
