"""One tenant's sequences in the scheduler, and its share of the engine."""

import math
from collections import OrderedDict

from forefront.engine.scheduling.sequence import Sequence


class TenantQueue:
    """A tenant's waiting and running sequences.

    `virtual_time`: the tenant's computed tokens ÷ weight. `num_blocks`: KV blocks that its sequences hold. `slot_share`
    and `block_share`: its share of decode slots and KV blocks while another tenant waits, else infinite.
    """

    __slots__ = (
        "block_share",
        "name",
        "num_blocks",
        "num_passed",
        "preferred",
        "running",
        "slot_share",
        "virtual_time",
        "waiting",
        "weight",
    )

    def __init__(self, name: str, virtual_time: float) -> None:
        self.name = name
        self.weight = 1.0
        self.virtual_time = virtual_time
        self.num_blocks = 0
        self.running: list[Sequence] = []  # oldest first
        self.waiting: OrderedDict[Sequence, None] = OrderedDict()
        self.slot_share = self.block_share = math.inf
        # The waiting sequence that overtook the oldest, and the number of consecutive times that this happened.
        self.preferred: Sequence | None = None
        self.num_passed = 0

    @property
    def head(self) -> Sequence:
        """The sequence that is admitted next."""
        return next(iter(self.waiting))

    def finish_time(self, sequence: Sequence) -> float:
        """The tenant's virtual time once all tokens of `sequence` are computed."""
        return self.virtual_time + (len(sequence.tokens) + sequence.tokens_left) / self.weight

    def yields_to(self, other: "TenantQueue") -> bool:
        """Whether a running sequence may be preempted for `other`.

        The last running sequence is preempted only for a tenant with less virtual time. Otherwise two tenants could
        preempt each other endlessly without progress.
        """
        return len(self.running) > 1 or (bool(self.running) and other.virtual_time <= self.virtual_time)
