"""One tenant's sequences in the scheduler, and its part of the engine."""

import math
from collections import OrderedDict

from forefront.engine.scheduling.sequence import Sequence


class TenantQueue:
    """A tenant's waiting and running sequences.

    `time` is the tenant's virtual time: computed tokens ÷ weight. `blocks` are the KV blocks that its sequences hold.
    `slots` and `block_share` are the tenant's part of the decode slots and KV blocks while another tenant waits;
    infinite while none does.
    """

    __slots__ = ("block_share", "blocks", "name", "running", "slots", "time", "waiting", "weight")

    def __init__(self, name: str, time: float) -> None:
        self.name = name
        self.weight = 1.0
        self.time = time
        self.blocks = 0
        self.running: list[Sequence] = []  # oldest first
        self.waiting: OrderedDict[Sequence, None] = OrderedDict()
        self.slots = self.block_share = math.inf

    @property
    def head(self) -> Sequence:
        """The sequence that is admitted next."""
        return next(iter(self.waiting))

    def finish_time(self, sequence: Sequence) -> float:
        """The tenant's virtual time once all tokens of `sequence` have been computed."""
        return self.time + (len(sequence.tokens) + sequence.left) / self.weight

    def yields_to(self, other: "TenantQueue") -> bool:
        """Whether a running sequence may be preempted for `other`.

        The last one is preempted only for a tenant that has had less. Otherwise two tenants could preempt each other
        for ever, without progress for either.
        """
        return len(self.running) > 1 or (bool(self.running) and other.time <= self.time)
