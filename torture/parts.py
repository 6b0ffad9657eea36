"""Every part by its name, in the order in which they run."""

from collections.abc import Awaitable, Callable
from typing import Final

from torture import abuse, broken, budget, cut, faults, fuzz, kill, nonces, overload
from torture.stage import Stage

PARTS: Final[dict[str, Callable[[Stage], Awaitable[None]]]] = {
    "budget": budget.run,
    "cut": cut.run,
    "broken": broken.run,
    "faults": faults.run,
    "overload": overload.run,
    "kill": kill.run,
    "nonces": nonces.run,
    "fuzz": fuzz.run,
    "abuse": abuse.run,
}
