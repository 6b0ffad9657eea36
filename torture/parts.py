"""The parts by name, in the order of their runs."""

from collections.abc import Awaitable, Callable
from typing import Final

from torture import (
    abuse,
    attackers,
    bodies,
    broken,
    budget,
    disconnects,
    engine,
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
    upstreams,
)
from torture.cluster import part as cluster
from torture.harness import Harness

PARTS: Final[dict[str, Callable[[Harness], Awaitable[None]]]] = {
    "budget": budget.run,
    "disconnects": disconnects.run,
    "broken": broken.run,
    "faults": faults.run,
    "overload": overload.run,
    "shares": shares.run,
    "kill": kill.run,
    "upstreams": upstreams.run,
    "engine": engine.run,
    "nonces": nonces.run,
    "bodies": bodies.run,
    "replay": replay.run,
    "fuzz": fuzz.run,
    "smuggle": smuggle.run,
    "flood": flood.run,
    "hostile": hostile.run,
    "abuse": abuse.run,
    "attackers": attackers.run,
    "cluster": cluster.run,
}
