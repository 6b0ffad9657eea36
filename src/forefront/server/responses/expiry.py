"""Deletion of stored responses that have expired, while the server runs."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from forefront.gateway.store.database import StoreError
from forefront.gateway.store.response_store import BATCH, ResponseStore
from forefront.gateway.store.run_in_thread import run_in_thread

log = logging.getLogger(__name__)

_INTERVAL: Final = 600.0  # seconds
_PAUSE: Final = 0.1  # seconds between batches, in which others write


@asynccontextmanager
async def delete_expired_responses(store: ResponseStore, interval: float = _INTERVAL) -> AsyncIterator[None]:
    """A context in which expired responses are deleted, now and every `interval` seconds."""
    task = asyncio.get_running_loop().create_task(_delete(store, interval))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _delete(store: ResponseStore, interval: float) -> None:
    while True:
        count = 0
        try:
            count = await run_in_thread(store.delete_expired)
        except StoreError as error:
            log.warning("expired responses could not be deleted: %s", error)
        await asyncio.sleep(_PAUSE if count == BATCH else interval)
