"""Every part by its name, in the order in which they run."""

from collections.abc import Awaitable, Callable
from typing import Final

from torture import broken, budget, cut, faults, fuzz, kill, nonces, overload, shares
from torture.stage import Stage

PARTS: Final[dict[str, Callable[[Stage], Awaitable[None]]]] = {
    "budget": budget.run,
    "cut": cut.run,
    "broken": broken.run,
    "faults": faults.run,
    "overload": overload.run,
    "shares": shares.run,
    "kill": kill.run,
    "nonces": nonces.run,
    "fuzz": fuzz.run,
}
