"""The amount of a resource that each owner holds, and the largest holder, from which a full resource evicts."""

import heapq

# Out-of-date entries of the heap up to this number are not cleaned.
_STALE = 64


class Holdings:
    """Amounts by owner. `add` and `largest` take O(log owners), amortised.

    While the sum exceeds a capacity, `largest` holds more than the capacity divided by the number of owners. So an
    owner within that share never loses anything because of the others. Not thread-safe.
    """

    def __init__(self) -> None:
        self.total = 0
        self._held: dict[str, int] = {}
        # A heap of upper bounds, negated: the current one of each owner, and out-of-date ones. A bound leaves room to
        # grow, so that few additions push.
        self._heap: list[tuple[int, str]] = []
        self._bounds: dict[str, int] = {}

    def held(self, owner: str) -> int:
        """The amount that `owner` holds."""
        return self._held.get(owner, 0)

    def add(self, owner: str, amount: int) -> None:
        """Add `amount`, which may be negative, to the holding of `owner`."""
        self.total += amount
        held = self._held.get(owner, 0) + amount
        if not held:
            self._held.pop(owner, None)
            self._bounds.pop(owner, None)
            return
        self._held[owner] = held
        if held > self._bounds.get(owner, 0):
            self._bound(owner, held + held // 4)

    def largest(self) -> str:
        """The owner that holds the most. There must be one that holds something."""
        while True:
            bound, owner = self._heap[0]
            if self._bounds.get(owner) != -bound:
                heapq.heappop(self._heap)
            elif (held := self._held[owner]) == -bound:
                return owner
            else:
                heapq.heappop(self._heap)
                self._bound(owner, held)

    def _bound(self, owner: str, bound: int) -> None:
        self._bounds[owner] = bound
        heapq.heappush(self._heap, (-bound, owner))
        if len(self._heap) > 2 * len(self._bounds) + _STALE:
            self._heap = [(-bound, owner) for owner, bound in self._bounds.items()]
            heapq.heapify(self._heap)
