"""The memory for request bodies and whole answers, and how much of it each project and key may hold."""

import asyncio
from typing import Final

from forefront.fairness.fair_semaphore import FairSemaphore
from forefront.fairness.quota import NestedQuota
from forefront.fairness.tenant import Tenant
from forefront.wire.errors import RequestError

# Bytes that the parsed form of one body takes at most. Parsing holds the interpreter lock: up to 0.7 ms for each MiB.
_MAX_PARSED: Final = 40 * 2**20
# At which bodies are read that come in more than one piece. To read, count and parse 8 MiB takes 40 ms of a processor.
_BYTES_PER_SECOND: Final = 64 * 2**20


class BodyMemory:
    """Bounds bodies: `seconds` for each to arrive, `memory` bytes for all that are being read or answered, and
    `bodies` that are being read at a time. Projects and their keys share the bytes and the places by quotas."""

    def __init__(self, seconds: float = 60.0, memory: int = 256 * 2**20, bodies: int = 2000) -> None:
        self.seconds = seconds
        self.memory = NestedQuota(memory)
        self.places = NestedQuota(bodies)
        self.largest = min(_MAX_PARSED, self.memory.max_per_key)
        self._reading = FairSemaphore(1)

    async def pace(self, tenant: Tenant, size: int) -> None:
        """Wait until `tenant` may read more of a body, after a piece of `size` bytes.

        One body goes on at a time, projects in turns, and all of them at `_BYTES_PER_SECOND`: large bodies on many
        connections would otherwise fill every iteration of the event loop, and the threads that parse them.
        """
        async with self._reading.slot(tenant, size):
            await asyncio.sleep(size / _BYTES_PER_SECOND)


class RequestMemory:
    """The memory that one request holds, as a context manager that gives it back."""

    def __init__(self, pool: BodyMemory) -> None:
        self.pool = pool
        self._project = self._key = ""
        self._reserved = False
        self._held = 0

    def set_owner(self, project: str, key: str, *, reserved: bool) -> None:
        """Set the owner of the memory that is held later. `reserved`: also of the part that projects leave free."""
        self._project, self._key, self._reserved = project, key, reserved

    def begin(self, project: str, key: str, *, reserved: bool) -> None:
        """Take a place for a body that is being read, until `end`, and set the owner. Raises `RequestError`: 429 when
        the owner reads too many bodies at a time, 503 when all owners together do."""
        self.set_owner(project, key, reserved=reserved)
        places = self.pool.places
        if not places.take(project, key, 1, reserved=reserved):
            raise _refusal(places, 1, "places for bodies that arrive")

    def end(self) -> None:
        """The body has been read, or will not be."""
        self.pool.places.give_back(self._project, self._key, 1)

    def check(self, size: int) -> None:
        """Raise like `hold` if `size` bytes could not be held now."""
        memory = self.pool.memory
        if not self._reserved and not memory.fits(self._project, self._key, size - self._held):
            raise _refusal(memory, size - self._held, "memory for requests")

    def hold(self, size: int) -> None:
        """Hold `size` bytes in place of the former amount.

        Raises `RequestError`: 429 when the owner holds too much, 503 when all owners together do.
        """
        more, memory = size - self._held, self.pool.memory
        if size > memory.max_per_key:
            text = f"This request needs more memory than one key may hold, {memory.max_per_key / 2**20:g} MiB. Smaller "
            text += "values of `n`, `max_tokens` and `top_logprobs` take less, and a `stream` takes none."
            raise RequestError("rate_limit_exceeded", text, retryable=False)
        if more > 0 and not memory.take(self._project, self._key, more, reserved=self._reserved):
            raise _refusal(memory, more, "memory for requests")
        if more < 0:
            memory.give_back(self._project, self._key, -more)
        self._held = size

    def hold_for(self, project: str, key: str, size: int) -> None:
        """Hold `size` bytes for a request without a body, for that owner. Raises like `hold`."""
        self._project, self._key = project, key
        self.hold(size)

    def grow(self, more: int) -> None:
        """Hold `more` bytes beside those that are held. Raises like `hold`."""
        self.hold(self._held + more)

    def move(self) -> "RequestMemory":
        """Other memory, which holds from now on what this one held, for work that outlives the request."""
        moved = RequestMemory(self.pool)
        moved._project, moved._key, moved._reserved = self._project, self._key, self._reserved
        moved._held, self._held = self._held, 0
        return moved

    def __enter__(self) -> "RequestMemory":
        return self

    def __exit__(self, *_: object) -> None:
        if self._held:
            self.hold(0)


def _refusal(quota: NestedQuota, amount: int, what: str) -> RequestError:
    """The error for an amount that does not fit: the server's fault if it would not fit for any owner."""
    if quota.full(amount):
        return RequestError("overloaded", f"The server has no {what} left; try again.")
    text = f"The requests of this key or project hold their whole share of the server's {what}; try again."
    return RequestError("rate_limit_exceeded", text)
