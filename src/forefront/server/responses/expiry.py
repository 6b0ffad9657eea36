"""Deletion of stored responses and conversations that have expired, while the server runs."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from forefront.gateway.store.conversation_store import BATCH as CONVERSATIONS
from forefront.gateway.store.conversation_store import ConversationStore
from forefront.gateway.store.database import StoreError
from forefront.gateway.store.response_store import BATCH as RESPONSES
from forefront.gateway.store.response_store import ResponseStore
from forefront.gateway.store.store_threads import StoreThreads

log = logging.getLogger(__name__)

_INTERVAL: Final = 600.0  # seconds
_PAUSE: Final = 0.1  # seconds between batches, in which other writers run


@asynccontextmanager
async def delete_expired_contents(
    responses: ResponseStore, conversations: ConversationStore, interval: float = _INTERVAL
) -> AsyncIterator[None]:
    """A context in which expired responses and conversations are deleted, now and every `interval` seconds."""
    task = asyncio.get_running_loop().create_task(_delete(responses, conversations, interval))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _delete(responses: ResponseStore, conversations: ConversationStore, interval: float) -> None:
    threads = StoreThreads()
    while True:
        more = False
        try:
            more = await threads.run(responses.delete_expired) == RESPONSES
            more |= await threads.run(conversations.delete_expired) == CONVERSATIONS
        except StoreError as error:
            log.warning("expired contents could not be deleted: %s", error)
        await asyncio.sleep(_PAUSE if more else interval)
