"""Conversations: the bodies of responses."""

from typing import Literal

from forefront.wire.record import Record


class Conversation(Record, kw_only=True):
    """A conversation. `created_at` is in seconds since 1970."""

    id: str
    object: Literal["conversation"] = "conversation"
    created_at: int
    metadata: dict[str, str]


class DeletedConversation(Record, kw_only=True):
    """The conversation is deleted, with its items."""

    id: str
    object: Literal["conversation.deleted"] = "conversation.deleted"
    deleted: Literal[True] = True
