"""The store, as handlers call it."""

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

from forefront.fairness.fair_slots import FairSlots
from forefront.fairness.tenant import Tenant
from forefront.gateway.aside import aside
from forefront.gateway.clerk import HUNG
from forefront.gateway.database import StoreError
from forefront.wire.errors import ApiError

T = TypeVar("T")

# At a time, of each kind of handler; two kinds leave connections for the ledger and the keys.
_MOST: Final = 6


class OffLoop:
    """Runs calls that block on the store beside the event loop: `most` at a time, each for so many `seconds`.

    Waiting calls are taken in fair turns of their tenants, and one tenant has half of the places at most.
    """

    def __init__(self, most: int = _MOST, seconds: float = HUNG) -> None:
        self._slots = FairSlots(most)
        self._seconds = seconds

    async def __call__(self, tenant: Tenant, call: Callable[[], T]) -> T:
        """What `call` returns. Raises `ApiError` 503 when the store fails or does not answer."""
        try:
            async with asyncio.timeout(self._seconds):
                slot = await self._slots.take(tenant, 1)
                try:
                    return await aside(call)
                finally:
                    slot.release()
        except (StoreError, TimeoutError):
            text = "The server cannot use its store at the moment; try again."
            raise ApiError("store_unavailable", text, headers={"retry-after": "1"}) from None
