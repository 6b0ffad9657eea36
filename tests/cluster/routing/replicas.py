"""Routers, clocks and prompts for the tests of routing."""

import random
from dataclasses import dataclass, field

from forefront.cluster.routing.replica_state import ReplicaLoad, ReplicaState
from forefront.cluster.routing.router import Placement, PrefixRouter
from forefront.fairness.tenant import Tenant

TEAM = Tenant("team")


@dataclass
class Clock:
    """A time that tests set."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def state(
    name: str, load: ReplicaLoad | None = None, *, fingerprint: str = "fp", draining: bool = False
) -> ReplicaState:
    """A heartbeat."""
    return ReplicaState(name, "node", fingerprint, 32, draining, load or ReplicaLoad())


def prompt(name: str, length: int) -> list[int]:
    """The first `length` tokens of a text; the same for the same name."""
    chance = random.Random(name)
    return [chance.randrange(32_000) for _ in range(length)]


@dataclass
class Bench:
    """A router of some replicas, and its time."""

    count: int = 4
    capacity: int = 1 << 16
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.router = PrefixRouter(capacity=self.capacity, clock=self.clock, chance=random.Random(0))
        for number in range(self.count):
            self.router.update(state(f"replica-{number}"))

    def run(self, tokens: list[int], tenant: Tenant = TEAM, output: tuple[int, ...] = ()) -> Placement:
        """A generation from its placement to its end."""
        placement = self.router.place(tokens, tenant, 16)
        placement.prefilled()
        placement.end(output)
        return placement
