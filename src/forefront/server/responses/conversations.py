"""The routes of conversations. Those of other projects are not found."""

import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from forefront.gateway.store.conversation_store import ConversationStore, ItemRange, StoredConversation, StoredItem
from forefront.server.responses.rate_limited_routes import Handler, RateLimitedRoutes
from forefront.server.responses.response_store_calls import ResponseStoreCalls
from forefront.server.responses.routes import send_stored, tenant_of
from forefront.server.routes.admin.admin_routes import path_id
from forefront.server.sending.response_encoder import new_id
from forefront.server.sending.response_sender import ignored_header
from forefront.wire.responses.conversation import (
    ConversationChange,
    NewConversation,
    NewItems,
    Parsed,
    parse_conversation_change,
    parse_new_conversation,
    parse_new_items,
)
from forefront.wire.responses.conversation_records import Conversation, DeletedConversation
from forefront.wire.responses.item_list import decode_item, encode_item_list, listed, with_ids
from forefront.wire.responses.items import InputItem
from forefront.wire.responses.queries import parse_include_query, parse_items_query

_PREFIX: Final = "conv_"
_PATH: Final = "/v1/conversations/{id}"


class ConversationRoutes:
    """The handlers of `/v1/conversations` and below."""

    def __init__(
        self, store: ConversationStore, counted: RateLimitedRoutes, idempotent: Callable[[ASGIApp], ASGIApp]
    ) -> None:
        self._counted = counted
        self._idempotent = idempotent
        self._store = store
        self._calls = ResponseStoreCalls()

    def routes(self) -> list[Route]:
        """The routes."""
        plain, with_body = self._counted.plain, self._counted.with_body
        create = with_body(parse_new_conversation, self._create)
        update = with_body(parse_conversation_change, self._update)
        add_items = with_body(parse_new_items, self._add_items)
        return [
            Route("/v1/conversations", self._once(create), methods=["POST"]),
            Route(_PATH, plain(self._retrieve), methods=["GET"]),
            Route(_PATH, update, methods=["POST"]),
            Route(_PATH, plain(self._delete), methods=["DELETE"]),
            Route(f"{_PATH}/items", plain(self._list_items), methods=["GET"]),
            Route(f"{_PATH}/items", self._once(add_items), methods=["POST"]),
            Route(f"{_PATH}/items/{{item}}", plain(self._retrieve_item), methods=["GET"]),
            Route(f"{_PATH}/items/{{item}}", plain(self._delete_item), methods=["DELETE"]),
        ]

    def _once(self, handler: Handler) -> ASGIApp:
        """The endpoint that runs the handler once for each idempotency key."""

        async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
            response = await handler(Request(scope, receive))
            await response(scope, receive, send)

        return self._idempotent(endpoint)

    async def _create(self, request: Request, parsed: Parsed[NewConversation]) -> Response:
        tenant = tenant_of(request)
        name, metadata = new_id(_PREFIX, time.time()), parsed.body.metadata
        items = _with_new_ids(parsed.body.items)
        created = await self._calls(
            tenant, lambda: self._store.create(tenant.name, name, msgspec.json.encode(metadata), _stored(items))
        )
        made = Conversation(id=name, created_at=created, metadata=metadata)
        return send_stored(request, msgspec.json.encode(made), ignored_header(parsed.ignored))

    async def _retrieve(self, request: Request) -> Response:
        tenant, name = tenant_of(request), path_id(request)
        found = await self._calls(tenant, lambda: self._store.find(tenant.name, name))
        return send_stored(request, _encode(found))

    async def _update(self, request: Request, parsed: Parsed[ConversationChange]) -> Response:
        tenant, name = tenant_of(request), path_id(request)
        metadata = msgspec.json.encode(parsed.body.metadata)
        changed = await self._calls(tenant, lambda: self._store.set_metadata(tenant.name, name, metadata))
        return send_stored(request, _encode(changed), ignored_header(parsed.ignored))

    async def _delete(self, request: Request) -> Response:
        tenant, name = tenant_of(request), path_id(request)
        await self._calls(tenant, lambda: self._store.delete(tenant.name, name))
        return send_stored(request, msgspec.json.encode(DeletedConversation(id=name)))

    async def _list_items(self, request: Request) -> Response:
        tenant, name = tenant_of(request), path_id(request)
        query = parse_items_query(request.query_params.multi_items())
        wanted = ItemRange(after=query.after, before=query.before, limit=query.limit, order=query.order)

        def page() -> bytes:
            contents, more = self._store.page(tenant.name, name, wanted)
            return encode_item_list(map(decode_item, contents), more=more)

        return send_stored(request, await self._calls(tenant, page))

    async def _add_items(self, request: Request, parsed: Parsed[NewItems]) -> Response:
        tenant, name = tenant_of(request), path_id(request)
        parse_include_query(request.query_params.multi_items())
        items = _with_new_ids(parsed.body.items)

        def add() -> bytes:
            self._store.add_items(tenant.name, name, _stored(items))
            return encode_item_list(items, more=False)

        return send_stored(request, await self._calls(tenant, add), ignored_header(parsed.ignored))

    async def _retrieve_item(self, request: Request) -> Response:
        tenant, name, item_id = tenant_of(request), path_id(request), path_id(request, "item")
        parse_include_query(request.query_params.multi_items())

        def item() -> bytes:
            return msgspec.json.encode(listed(decode_item(self._store.item(tenant.name, name, item_id))))

        return send_stored(request, await self._calls(tenant, item))

    async def _delete_item(self, request: Request) -> Response:
        tenant, name, item_id = tenant_of(request), path_id(request), path_id(request, "item")
        rest = await self._calls(tenant, lambda: self._store.delete_item(tenant.name, name, item_id))
        return send_stored(request, _encode(rest))


def _with_new_ids(items: Sequence[InputItem]) -> list[InputItem]:
    """The items with their own ids: a client may send an item of another conversation."""
    return with_ids(items, secrets.token_hex(14), keep=False)


def _stored(items: Sequence[InputItem]) -> list[StoredItem]:
    return [StoredItem(item.id or "", msgspec.json.encode(item)) for item in items]


def _encode(found: StoredConversation) -> bytes:
    metadata: Any = msgspec.Raw(found.metadata)
    return msgspec.json.encode(Conversation(id=found.id, created_at=found.created_at, metadata=metadata))
