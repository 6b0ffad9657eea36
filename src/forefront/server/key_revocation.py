"""Ends the responses of keys that are revoked or expire while they run."""

import asyncio
import logging
from typing import Final, Protocol

from forefront.gateway.keys.key_cache import KeyCache
from forefront.gateway.keys.principal import Principal
from forefront.wire.errors import RequestError

log = logging.getLogger(__name__)

# Seconds between two checks of the keys. The cache is at most half a second old.
_INTERVAL: Final = 0.3


class Cancellable(Protocol):
    """A running response."""

    def cancel(self, error: RequestError) -> None:
        """End it with that error."""


class KeyRevocation:
    """Watches the keys of running responses. One task checks all of them, and ends with the last one."""

    def __init__(self, keys: KeyCache, interval: float = _INTERVAL) -> None:
        self._keys = keys
        self._interval = interval
        self._running: dict[Cancellable, str] = {}  # the ids of keys
        self._task: asyncio.Task[None] | None = None

    def add(self, principal: Principal, response: Cancellable) -> None:
        """End `response` with the error `invalid_api_key` once the key is not valid any more, until `remove`."""
        self._running[response] = principal.key.id
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._watch())

    def remove(self, response: Cancellable) -> None:
        """Stop watching the key of a response that has ended."""
        self._running.pop(response, None)

    async def _watch(self) -> None:
        while self._running:
            await asyncio.sleep(self._interval)
            try:
                await self._keys.refresh()
            except RequestError as error:  # an unreachable store ends no responses
                log.warning("the keys of running responses cannot be checked: %s", error.message)
                continue
            ended = [response for response, key in self._running.items() if not self._keys.has(key)]
            for response in ended:
                del self._running[response]
                text = "The API key of this request has been revoked or has expired, so the response ends here."
                response.cancel(RequestError("invalid_api_key", text, retryable=False))
