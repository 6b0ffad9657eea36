"""`client.conversations`, for asyncio."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Unpack

from forefront.client.conversation_calls import (
    add_items_call,
    create_conversation_call,
    delete_conversation_call,
    delete_item_call,
    list_items_call,
    retrieve_conversation_call,
    retrieve_item_call,
    update_conversation_call,
)
from forefront.client.decoding import read_conversation, read_deleted_conversation, read_item, read_item_list
from forefront.client.resources.params import CallOptions, ConversationCreateParams, ConversationItems, ItemsParams
from forefront.client.resources.raw_response import RawResponse, raw_response
from forefront.client.settings import ClientSettings
from forefront.wire.responses.conversation_records import Conversation, DeletedConversation
from forefront.wire.responses.item_list import ItemList, ListedItem

if TYPE_CHECKING:
    from forefront.client.transport.transport import AsyncTransport


class AsyncConversations:
    """`Conversations`, for asyncio."""

    items: "AsyncItems"

    def __init__(self, settings: ClientSettings, transport: "AsyncTransport") -> None:
        self._settings = settings
        self._transport = transport
        self.items = AsyncItems(settings, transport)

    @property
    def with_raw_response(self) -> "AsyncRawConversations":
        """The same methods with a `RawResponse` as result, which has the headers too."""
        return AsyncRawConversations(self._settings, self._transport)

    async def create(self, **params: Unpack[ConversationCreateParams]) -> Conversation:
        """`Conversations.create`."""
        return (await self.with_raw_response.create(**params)).parse()

    async def retrieve(self, conversation_id: str) -> Conversation:
        """`Conversations.retrieve`."""
        return (await self.with_raw_response.retrieve(conversation_id)).parse()

    async def update(
        self, conversation_id: str, *, metadata: Mapping[str, str], **options: Unpack[CallOptions]
    ) -> Conversation:
        """`Conversations.update`."""
        return (await self.with_raw_response.update(conversation_id, metadata=metadata, **options)).parse()

    async def delete(self, conversation_id: str) -> DeletedConversation:
        """`Conversations.delete`."""
        return (await self.with_raw_response.delete(conversation_id)).parse()


class AsyncRawConversations:
    """`RawConversations`, for asyncio."""

    def __init__(self, settings: ClientSettings, transport: "AsyncTransport") -> None:
        self._settings = settings
        self._transport = transport

    async def create(self, **params: Unpack[ConversationCreateParams]) -> RawResponse[Conversation]:
        """`Conversations.create`."""
        call = create_conversation_call(self._settings, params)
        return raw_response(await self._transport.send(call), read_conversation)

    async def retrieve(self, conversation_id: str) -> RawResponse[Conversation]:
        """`Conversations.retrieve`."""
        call = retrieve_conversation_call(self._settings, conversation_id)
        return raw_response(await self._transport.send(call), read_conversation)

    async def update(
        self, conversation_id: str, *, metadata: Mapping[str, str], **options: Unpack[CallOptions]
    ) -> RawResponse[Conversation]:
        """`Conversations.update`."""
        call = update_conversation_call(self._settings, conversation_id, metadata, options)
        return raw_response(await self._transport.send(call), read_conversation)

    async def delete(self, conversation_id: str) -> RawResponse[DeletedConversation]:
        """`Conversations.delete`."""
        call = delete_conversation_call(self._settings, conversation_id)
        return raw_response(await self._transport.send(call), read_deleted_conversation)


class AsyncItems:
    """`Items`, for asyncio."""

    def __init__(self, settings: ClientSettings, transport: "AsyncTransport") -> None:
        self._settings = settings
        self._transport = transport

    @property
    def with_raw_response(self) -> "AsyncRawItems":
        """The same methods with a `RawResponse` as result, which has the headers too."""
        return AsyncRawItems(self._settings, self._transport)

    async def list(self, conversation_id: str, **query: Unpack[ItemsParams]) -> ItemList:
        """`Items.list`."""
        return (await self.with_raw_response.list(conversation_id, **query)).parse()

    async def create(
        self, conversation_id: str, *, items: ConversationItems, **options: Unpack[CallOptions]
    ) -> ItemList:
        """`Items.create`."""
        return (await self.with_raw_response.create(conversation_id, items=items, **options)).parse()

    async def retrieve(self, item_id: str, *, conversation_id: str) -> ListedItem:
        """`Items.retrieve`."""
        return (await self.with_raw_response.retrieve(item_id, conversation_id=conversation_id)).parse()

    async def delete(self, item_id: str, *, conversation_id: str) -> Conversation:
        """`Items.delete`."""
        return (await self.with_raw_response.delete(item_id, conversation_id=conversation_id)).parse()


class AsyncRawItems:
    """`RawItems`, for asyncio."""

    def __init__(self, settings: ClientSettings, transport: "AsyncTransport") -> None:
        self._settings = settings
        self._transport = transport

    async def list(self, conversation_id: str, **query: Unpack[ItemsParams]) -> RawResponse[ItemList]:
        """`Items.list`."""
        call = list_items_call(self._settings, conversation_id, query)
        return raw_response(await self._transport.send(call), read_item_list)

    async def create(
        self, conversation_id: str, *, items: ConversationItems, **options: Unpack[CallOptions]
    ) -> RawResponse[ItemList]:
        """`Items.create`."""
        call = add_items_call(self._settings, conversation_id, items, options)
        return raw_response(await self._transport.send(call), read_item_list)

    async def retrieve(self, item_id: str, *, conversation_id: str) -> RawResponse[ListedItem]:
        """`Items.retrieve`."""
        call = retrieve_item_call(self._settings, item_id, conversation_id)
        return raw_response(await self._transport.send(call), read_item)

    async def delete(self, item_id: str, *, conversation_id: str) -> RawResponse[Conversation]:
        """`Items.delete`."""
        call = delete_item_call(self._settings, item_id, conversation_id)
        return raw_response(await self._transport.send(call), read_conversation)
