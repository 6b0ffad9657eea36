"""Routing by prefix: a request goes to the replica that has the longest part of its prompt, within a bound on load.

Each server has its own router for each model: no central one, and no call to another process. A router knows the
prefixes of the requests that it sent. It knows loads from these and from the replicas' heartbeats. For unknown prompts,
all servers choose the same replica by rendezvous hashing.
"""

import random
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, Literal

from forefront.cluster.routing.prefix_index import NEVER, PrefixIndex, Visit
from forefront.cluster.routing.replica_state import ReplicaState
from forefront.cluster.routing.replica_table import ReplicaTable, RoutedReplica
from forefront.engine.kv_blocks.block_pool import extend_block_hashes
from forefront.fairness.tenant import Tenant
from forefront.upstream.replicas.balance import load_bound

# Tokens of a routing block, which may differ from the replicas' block size.
BLOCK_SIZE: Final = 32
# Blocks of a sequence that count for routing, which bounds the cost of a decision.
_MAX_BLOCKS: Final = 512
# Output tokens of a request that count as work: answers end at an unknown length, mostly far below their limit.
EXPECTED_OUTPUT: Final = 256
# Replicas that are considered by prefix, by rendezvous hashing, and at random.
_CANDIDATES: Final = 4
_SAMPLE: Final = 8
# Seconds between searches for silent replicas.
_SILENCE_CHECK_SECONDS: Final = 0.25

# `prefix`: the longest known prefix within the bound on load. `hash`: no prefix is known; by rendezvous hashing.
# `load`: the preferred replicas are above the bound, or the prompt has no full block.
Reason = Literal["prefix", "hash", "load"]


class NoReplicaError(Exception):
    """No replica may get the request now."""


@dataclass(slots=True)
class RoutingCounters:
    """Counts since the start: placements by reason, their tokens, and the tokens of prefixes that the chosen replicas
    were known to have."""

    prefix: int = 0
    hash: int = 0
    load: int = 0
    tokens: int = 0
    known_tokens: int = 0


@dataclass(frozen=True, slots=True)
class PlacedTokens:
    """The tokens of a placed sequence, and the keys of its full blocks."""

    tokens: Sequence[int]
    tenant: Tenant
    keys: list[bytes]


class PrefixRouter:
    """Chooses the replicas of one model's generations. One for each server and model, on the event loop.

    `silence_seconds`: a replica without a heartbeat for longer gets no new requests. `capacity`: the most blocks to
    remember.
    """

    def __init__(
        self,
        *,
        silence_seconds: float = 5.0,
        capacity: int = 1 << 18,
        clock: Callable[[], float] = time.monotonic,
        chance: random.Random | None = None,
    ) -> None:
        self.counts = RoutingCounters()
        self._clock = clock
        self._chance = chance or random.Random()  # noqa: S311 - balances load
        self._table = ReplicaTable(silence_seconds, self._chance)
        self._index = PrefixIndex(capacity)
        self._silence_checked_at = float("-inf")

    def update(self, state: ReplicaState) -> None:
        """Take a heartbeat of a replica. The first one makes the replica known."""
        self._table.update(state, self._clock())

    def drain(self, replica: str) -> None:
        """Give a replica no new generations. Its running ones go on."""
        self._table.drain(replica)

    def lose(self, replica: str) -> None:
        """Give a replica that failed or stalled no new generations until its next heartbeat."""
        self._table.lose(replica)

    def forget(self, replica: str) -> None:
        """Forget the replica of that name."""
        self._table.remove(replica)

    @property
    def work(self) -> int:
        """Tokens of work in progress at the replicas that may get new generations."""
        return self._table.total_work

    def replicas(self) -> Iterator[RoutedReplica]:
        """All known replicas, for the status."""
        return iter(self._table)

    def available(self, fingerprint: str | None = None, without: Collection[str] = ()) -> bool:
        """Whether `place` would find a replica."""
        self._lose_silent()
        return next(_allowed(self._table, fingerprint, without), None) is not None

    def place(
        self,
        tokens: Sequence[int],
        tenant: Tenant,
        max_tokens: int,
        *,
        n: int = 1,
        fingerprint: str | None = None,
        without: Collection[str] = (),
    ) -> "Placement":
        """The replica for `n` continuations of `tokens`, of at most `max_tokens` each. Raises `NoReplicaError`.

        A generation that moves passes its output as part of `tokens`, the `fingerprint` that it needs (None: any), and
        the names of the replicas that it has left (`without`).
        """
        self._lose_silent()
        keys: list[bytes] = []
        _extend_keys(keys, tokens, tenant)
        output = min(max_tokens, EXPECTED_OUTPUT) * n
        replica, blocks, reason = self.choose(keys, tenant, len(tokens) + output, fingerprint, without)
        known = blocks * BLOCK_SIZE
        self._count(reason, len(tokens), known)
        visit = Visit(replica)
        self._index.add(tenant.name, keys, visit)
        return Placement(self, visit, PlacedTokens(tokens, tenant, keys), known, output)

    def place_by_load(self, work: int, tenant: Tenant, fingerprint: str | None = None) -> "Placement":
        """The least loaded of some replicas, for a request of `work` tokens that no cache shortens. Raises
        `NoReplicaError`."""
        self._lose_silent()
        replica, _, reason = self.choose([], tenant, work, fingerprint, ())
        self._count(reason, work, 0)
        return Placement(self, Visit(replica), PlacedTokens((), tenant, []), 0, work)

    def preferred(self, tokens: Sequence[int], tenant: Tenant) -> RoutedReplica:
        """The replica that `place` would choose, without a placement. Raises `NoReplicaError`."""
        self._lose_silent()
        keys: list[bytes] = []
        _extend_keys(keys, tokens, tenant)
        return self.choose(keys, tenant, len(tokens), None, ())[0]

    def move_work(self, visit: Visit, tokens: int) -> None:
        """Add `tokens`, which may be negative, to the work at the visited replica."""
        self._table.add_work(visit.replica, tokens)

    def remember(self, visit: Visit, placed: PlacedTokens, output: Sequence[int]) -> None:
        """Remember that the visited replica has computed a sequence and its output until now."""
        visit.used_at = self._clock()
        first = len(placed.keys)
        _extend_keys(placed.keys, [*placed.tokens, *output], placed.tenant)
        self._index.add(placed.tenant.name, placed.keys[first:], visit)

    def choose(
        self, keys: Sequence[bytes], tenant: Tenant, work: int, fingerprint: str | None, without: Collection[str]
    ) -> tuple[RoutedReplica, int, Reason]:
        """The replica, the number of blocks that it is known to have, and the reason. Raises `NoReplicaError`."""
        table = self._table
        if not table.available_count:
            raise NoReplicaError
        bound = load_bound(table.total_work, table.available_count, work)
        known = dict(islice(self._index.holders(tenant.name, keys), _CANDIDATES))
        for replica in _allowed(known, fingerprint, without):
            if replica.work + work - known[replica] * BLOCK_SIZE <= bound:
                return replica, known[replica], "prefix"
        if keys:
            preference = table.preference(int.from_bytes(keys[0][:8], "little"))
            for replica in _allowed(islice(preference, _CANDIDATES), fingerprint, without):
                if replica.work + work <= bound:
                    return replica, known.get(replica, 0), "load" if known else "hash"
        candidates = list(_allowed(self.sample(_SAMPLE), fingerprint, without))
        if not candidates:
            candidates = list(_allowed(table, fingerprint, without))
        if not candidates:
            raise NoReplicaError
        replica = min(candidates, key=lambda candidate: (candidate.work, self._chance.random()))
        return replica, known.get(replica, 0), "load"

    def sample(self, count: int) -> list[RoutedReplica]:
        """At most `count` different replicas at random, of those that may get new generations."""
        return self._table.sample(count)

    def _count(self, reason: Reason, tokens: int, known: int) -> None:
        counts = self.counts
        setattr(counts, reason, getattr(counts, reason) + 1)
        counts.tokens += tokens
        counts.known_tokens += known

    def _lose_silent(self) -> None:
        now = self._clock()
        if now - self._silence_checked_at >= _SILENCE_CHECK_SECONDS:
            self._silence_checked_at = now
            self._table.lose_silent(now)


class Placement:
    """One generation at one replica. Call `prefilled` at its first token, and `end` once, in any case.

    `known_tokens`: those of its prefix that the replica is known to have. `prompt_work`, until the first token, and
    `output_work`, until the end, are what it adds to the replica's work.
    """

    __slots__ = ("_computed", "_ended", "_placed", "_router", "_visit", "known_tokens", "output_work", "prompt_work")

    def __init__(
        self, router: PrefixRouter, visit: Visit, placed: PlacedTokens, known_tokens: int, output_work: int
    ) -> None:
        self._router = router
        self._visit = visit
        self._placed = placed
        self._computed = self._ended = False
        self.known_tokens = known_tokens
        self.prompt_work = len(placed.tokens) - known_tokens
        self.output_work = output_work
        visit.replica.requests += 1
        router.move_work(visit, self.prompt_work + output_work)

    @property
    def replica(self) -> ReplicaState:
        """The replica."""
        return self._visit.replica.state

    def prefilled(self) -> None:
        """The replica has computed the prompt."""
        if not self._computed and not self._ended:
            self._computed = True
            self._router.move_work(self._visit, -self.prompt_work)

    def end(self, output: Sequence[int] = ()) -> None:
        """The generation has ended there, in any way. `output`: the tokens of its first continuation, which are cached
        after the prompt."""
        if self._ended:
            return
        self._ended = True
        self._visit.replica.requests -= 1
        self._router.move_work(self._visit, -self.output_work - (0 if self._computed else self.prompt_work))
        if self._computed:
            self._router.remember(self._visit, self._placed, output)
        else:
            self._visit.used_at = NEVER


def _extend_keys(keys: list[bytes], tokens: Sequence[int], tenant: Tenant) -> None:
    """Append the keys of the further full blocks of `tokens`, whose last token is never in the cache."""
    end = min(len(tokens) - 1, _MAX_BLOCKS * BLOCK_SIZE)
    extend_block_hashes(keys, tokens, end, BLOCK_SIZE, tenant.salt)


def _allowed(
    replicas: Iterable[RoutedReplica], fingerprint: str | None, without: Collection[str]
) -> Iterator[RoutedReplica]:
    """The `replicas` that may get a generation."""
    return (
        replica
        for replica in replicas
        if replica.available
        and (fingerprint is None or replica.state.fingerprint == fingerprint)
        and replica.state.name not in without
    )
