"""A request that runs on one replica, and moves to another one when its replica is lost."""

from abc import ABC, abstractmethod

from forefront.cluster.protocol.frames import Embed, Submit
from forefront.cluster.routing.router import Placement, PrefixRouter
from forefront.engine.errors import EngineError


class RemoteRequest(ABC):
    """`placement`: the current one, None while the request waits for a replica and after its end; `number` identifies
    it there. `moves` counts its changes of replica, `failures` those of them after the loss of one."""

    __slots__ = ("failures", "moves", "number", "placement")

    def __init__(self) -> None:
        self.placement: Placement | None = None
        self.number = self.moves = self.failures = 0

    @abstractmethod
    def choose(self, router: PrefixRouter) -> Placement:
        """Its placement on a replica of the required fingerprint. Raises `NoReplicaError`."""

    @abstractmethod
    def message(self, placement: Placement) -> Submit | Embed:
        """The message that starts or continues it at this place."""

    @abstractmethod
    def fail(self, error: EngineError) -> None:
        """End with an error."""

    def leave(self) -> None:
        """Give up the place at the replica."""
        if self.placement is not None:
            self.placement.end()
            self.placement = None
