"""A server's share of a budget: taken from the store once, handed out to many requests from memory."""

import time

import msgspec

from forefront.wire.admin import Budget

_IDLE = 1.0  # seconds without a request, after which nothing is kept


class Allotment:
    """What this server holds for one key, under the budgets of the key and its project: one row of `reservations`.

    `held` is what the row says: `free`, what running requests may take, and what is on its way back. Amounts are tokens
    and cost. `free`, `running`, `used_at` and `retired` belong to the event loop, the others to the writer's thread.
    """

    __slots__ = (
        "budgets",
        "free",
        "held",
        "id",
        "key",
        "project",
        "read_at",
        "retired",
        "rich",
        "running",
        "size",
        "used_at",
    )

    def __init__(self, row: str, key: str, project: str, budgets: tuple[Budget | None, Budget | None]) -> None:
        self.id, self.key, self.project, self.budgets = row, key, project, budgets
        self.free = [0, 0]
        self.running = 0
        self.used_at = 0.0
        self.retired = False
        self.held = [0, 0]
        self.size = [0, 0]
        self.rich = False
        self.read_at = 0.0

    def take(self, tokens: int, cost: int) -> bool:
        """Take from what is free, if there is enough."""
        if tokens > self.free[0] or cost > self.free[1]:
            return False
        self.free[0] -= tokens
        self.free[1] -= cost
        return True

    def add(self, tokens: int, cost: int) -> None:
        """Make more free."""
        self.free[0] += tokens
        self.free[1] += cost

    def surplus(self, now: float) -> "Hold | None":
        """Take out of it what should go back: all of it near the end of a budget or without requests."""
        keep = self.size
        if self.retired or not self.rich or now - self.used_at >= _IDLE:
            keep = [0, 0]
        elif self.free[0] <= 2 * keep[0] and self.free[1] <= 2 * keep[1]:
            return None
        back = Hold(self, max(self.free[0] - keep[0], 0), max(self.free[1] - keep[1], 0))
        if not back.tokens and not back.cost:
            return None
        self.add(-back.tokens, -back.cost)
        return back


class Hold(msgspec.Struct, frozen=True):
    """What one request may take of an allotment."""

    allotment: Allotment
    tokens: int
    cost: int


class Allotments:
    """One server's: one for each key, and retired ones until nothing runs on them. For the event loop."""

    def __init__(self, instance: str) -> None:
        self._instance = instance
        self._made = 0
        self._by_key: dict[str, Allotment] = {}
        self._all: set[Allotment] = set()

    def of(self, key: str, project: str, budgets: tuple[Budget | None, Budget | None]) -> Allotment:
        """The key's; a new one when a budget has been changed, since the old one was measured by the old."""
        mine = self._by_key.get(key)
        if mine is None or mine.budgets != budgets or mine.project != project:
            if mine is not None:
                mine.retired = True
            self._made += 1
            mine = self._by_key[key] = Allotment(f"{self._instance}-{self._made}", key, project, budgets)
            self._all.add(mine)
        mine.used_at = time.monotonic()
        return mine

    def recall(self, project: str) -> list[Hold]:
        """Everything that is free under the project's budget."""
        backs = [Hold(one, *one.free) for one in self._all if one.project == project and any(one.free)]
        for back in backs:
            back.allotment.free = [0, 0]
        return backs

    def sweep(self) -> list[Hold]:
        """What idle and retired ones have; those that nothing runs on are then forgotten."""
        now = time.monotonic()
        idle = [one for one in self._all if one.retired or now - one.used_at >= _IDLE]
        backs = [back for one in idle if (back := one.surplus(now)) is not None]
        for one in idle:
            if not one.running:
                one.retired = True
                self._all.discard(one)
                if self._by_key.get(one.key) is one:
                    del self._by_key[one.key]
        return backs

    def __len__(self) -> int:
        return len(self._all)
