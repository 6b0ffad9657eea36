"""Calls to the stores of responses and conversations, from the event loop."""

import logging
from collections.abc import Callable
from typing import TypeVar

from forefront.fairness.tenant import Tenant
from forefront.gateway.store.content_cipher import MissingKeyError
from forefront.server.store_calls import StoreCalls
from forefront.wire.errors import RequestError

log = logging.getLogger(__name__)
T = TypeVar("T")


class ResponseStoreCalls:
    """Runs calls as `StoreCalls` does. Content that the server cannot decrypt is a `RequestError` 503 too."""

    def __init__(self) -> None:
        self._calls = StoreCalls()

    async def __call__(self, tenant: Tenant, call: Callable[[], T]) -> T:
        """The result of `call`. Raises `RequestError` 503."""

        def checked() -> T:
            try:
                return call()
            except MissingKeyError as error:
                log.error("%s", error)
                text = "This content is encrypted with a key that the server does not have."
                raise RequestError("store_unavailable", text, retryable=False) from None

        return await self._calls(checked, tenant)
