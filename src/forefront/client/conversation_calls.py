"""Calls for conversations."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from forefront.client.exceptions import InvalidArgumentError
from forefront.client.request import Call, body_call, check_names, path_part, query_call
from forefront.client.resources.params import CallOptions, ConversationCreateParams
from forefront.client.settings import ClientSettings

_PATH: Final = "/v1/conversations"


def create_conversation_call(settings: ClientSettings, params: Mapping[str, Any]) -> Call:
    """The call that creates a conversation. Raises `InvalidArgumentError`."""
    check_names(params, ConversationCreateParams.__optional_keys__)
    given = params.get("items")
    items = {} if given is None else {"items": _items(given)}
    return body_call(settings, _PATH, {}, {**params, **items})


def retrieve_conversation_call(settings: ClientSettings, conversation_id: str) -> Call:
    """The call for a conversation. Raises `InvalidArgumentError`."""
    return query_call(settings, "GET", _conversation(conversation_id), {})


def update_conversation_call(
    settings: ClientSettings, conversation_id: str, metadata: Mapping[str, str], options: Mapping[str, Any]
) -> Call:
    """The call that replaces a conversation's labels. Raises `InvalidArgumentError`."""
    check_names(options, CallOptions.__optional_keys__, "update")
    return body_call(settings, _conversation(conversation_id), {"metadata": metadata}, options)


def delete_conversation_call(settings: ClientSettings, conversation_id: str) -> Call:
    """The call that deletes a conversation. Raises `InvalidArgumentError`."""
    return query_call(settings, "DELETE", _conversation(conversation_id), {})


def list_items_call(settings: ClientSettings, conversation_id: str, query: Mapping[str, Any]) -> Call:
    """The call for a page of items. Raises `InvalidArgumentError`."""
    return query_call(settings, "GET", f"{_conversation(conversation_id)}/items", query)


def add_items_call(settings: ClientSettings, conversation_id: str, items: object, options: Mapping[str, Any]) -> Call:
    """The call that appends items. Raises `InvalidArgumentError`."""
    check_names(options, CallOptions.__optional_keys__)
    return body_call(settings, f"{_conversation(conversation_id)}/items", {"items": _items(items)}, options)


def retrieve_item_call(settings: ClientSettings, item_id: str, conversation_id: str) -> Call:
    """The call for an item. Raises `InvalidArgumentError`."""
    return query_call(settings, "GET", _item(conversation_id, item_id), {})


def delete_item_call(settings: ClientSettings, item_id: str, conversation_id: str) -> Call:
    """The call that deletes an item. Raises `InvalidArgumentError`."""
    return query_call(settings, "DELETE", _item(conversation_id, item_id), {})


def _conversation(conversation_id: str) -> str:
    return f"{_PATH}/{path_part('conversation_id', conversation_id)}"


def _item(conversation_id: str, item_id: str) -> str:
    return f"{_conversation(conversation_id)}/items/{path_part('item_id', item_id)}"


def _items(items: object) -> list[Any]:
    if isinstance(items, str | bytes | Mapping) or not isinstance(items, Iterable):
        raise InvalidArgumentError("`items` must be a list of items")
    return list(items)
