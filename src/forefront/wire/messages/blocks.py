"""Content blocks of a request's messages."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

Id = Annotated[str, Meta(min_length=1, max_length=256)]


class CacheControl(msgspec.Struct, kw_only=True):
    """A place up to which to cache the prompt. It has no effect: every prompt is cached, for as long as there is
    room."""

    type: Literal["ephemeral"]
    ttl: Literal["5m", "1h"] | None = None


class TextBlock(msgspec.Struct, kw_only=True, tag_field="type", tag="text"):
    """A text."""

    text: str
    cache_control: CacheControl | None = None


class SystemBlock(msgspec.Struct, kw_only=True):
    """A text of the system."""

    type: Literal["text"]
    text: str
    cache_control: CacheControl | None = None


class Base64Source(msgspec.Struct, kw_only=True, tag_field="type", tag="base64"):
    """An image in base64."""

    media_type: Literal["image/jpeg", "image/png", "image/gif", "image/webp"]
    data: Annotated[str, Meta(min_length=1)]

    @property
    def address(self) -> str:
        """The image as a `data:` URL."""
        return f"data:{self.media_type};base64,{self.data}"


class UrlSource(msgspec.Struct, kw_only=True, tag_field="type", tag="url"):
    """The address of an image."""

    url: Annotated[str, Meta(min_length=1)]

    @property
    def address(self) -> str:
        """The address."""
        return self.url


class ImageBlock(msgspec.Struct, kw_only=True, tag_field="type", tag="image"):
    """An image, for models with an upstream that reads images."""

    source: Base64Source | UrlSource
    cache_control: CacheControl | None = None


class ToolUseBlock(msgspec.Struct, kw_only=True, tag_field="type", tag="tool_use"):
    """A call of a tool that the model made."""

    id: Id
    name: str
    input: dict[str, Any]
    cache_control: CacheControl | None = None


class ToolReferenceBlock(msgspec.Struct, kw_only=True, tag_field="type", tag="tool_reference"):
    """A tool with `defer_loading` that a search has found: from now on the model reads it."""

    tool_name: str
    cache_control: CacheControl | None = None


class ToolResultBlock(msgspec.Struct, kw_only=True, tag_field="type", tag="tool_result"):
    """The result of the call `tool_use_id`. The model reads an `is_error` result after the line `Error:`. Images follow
    the results, as a part of the user's message."""

    tool_use_id: Id
    content: str | list[TextBlock | ImageBlock | ToolReferenceBlock] | None = None
    is_error: bool | None = None
    cache_control: CacheControl | None = None


class ThinkingBlock(msgspec.Struct, kw_only=True, tag_field="type", tag="thinking"):
    """Reasoning of the model. Where `thinking` is empty, `signature` holds it. A signature beside a text is not
    checked."""

    thinking: str
    signature: str | None = None


class RedactedThinkingBlock(msgspec.Struct, kw_only=True, tag_field="type", tag="redacted_thinking"):
    """Reasoning of the model in another form: the `signature` of a thinking block of this server."""

    data: str


Block = TextBlock | ImageBlock | ToolUseBlock | ToolResultBlock | ThinkingBlock | RedactedThinkingBlock
