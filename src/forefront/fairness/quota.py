"""Room that owners share: each may hold up to half of what the others leave.

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

    def fits(self, owner: Hashable, amount: int) -> bool:
        """Whether `owner` may hold `amount` units more."""
        free = self.free - amount
        return free >= 0 and self.held(owner) + amount <= self._share * free

    def take(self, owner: Hashable, amount: int, *, reserved: bool = False) -> bool:
        """Hold `amount` units more, if they fit. With `reserved`, all free room counts, for owners that cannot wait."""
        if not (self.free >= amount if reserved else self.fits(owner, amount)):
            return False
        self.free -= amount
        self._held[owner] = self.held(owner) + amount
        return True

    def give_back(self, owner: Hashable, amount: int) -> None:
        """Release `amount` units of `owner`."""
        self.free += amount
        left = self._held[owner] - amount
        if left:
            self._held[owner] = left
        else:
            del self._held[owner]
