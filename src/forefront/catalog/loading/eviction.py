"""The choice of models to unload for another. Decisions only: no clock, no waiting."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

# Seconds that a model waits for others to become idle. After that, the others take no more requests until they are
# unloaded.
PATIENCE: Final = 10.0


class EvictableModel(Protocol):
    """A model that is loaded and not pinned. `settled_at`: the time from which it can be unloaded for another."""

    held_bytes: int
    running: int
    used_at: float
    settled_at: float
    draining: bool


R = TypeVar("R", bound=EvictableModel)


@dataclass(frozen=True, slots=True)
class EvictionPlan(Generic[R]):
    """`unload`: idle models to unload now. `drain`: models that take no more requests. `next_at`: the time at which the
    plan changes by itself."""

    unload: Sequence[R] = ()
    drain: Sequence[R] = ()
    next_at: float | None = None


def plan_eviction(residents: Iterable[R], missing: int, now: float, since: float) -> EvictionPlan[R]:
    """The plan for a model that has waited since `since` and lacks `missing` bytes.

    Idle models go first, the least recently used ones before others, and running ones only if the idle ones do not
    suffice. Models are unloaded together, once all of them can be: a single one would not make the room. A model that
    was just loaded stays until `settled_at`.
    """
    chosen: list[R] = []
    for model in sorted(residents, key=lambda model: (not model.draining, model.running > 0, model.used_at)):
        if missing <= 0:
            break
        chosen.append(model)
        missing -= model.held_bytes
    if missing > 0:
        return EvictionPlan()
    due = max((max(m.settled_at, since + PATIENCE) if m.running else m.settled_at for m in chosen), default=now)
    if due > now:
        return EvictionPlan(next_at=due)
    return EvictionPlan(drain=chosen) if any(model.running for model in chosen) else EvictionPlan(unload=chosen)
