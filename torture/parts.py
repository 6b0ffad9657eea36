"""Every part by its name, in the order in which they run."""

from collections.abc import Awaitable, Callable
from typing import Final

from torture import budget, cut, kill, overload
from torture.stage import Stage

PARTS: Final[dict[str, Callable[[Stage], Awaitable[None]]]] = {
    "kill": kill.run,
    "cut": cut.run,
    "budget": budget.run,
    "overload": overload.run,
}
