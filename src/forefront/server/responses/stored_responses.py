"""Stored responses, from the event loop."""

import logging
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from forefront.fairness.tenant import Tenant
from forefront.gateway.store.content_cipher import MissingKeyError
from forefront.gateway.store.response_store import Chain, ResponseStore, StoredResponse, not_stored
from forefront.server.responses.history import PREFIX, read_history
from forefront.server.store_calls import StoreCalls
from forefront.wire.errors import ApiError
from forefront.wire.responses.chat_request import ParsedResponse, ParsedSource
from forefront.wire.responses.item_list import ItemList, decode_items, encode_items, listed
from forefront.wire.responses.queries import ItemsQuery
from forefront.wire.responses.response import Response, ResponseError

log = logging.getLogger(__name__)
T = TypeVar("T")


class StoredResponses:
    """Reads and writes the responses of a project, the owner of each call. `default`: whether a response is stored
    whose request leaves `store` out. Raises `ApiError` 503 too, when the store fails."""

    def __init__(self, store: ResponseStore, *, default: bool = False) -> None:
        self.default = default
        self._store = store
        self._calls = StoreCalls()

    async def chain(self, tenant: Tenant, response_id: str) -> Chain:
        """See `ResponseStore.chain_of`."""
        return await self._call(tenant, lambda: self._store.chain_of(tenant.name, response_id))

    async def history(self, tenant: Tenant, parsed: ParsedSource, chain: Chain) -> ParsedResponse:
        """See `read_history`."""
        return await self._call(tenant, lambda: read_history(self._store, tenant.name, parsed, chain))

    async def check_room(self, tenant: Tenant, parsed: ParsedResponse) -> None:
        """Raise `ApiError` 403 and 413 if the request cannot be stored."""

        def check() -> None:
            self._store.check_room(tenant.name, len(msgspec.json.encode(parsed.source)))

        await self._call(tenant, check)

    async def add(self, tenant: Tenant, parsed: ParsedResponse, response: Response, chain: Chain) -> None:
        """Store a response with its request's input."""

        def add() -> None:
            output, rest = _encode(response)
            new = StoredResponse(
                id=response.id,
                project=tenant.name,
                previous_id=response.previous_response_id,
                status=response.status,
                background=response.background,
                input=encode_items(parsed.input, response.id.removeprefix(PREFIX)),
                output=output,
                response=rest,
            )
            self._store.add(new, chain)

        await self._call(tenant, add)

    async def finish(self, tenant: Tenant, response: Response) -> None:
        """Store the end of a response in the background, unless it has been cancelled or deleted."""
        await self._call(tenant, lambda: self._store.finish(response.id, response.status, *_encode(response)))

    async def cancel(self, tenant: Tenant, stored: StoredResponse) -> None:
        """Store that an unfinished response was cancelled."""
        fields: dict[str, Any] = msgspec.json.decode(stored.response, type=dict[str, msgspec.Raw])
        response = msgspec.json.encode(fields | {"status": "cancelled"})
        await self._call(tenant, lambda: self._store.finish(stored.id, "cancelled", b"[]", response))

    async def find(self, tenant: Tenant, response_id: str) -> StoredResponse:
        """A response. Raises `ApiError` 404."""
        found = await self._call(tenant, lambda: self._store.find(tenant.name, response_id))
        if found is None:
            raise not_stored(response_id)
        return found

    async def body(self, tenant: Tenant, response_id: str) -> bytes:
        """The JSON of a response. Raises `ApiError` 404."""

        def read() -> bytes:
            found = self._store.find(tenant.name, response_id)
            if found is None:
                raise not_stored(response_id)
            return _body(found)

        return await self._call(tenant, read)

    async def delete(self, tenant: Tenant, response_id: str) -> None:
        """Delete a response. Raises `ApiError` 404."""
        if not await self._call(tenant, lambda: self._store.delete(tenant.name, response_id)):
            raise not_stored(response_id)

    async def input_items(self, tenant: Tenant, response_id: str, query: ItemsQuery) -> bytes:
        """A page of a response's input: the JSON of an `ItemList`. Raises `ApiError` 404, also for an unknown item."""

        def page() -> bytes:
            found = self._store.find(tenant.name, response_id)
            if found is None:
                raise not_stored(response_id)
            return msgspec.json.encode(_page(found, query))

        return await self._call(tenant, page)

    async def _call(self, tenant: Tenant, call: Callable[[], T]) -> T:
        def checked() -> T:
            try:
                return call()
            except MissingKeyError as error:
                log.error("%s", error)
                text = "This response is encrypted with a key that the server does not have."
                raise ApiError("store_unavailable", text, retryable=False) from None

        return await self._calls(checked, tenant)


def _body(stored: StoredResponse) -> bytes:
    fields: dict[str, Any] = msgspec.json.decode(stored.response, type=dict[str, msgspec.Raw])
    fields["output"] = msgspec.Raw(stored.output)
    if stored.abandoned:
        message = "The server that generated this response ended before it was complete."
        fields |= {"status": "failed", "error": ResponseError(code="server_error", message=message)}
    return msgspec.json.encode(fields)


def _encode(response: Response) -> tuple[bytes, bytes]:
    """The output's JSON, and that of the response without it."""
    rest = msgspec.structs.replace(response, output=[])
    return msgspec.json.encode(response.output), msgspec.json.encode(rest)


def _page(stored: StoredResponse, query: ItemsQuery) -> ItemList:
    items = decode_items(stored.input)
    if query.order == "desc":
        items.reverse()
    places = {item.id: place for place, item in enumerate(items)}
    begin, end = 0, len(items)
    for name, item_id in (("after", query.after), ("before", query.before)):
        if item_id is None:
            continue
        if item_id not in places:
            text = f"`{name}`: the response has no input item of the id `{item_id[:64]}`."
            raise ApiError("not_found", text, param=name)
        if name == "after":
            begin = places[item_id] + 1
        else:
            end = places[item_id]
    found = items[begin:end]
    if query.before is not None and query.after is None:
        page, more = found[-query.limit :], len(found) > query.limit
    else:
        page, more = found[: query.limit], len(found) > query.limit
    data = [listed(item) for item in page]
    first, last = (data[0].id, data[-1].id) if data else (None, None)
    return ItemList(data=data, first_id=first, last_id=last, has_more=more)
