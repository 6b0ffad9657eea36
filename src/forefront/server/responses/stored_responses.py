"""Stored responses, from the event loop."""

from typing import Any

import msgspec

from forefront.fairness.tenant import Tenant
from forefront.gateway.store.conversation_store import ConversationStore, StoredItem
from forefront.gateway.store.response_store import Also, Chain, ResponseStore, StoredResponse, response_not_found
from forefront.server.responses.history import PREFIX, read_history
from forefront.server.responses.response_store_calls import ResponseStoreCalls
from forefront.wire.errors import RequestError
from forefront.wire.responses.chat_request import ParsedResponse, ParsedSource
from forefront.wire.responses.item_list import decode_items, encode_item_list, with_ids
from forefront.wire.responses.items import InputItem
from forefront.wire.responses.queries import ItemsQuery
from forefront.wire.responses.response import Response, ResponseError


class StoredResponses:
    """Reads and writes the responses of a project, the owner of each call, and the conversations that they belong to.
    `default`: whether a response is stored whose request leaves `store` out. Raises `RequestError` 503 too, when the
    store fails."""

    def __init__(self, store: ResponseStore, conversations: ConversationStore, *, default: bool = False) -> None:
        self.default = default
        self._store = store
        self._conversations = conversations
        self._calls = ResponseStoreCalls()

    async def chain(self, tenant: Tenant, response_id: str) -> Chain:
        """See `ResponseStore.chain_of`."""
        return await self._calls(tenant, lambda: self._store.chain_of(tenant.name, response_id))

    async def history(self, tenant: Tenant, parsed: ParsedSource, chain: Chain) -> ParsedResponse:
        """See `read_history`."""
        return await self._calls(
            tenant, lambda: read_history(self._store, self._conversations, tenant.name, parsed, chain)
        )

    async def conversation_size(self, tenant: Tenant, conversation_id: str) -> int:
        """The bytes of a conversation that a response continues. Raises `RequestError` 404 and 422."""
        return await self._calls(tenant, lambda: self._conversations.size(tenant.name, conversation_id))

    async def check_room(self, tenant: Tenant, parsed: ParsedResponse) -> None:
        """Raise `RequestError` 403 and 413 if the request cannot be stored."""

        def check() -> None:
            size = len(msgspec.json.encode(parsed.source))
            if parsed.source.store:
                self._store.check_room(tenant.name, size)
            if parsed.source.conversation_id is not None:
                self._conversations.check_room(tenant.name, size)

        await self._calls(tenant, check)

    async def add(self, tenant: Tenant, parsed: ParsedResponse, response: Response, chain: Chain) -> None:
        """Store a response with its request's input, and append both to its conversation."""

        def add() -> None:
            append = self._append(tenant, parsed, response)
            if not parsed.source.store:
                assert append is not None
                self._conversations.write(append)
                return
            output, rest = _encode(response)
            new = StoredResponse(
                id=response.id,
                project=tenant.name,
                previous_id=response.previous_response_id,
                conversation_id=parsed.source.conversation_id,
                status=response.status,
                background=response.background,
                input=msgspec.json.encode(_input_items(parsed, response)),
                output=output,
                response=rest,
            )
            self._store.add(new, chain, append)

        await self._calls(tenant, add)

    async def finish(self, tenant: Tenant, parsed: ParsedResponse, response: Response) -> None:
        """Store the end of a response in the background, unless it has been cancelled or deleted."""

        def finish() -> None:
            append = self._append(tenant, parsed, response)
            self._store.finish(response.id, response.status, *_encode(response), append)

        await self._calls(tenant, finish)

    async def cancel(self, tenant: Tenant, stored: StoredResponse) -> None:
        """Store that an unfinished response was cancelled."""
        fields: dict[str, Any] = msgspec.json.decode(stored.response, type=dict[str, msgspec.Raw])
        response = msgspec.json.encode(fields | {"status": "cancelled"})
        await self._calls(tenant, lambda: self._store.finish(stored.id, "cancelled", b"[]", response))

    async def find(self, tenant: Tenant, response_id: str) -> StoredResponse:
        """A response. Raises `RequestError` 404."""
        found = await self._calls(tenant, lambda: self._store.find(tenant.name, response_id))
        if found is None:
            raise response_not_found(response_id)
        return found

    async def body(self, tenant: Tenant, response_id: str) -> bytes:
        """The JSON of a response. Raises `RequestError` 404."""

        def read() -> bytes:
            found = self._store.find(tenant.name, response_id)
            if found is None:
                raise response_not_found(response_id)
            return _body(found)

        return await self._calls(tenant, read)

    async def delete(self, tenant: Tenant, response_id: str) -> None:
        """Delete a response. Raises `RequestError` 404."""
        if not await self._calls(tenant, lambda: self._store.delete(tenant.name, response_id)):
            raise response_not_found(response_id)

    async def input_items(self, tenant: Tenant, response_id: str, query: ItemsQuery) -> bytes:
        """A page of a response's input: the JSON of an `ItemList`. Raises `RequestError` 404, also for an unknown
        item."""

        def page() -> bytes:
            found = self._store.find(tenant.name, response_id)
            if found is None:
                raise response_not_found(response_id)
            return _page(found, query)

        return await self._calls(tenant, page)

    def _append(self, tenant: Tenant, parsed: ParsedResponse, response: Response) -> Also | None:
        """The change that appends input and output of a complete response to its conversation."""
        conversation_id = parsed.source.conversation_id
        if conversation_id is None or response.status not in ("completed", "incomplete"):
            return None
        added = [*_input_items(parsed, response), *response.output]
        items = [StoredItem(item.id or "", msgspec.json.encode(item)) for item in added]
        return lambda connection: self._conversations.append(connection, tenant.name, conversation_id, items)


def _body(stored: StoredResponse) -> bytes:
    fields: dict[str, Any] = msgspec.json.decode(stored.response, type=dict[str, msgspec.Raw])
    fields["output"] = msgspec.Raw(stored.output)
    if stored.abandoned:
        message = "The server that generated this response ended before it was complete."
        fields |= {"status": "failed", "error": ResponseError(code="server_error", message=message)}
    return msgspec.json.encode(fields)


def _input_items(parsed: ParsedResponse, response: Response) -> list[InputItem]:
    """The items of the input with their ids. Those of a conversation are new, since a client may send an item twice."""
    keep = parsed.source.conversation_id is None
    return with_ids(parsed.input, response.id.removeprefix(PREFIX), keep=keep)


def _encode(response: Response) -> tuple[bytes, bytes]:
    """The output's JSON, and that of the response without it."""
    rest = msgspec.structs.replace(response, output=[])
    return msgspec.json.encode(response.output), msgspec.json.encode(rest)


def _page(stored: StoredResponse, query: ItemsQuery) -> bytes:
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
            raise RequestError("not_found", text, param=name)
        if name == "after":
            begin = places[item_id] + 1
        else:
            end = places[item_id]
    found = items[begin:end]
    backwards = query.before is not None and query.after is None
    page = found[-query.limit :] if backwards else found[: query.limit]
    return encode_item_list(page, more=len(found) > query.limit)
