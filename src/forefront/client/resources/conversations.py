"""`client.conversations`."""

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
    from forefront.client.transport.transport import Transport


class Conversations:
    """Conversations: lists of items on the server that responses read and extend."""

    items: "Items"

    def __init__(self, settings: ClientSettings, transport: "Transport") -> None:
        self._settings = settings
        self._transport = transport
        self.items = Items(settings, transport)

    @property
    def with_raw_response(self) -> "RawConversations":
        """The same methods with a `RawResponse` as result, which has the headers too."""
        return RawConversations(self._settings, self._transport)

    def create(self, **params: Unpack[ConversationCreateParams]) -> Conversation:
        """Create a conversation, with up to 20 `items` and with `metadata`.

        Raises `APIError`, and `InvalidArgumentError` for arguments that cannot be sent.
        """
        return self.with_raw_response.create(**params).parse()

    def retrieve(self, conversation_id: str) -> Conversation:
        """A conversation, without its items. Raises `NotFoundError`."""
        return self.with_raw_response.retrieve(conversation_id).parse()

    def update(
        self, conversation_id: str, *, metadata: Mapping[str, str], **options: Unpack[CallOptions]
    ) -> Conversation:
        """Replace the labels of a conversation."""
        return self.with_raw_response.update(conversation_id, metadata=metadata, **options).parse()

    def delete(self, conversation_id: str) -> DeletedConversation:
        """Delete a conversation, with its items."""
        return self.with_raw_response.delete(conversation_id).parse()


class RawConversations:
    """The methods of `Conversations`, with their HTTP responses."""

    def __init__(self, settings: ClientSettings, transport: "Transport") -> None:
        self._settings = settings
        self._transport = transport

    def create(self, **params: Unpack[ConversationCreateParams]) -> RawResponse[Conversation]:
        """`Conversations.create`."""
        call = create_conversation_call(self._settings, params)
        return raw_response(self._transport.send(call), read_conversation)

    def retrieve(self, conversation_id: str) -> RawResponse[Conversation]:
        """`Conversations.retrieve`."""
        call = retrieve_conversation_call(self._settings, conversation_id)
        return raw_response(self._transport.send(call), read_conversation)

    def update(
        self, conversation_id: str, *, metadata: Mapping[str, str], **options: Unpack[CallOptions]
    ) -> RawResponse[Conversation]:
        """`Conversations.update`."""
        call = update_conversation_call(self._settings, conversation_id, metadata, options)
        return raw_response(self._transport.send(call), read_conversation)

    def delete(self, conversation_id: str) -> RawResponse[DeletedConversation]:
        """`Conversations.delete`."""
        call = delete_conversation_call(self._settings, conversation_id)
        return raw_response(self._transport.send(call), read_deleted_conversation)


class Items:
    """The items of conversations."""

    def __init__(self, settings: ClientSettings, transport: "Transport") -> None:
        self._settings = settings
        self._transport = transport

    @property
    def with_raw_response(self) -> "RawItems":
        """The same methods with a `RawResponse` as result, which has the headers too."""
        return RawItems(self._settings, self._transport)

    def list(self, conversation_id: str, **query: Unpack[ItemsParams]) -> ItemList:
        """A page of items: `limit`, `order`, and items `after` or `before` one. The latest come first by default."""
        return self.with_raw_response.list(conversation_id, **query).parse()

    def create(self, conversation_id: str, *, items: ConversationItems, **options: Unpack[CallOptions]) -> ItemList:
        """Append up to 20 items; the appended ones, with their ids."""
        return self.with_raw_response.create(conversation_id, items=items, **options).parse()

    def retrieve(self, item_id: str, *, conversation_id: str) -> ListedItem:
        """An item; one of an unknown type as JSON. Raises `NotFoundError`."""
        return self.with_raw_response.retrieve(item_id, conversation_id=conversation_id).parse()

    def delete(self, item_id: str, *, conversation_id: str) -> Conversation:
        """Delete an item; its conversation."""
        return self.with_raw_response.delete(item_id, conversation_id=conversation_id).parse()


class RawItems:
    """The methods of `Items`, with their HTTP responses."""

    def __init__(self, settings: ClientSettings, transport: "Transport") -> None:
        self._settings = settings
        self._transport = transport

    def list(self, conversation_id: str, **query: Unpack[ItemsParams]) -> RawResponse[ItemList]:
        """`Items.list`."""
        call = list_items_call(self._settings, conversation_id, query)
        return raw_response(self._transport.send(call), read_item_list)

    def create(
        self, conversation_id: str, *, items: ConversationItems, **options: Unpack[CallOptions]
    ) -> RawResponse[ItemList]:
        """`Items.create`."""
        call = add_items_call(self._settings, conversation_id, items, options)
        return raw_response(self._transport.send(call), read_item_list)

    def retrieve(self, item_id: str, *, conversation_id: str) -> RawResponse[ListedItem]:
        """`Items.retrieve`."""
        call = retrieve_item_call(self._settings, item_id, conversation_id)
        return raw_response(self._transport.send(call), read_item)

    def delete(self, item_id: str, *, conversation_id: str) -> RawResponse[Conversation]:
        """`Items.delete`."""
        call = delete_item_call(self._settings, item_id, conversation_id)
        return raw_response(self._transport.send(call), read_conversation)
