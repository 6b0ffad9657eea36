"""A capacity that owners share: each may hold up to half of what the others leave.

The rule is the dynamic threshold of shared-memory switches (Choudhury and Hahne, 1998). An owner may grow while it
holds less than `share` times the free room. One owner alone can take half (at `share` 1), two owners a third each, so
some room is always free for an owner that comes later. There is nothing to configure per owner and nothing to reclaim.
"""

from collections.abc import Hashable


class Quota:
    """`capacity` units of one resource, in bytes or places, held by any number of owners. Not thread-safe."""

    def __init__(self, capacity: int, share: float = 1.0) -> None:
        self.capacity = capacity
        self.free = capacity
        self._share = share
        self._held: dict[Hashable, int] = {}

    def held(self, owner: Hashable) -> int:
        """The units that `owner` holds."""
        return self._held.get(owner, 0)

    def room(self, owner: Hashable, amount: int) -> float:
        """The units that `owner` could hold beyond `amount` more; negative if `amount` does not fit."""
        free = self.free - amount
        room = self._share * free - self._held.get(owner, 0) - amount
        return room if room < free else free

    def fits(self, owner: Hashable, amount: int) -> bool:
        """Whether `owner` may hold `amount` units more."""
        return self.room(owner, amount) >= 0

    def take(self, owner: Hashable, amount: int, *, reserved: bool = False) -> bool:
        """Hold `amount` units more, if they fit. With `reserved`, all free room counts, for owners that cannot wait."""
        if not (self.free >= amount if reserved else self.fits(owner, amount)):
            return False
        self.hold(owner, amount)
        return True

    def hold(self, owner: Hashable, amount: int) -> None:
        """Hold `amount` units more, which exist already: `free` may become negative."""
        self.free -= amount
        self._held[owner] = self._held.get(owner, 0) + amount

    def give_back(self, owner: Hashable, amount: int) -> None:
        """Release `amount` units of `owner`."""
        self.free += amount
        left = self._held[owner] - amount
        if left:
            self._held[owner] = left
        else:
            del self._held[owner]


class NestedQuota:
    """A quota of projects, each of whose parts is shared by the project's keys under the same rule.

    A key may grow while it holds less than its project could still take. One key alone can hold a third of the
    capacity, and then other keys of its project and other projects still find room. Not thread-safe.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._projects = Quota(capacity)
        self._keys: dict[str, int] = {}

    @property
    def free(self) -> int:
        """The units that no key holds."""
        return self._projects.free

    @property
    def max_per_key(self) -> int:
        """The most units that one key can hold."""
        return self.capacity // 3

    def full(self, amount: int) -> bool:
        """Whether `amount` units are too many even for a project that holds nothing."""
        return 2 * amount > self.free

    def fits(self, project: str, key: str, amount: int) -> bool:
        """Whether `key` may hold `amount` units more."""
        return self._keys.get(key, 0) + amount <= self._projects.room(project, amount)

    def take(self, project: str, key: str, amount: int, *, reserved: bool = False) -> bool:
        """Hold `amount` units more, if they fit. With `reserved`, all free room counts, for owners that cannot wait."""
        held = self._keys.get(key, 0) + amount
        if not (self.free >= amount if reserved else held <= self._projects.room(project, amount)):
            return False
        self._projects.hold(project, amount)
        self._keys[key] = held
        return True

    def give_back(self, project: str, key: str, amount: int) -> None:
        """Release `amount` units of `key`."""
        self._projects.give_back(project, amount)
        left = self._keys[key] - amount
        if left:
            self._keys[key] = left
        else:
            del self._keys[key]
