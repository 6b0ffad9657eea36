"""The store, as handlers call it."""

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

from forefront.gateway.aside import aside
from forefront.gateway.clerk import HUNG
from forefront.gateway.database import StoreError
from forefront.wire.errors import ApiError

T = TypeVar("T")

# At a time, of each kind of handler; two kinds leave connections for the ledger and the keys.
_MOST: Final = 6


class OffLoop:
    """Runs calls that block on the store beside the event loop, a few at a time."""

    def __init__(self) -> None:
        self._room = asyncio.Semaphore(_MOST)

    async def __call__(self, call: Callable[[], T]) -> T:
        """What `call` returns. Raises `ApiError` 503 when the store fails or does not answer."""
        try:
            async with asyncio.timeout(HUNG), self._room:
                return await aside(call)
        except (StoreError, TimeoutError):
            text = "The server cannot use its store at the moment; try again."
            raise ApiError("store_unavailable", text, headers={"retry-after": "1"}) from None
