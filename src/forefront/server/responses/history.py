"""The chat request of a request that refers to stored responses."""

import re
from typing import Final

from forefront.gateway.store.conversation_store import ConversationStore
from forefront.gateway.store.response_store import Chain, ResponseStore
from forefront.wire.errors import RequestError
from forefront.wire.responses.chat_request import ParsedResponse, ParsedSource, to_chat_request
from forefront.wire.responses.item_list import decode_item, decode_items
from forefront.wire.responses.items import InputItem, ItemReference

PREFIX: Final = "resp_"
# The part of an item's id that is its response's.
_ITEM_ID: Final = re.compile(r"[a-z]+_([0-9a-f]{28})i?[0-9a-f]{4}")
_MAX_REFERENCED: Final = 64  # responses


def read_history(
    store: ResponseStore, conversations: ConversationStore, project: str, parsed: ParsedSource, chain: Chain
) -> ParsedResponse:
    """The request after all that `previous_response_id` or `conversation` continues, with the items that it refers to.
    A blocking call.

    Raises `RequestError`: 404 for responses, conversations and items that are not stored for the project, 422 for a
    cyclic chain and for what `to_chat_request` refuses.
    """
    source = parsed.source
    history: list[tuple[str, InputItem]] = []
    if source.previous_response_id is not None:
        for _, content, output in store.read_chain(project, source.previous_response_id, chain.depth):
            items = [*decode_items(content), *decode_items(output)]
            history += [("previous_response_id", item) for item in items]
    elif source.conversation_id is not None:
        contents = conversations.read(project, source.conversation_id)
        history = [("conversation", decode_item(content)) for content in contents]
    if not isinstance(source.input, str):
        source.input = _resolve(store, project, source.input, {item.id: item for _, item in history})
    return to_chat_request(source, parsed.ignored, history)


def _resolve(
    store: ResponseStore, project: str, items: list[InputItem], found: dict[str | None, InputItem]
) -> list[InputItem]:
    """The items, with stored ones in place of references: those that are `found` already, or of other responses."""
    paths = {item.id: f"input[{index}].id" for index, item in enumerate(items) if isinstance(item, ItemReference)}
    if not paths:
        return items
    ids = {PREFIX + match[1] for name in paths if name not in found and (match := _ITEM_ID.fullmatch(name))}
    if len(ids) > _MAX_REFERENCED:
        text = f"`input` refers to items of {len(ids)} responses; at most {_MAX_REFERENCED} are possible."
        raise RequestError("invalid_value", text, param="input")
    contents = store.read_items(project, ids).values()
    found |= {item.id: item for pair in contents for content in pair for item in decode_items(content)}
    missing = next((name for name in paths if name not in found), None)
    if missing is not None:
        text = f"`{paths[missing]}`: no item of the id `{missing[:64]}` is stored."
        raise RequestError("not_found", text, param=paths[missing])
    return [found[item.id] if isinstance(item, ItemReference) else item for item in items]
