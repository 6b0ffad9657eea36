"""The store, as handlers call it."""

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

from forefront.fairness.fair_semaphore import FairSemaphore
from forefront.fairness.tenant import NO_TENANT, Tenant
from forefront.gateway.ledger.ledger_thread import STORE_TIMEOUT
from forefront.gateway.store.database import StoreError
from forefront.gateway.store.run_in_thread import run_in_thread
from forefront.wire.errors import ApiError

T = TypeVar("T")

# At a time, of each kind of handler; two kinds leave connections for the ledger and the keys.
_MOST: Final = 6


class OffLoop:
    """Runs calls that block on the store beside the event loop: `most` at a time, each for so many `seconds`. Projects
    take turns, so that one whose calls are many or slow delays another's by the calls that run at most."""

    def __init__(self, most: int = _MOST, seconds: float = STORE_TIMEOUT) -> None:
        self._room = FairSemaphore(most)
        self._seconds = seconds

    async def __call__(self, call: Callable[[], T], tenant: Tenant = NO_TENANT) -> T:
        """What `call` returns, in a turn of `tenant`. Raises `ApiError` 503 when the store fails or does not answer."""
        try:
            async with asyncio.timeout(self._seconds), self._room.slot(tenant):
                return await run_in_thread(call)
        except (StoreError, TimeoutError):
            text = "The server cannot use its store at the moment; try again."
            raise ApiError("store_unavailable", text, headers={"retry-after": "1"}) from None
