"""Every part by its name, in the order in which they run."""

from collections.abc import Awaitable, Callable
from typing import Final

from torture import (
    abuse,
    bodies,
    broken,
    budget,
    faults,
    flood,
    fuzz,
    hostile,
    kill,
    nonces,
    overload,
    replay,
    shares,
    smuggle,
)
from torture import disconnects as cut
from torture.harness import Stage

PARTS: Final[dict[str, Callable[[Stage], Awaitable[None]]]] = {
    "budget": budget.run,
    "cut": cut.run,
    "broken": broken.run,
    "faults": faults.run,
    "overload": overload.run,
    "shares": shares.run,
    "kill": kill.run,
    "nonces": nonces.run,
    "bodies": bodies.run,
    "replay": replay.run,
    "fuzz": fuzz.run,
    "smuggle": smuggle.run,
    "flood": flood.run,
    "hostile": hostile.run,
    "abuse": abuse.run,
}
