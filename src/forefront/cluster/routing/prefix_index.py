"""The prefixes that replicas have, as known from the requests of this server."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Final

from forefront.cluster.routing.replica_table import RoutedReplica
from forefront.fairness.holdings import Holdings

# The latest replicas kept for one block. A prefix on many replicas needs no complete list.
MAX_HOLDERS: Final = 8
NEVER: Final = float("-inf")


class Visit:
    """One request at one replica, which has the request's blocks from then on until it evicts them.

    All blocks of a request share their visit, so that its end updates them together. `used_at`: the end of the request;
    None while it runs, `NEVER` if it ended before its prompt was computed.
    """

    __slots__ = ("replica", "used_at")

    def __init__(self, replica: RoutedReplica) -> None:
        self.replica = replica
        self.used_at: float | None = None

    @property
    def valid(self) -> bool:
        """Whether the replica still has the blocks."""
        replica, used_at = self.replica, self.used_at
        return replica.present and (used_at is None or (used_at >= replica.evicted_before and used_at != NEVER))


class PrefixIndex:
    """Block keys → visits, at most `capacity` keys.

    The keys of each tenant are in order of use, the least recent first and the end of a prompt before its beginning. A
    full index forgets keys of the tenant that has the most, so that no tenant displaces the others.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._entries: dict[str, OrderedDict[bytes, tuple[Visit, ...]]] = {}
        self._holdings = Holdings()

    def __len__(self) -> int:
        return self._holdings.total

    def holders(self, tenant: str, keys: Sequence[bytes]) -> Iterator[tuple[RoutedReplica, int]]:
        """The replicas that have a prefix of `keys`, each with the number of its blocks, the longest first."""
        entries = self._entries.get(tenant)
        if entries is None:
            return
        found: list[tuple[Visit, ...]] = []
        for key in keys:
            visits = entries.get(key)
            if visits is None:
                break
            found.append(visits)
        seen: set[RoutedReplica] = set()
        previous = None
        for length in range(len(found), 0, -1):
            visits = found[length - 1]
            if visits is previous:
                continue
            previous = visits
            for visit in visits:
                if visit.replica not in seen and visit.valid:
                    seen.add(visit.replica)
                    yield visit.replica, length

    def add(self, tenant: str, keys: Sequence[bytes], visit: Visit) -> None:
        """Record that the replica of `visit` has, or is about to compute, the blocks of `keys`."""
        if not keys:
            return
        entries = self._entries.setdefault(tenant, OrderedDict())
        before = len(entries)
        old: tuple[Visit, ...] = ()
        new: tuple[Visit, ...] = (visit,)
        for key in reversed(keys):
            visits = entries.pop(key, ())
            # Neighbouring blocks mostly have equal visits and share one tuple.
            if visits is not old:
                old, new = visits, (visit, *_others(visits, visit.replica))
            entries[key] = new
        self._holdings.add(tenant, len(entries) - before)
        self._evict()

    def _evict(self) -> None:
        while self._holdings.total > self.capacity:
            tenant = self._holdings.largest()
            entries = self._entries[tenant]
            entries.popitem(last=False)
            self._holdings.add(tenant, -1)
            if not entries:
                del self._entries[tenant]


def _others(visits: tuple[Visit, ...], replica: RoutedReplica) -> list[Visit]:
    """The visits of other replicas that are still valid, within the bound."""
    return [visit for visit in visits if visit.replica is not replica and visit.valid][: MAX_HOLDERS - 1]
