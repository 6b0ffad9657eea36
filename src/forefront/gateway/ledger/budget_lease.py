"""A server's share of a budget: leased from the store once, then assigned to many requests from memory."""

import time

import msgspec

from forefront.wire.admin.records import Budget

_IDLE_AFTER = 1.0  # seconds without a request after which a lease returns its free amount


class ReservationRequest(msgspec.Struct, frozen=True):
    """The most that one request may use, and the budgets that must have room for it. `cost` is in billionths."""

    key_id: str
    project: str
    tokens: int
    cost: int
    key_budget: Budget | None
    project_budget: Budget | None


class BudgetRefusal(msgspec.Struct, frozen=True):
    """The budget that has no room: `remaining` of its `limit` of `unit` is less than `requested`."""

    subject: str
    unit: str
    period: str
    limit: float
    remaining: float
    requested: float


class BudgetLease:
    """The amount that this server holds for one key, under the budgets of the key and of its project: one row of
    `budget_leases`.

    Amounts are pairs of tokens and cost. `held` is the amount in the row. It covers `free`, which requests can take
    from memory, what running requests took, and what is on its way back. `free`, `running`, `used_at` and `retired`
    belong to the event loop, all else to the ledger thread.
    """

    __slots__ = (
        "budgets",
        "free",
        "has_headroom",
        "held",
        "id",
        "key_id",
        "project",
        "read_at",
        "retired",
        "running",
        "size",
        "used_at",
    )

    def __init__(self, id_: str, key_id: str, project: str, budgets: tuple[Budget | None, Budget | None]) -> None:
        self.id, self.key_id, self.project, self.budgets = id_, key_id, project, budgets
        self.free = [0, 0]
        self.running = 0
        self.used_at = 0.0
        self.retired = False
        self.held = [0, 0]
        self.size = [0, 0]
        self.has_headroom = False  # False near the end of a budget, where the store counts every request
        self.read_at = 0.0

    def take(self, tokens: int, cost: int) -> bool:
        """Take from the free amount, if it suffices."""
        if tokens > self.free[0] or cost > self.free[1]:
            return False
        self.free[0] -= tokens
        self.free[1] -= cost
        return True

    def add(self, tokens: int, cost: int) -> None:
        """Add to the free amount."""
        self.free[0] += tokens
        self.free[1] += cost

    def take_surplus(self, now: float) -> "BudgetHold | None":
        """Take the amount that should return to the store: everything when idle or near the end of a budget."""
        keep = self.size
        if self.retired or not self.has_headroom or now - self.used_at >= _IDLE_AFTER:
            keep = [0, 0]
        elif self.free[0] <= 2 * keep[0] and self.free[1] <= 2 * keep[1]:
            return None
        surplus = BudgetHold(self, max(self.free[0] - keep[0], 0), max(self.free[1] - keep[1], 0))
        if not surplus.tokens and not surplus.cost:
            return None
        self.add(-surplus.tokens, -surplus.cost)
        return surplus


class BudgetHold(msgspec.Struct, frozen=True):
    """An amount that was taken from a lease, for one request or for the store."""

    lease: BudgetLease
    tokens: int
    cost: int


class BudgetLeases:
    """The leases of one server: one for each key, and retired ones until their requests have ended. For the event
    loop."""

    def __init__(self, server_id: str) -> None:
        self._server_id = server_id
        self._count = 0
        self._by_key: dict[str, BudgetLease] = {}
        self._all: set[BudgetLease] = set()

    def get(self, key_id: str, project: str, budgets: tuple[Budget | None, Budget | None]) -> BudgetLease:
        """The key's lease. A changed budget retires the lease, whose size follows the old budget, and starts a new
        one."""
        lease = self._by_key.get(key_id)
        if lease is None or lease.budgets != budgets or lease.project != project:
            if lease is not None:
                lease.retired = True
            self._count += 1
            lease = self._by_key[key_id] = BudgetLease(f"{self._server_id}-{self._count}", key_id, project, budgets)
            self._all.add(lease)
        lease.used_at = time.monotonic()
        return lease

    def recall(self, project: str) -> list[BudgetHold]:
        """Take all free amounts under the project's budget."""
        holds = [BudgetHold(lease, *lease.free) for lease in self._all if lease.project == project and any(lease.free)]
        for hold in holds:
            hold.lease.free = [0, 0]
        return holds

    def sweep(self) -> list[BudgetHold]:
        """Take the surplus of idle and retired leases, and drop those without running requests."""
        now = time.monotonic()
        idle = [lease for lease in self._all if lease.retired or now - lease.used_at >= _IDLE_AFTER]
        surpluses = [surplus for lease in idle if (surplus := lease.take_surplus(now)) is not None]
        for lease in idle:
            if not lease.running:
                lease.retired = True
                self._all.discard(lease)
                if self._by_key.get(lease.key_id) is lease:
                    del self._by_key[lease.key_id]
        return surpluses

    def __len__(self) -> int:
        return len(self._all)
