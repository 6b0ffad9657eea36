"""Conversations: the bodies of requests."""

from dataclasses import dataclass
from typing import Annotated, Final, Generic, TypeVar

import msgspec
from msgspec import Meta

from forefront.wire.completions.parse import convert_fields, read_fields
from forefront.wire.responses.items import WholeItem
from forefront.wire.responses.parse import CHOICES, complete_items
from forefront.wire.responses.refused_fields import FIELD_TABLES
from forefront.wire.responses.request import Metadata

MAX_ADDED: Final = 20  # items of one request
S = TypeVar("S", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Parsed(Generic[S]):
    """A body, and the paths of its fields without effect."""

    body: S
    ignored: tuple[str, ...]


class NewConversation(msgspec.Struct, kw_only=True):
    """The body of `POST /v1/conversations`: its first items, and labels."""

    items: Annotated[list[WholeItem], Meta(max_length=MAX_ADDED)] = msgspec.field(default_factory=list)
    metadata: Metadata = msgspec.field(default_factory=dict)


class ConversationChange(msgspec.Struct, kw_only=True):
    """The body of `POST /v1/conversations/{id}`: the new labels, in place of the old ones."""

    metadata: Metadata


class NewItems(msgspec.Struct, kw_only=True):
    """The body of `POST /v1/conversations/{id}/items`: the items to append."""

    items: Annotated[list[WholeItem], Meta(min_length=1, max_length=MAX_ADDED)]


def parse_new_conversation(body: bytes | bytearray) -> Parsed[NewConversation]:
    """The body of `POST /v1/conversations`, which may be empty. Raises `RequestError` (400, 422)."""
    return _parse(body or b"{}", NewConversation)


def parse_conversation_change(body: bytes | bytearray) -> Parsed[ConversationChange]:
    """The body of `POST /v1/conversations/{id}`. Raises `RequestError` (400, 422)."""
    return _parse(body, ConversationChange)


def parse_new_items(body: bytes | bytearray) -> Parsed[NewItems]:
    """The body of `POST /v1/conversations/{id}/items`. Raises `RequestError` (400, 422)."""
    return _parse(body, NewItems)


def _parse(body: bytes | bytearray, kind: type[S]) -> Parsed[S]:
    fields = read_fields(body)
    complete_items(fields.get("items"))
    parsed, ignored = convert_fields(fields, kind, FIELD_TABLES, CHOICES)
    return Parsed(parsed, ignored)
