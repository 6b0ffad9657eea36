"""Blocking calls to the store from the event loop."""

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

from forefront.fairness.fair_semaphore import FairSemaphore
from forefront.fairness.tenant import NO_TENANT, Tenant
from forefront.gateway.ledger.ledger_writer import STORE_TIMEOUT
from forefront.gateway.store.database import StoreError
from forefront.gateway.store.store_threads import StoreThreads
from forefront.wire.errors import RequestError

T = TypeVar("T")

# Concurrent calls of one kind of handler. Two kinds leave connections for the ledger and the keys.
_MAX_CALLS: Final = 6


class StoreCalls:
    """Runs calls in threads: `max_calls` at a time, each for at most so many `seconds`. Projects take turns, so many or
    slow calls of one delay another's by the calls that already run."""

    def __init__(self, max_calls: int = _MAX_CALLS, seconds: float = STORE_TIMEOUT) -> None:
        self._slots = FairSemaphore(max_calls)
        self._threads = StoreThreads()
        self._seconds = seconds

    async def __call__(self, call: Callable[[], T], tenant: Tenant = NO_TENANT) -> T:
        """The result of `call`, in a turn of `tenant`. Raises `RequestError` 503 if the store fails or does not
        answer."""
        try:
            async with asyncio.timeout(self._seconds), self._slots.slot(tenant):
                return await self._threads.run(call)
        except (StoreError, TimeoutError):
            text = "The server cannot use its store at the moment; try again."
            raise RequestError("store_unavailable", text) from None
