"""Bounds of a prompt's tokens, known before the upstream has read it."""

from collections.abc import Callable
from typing import Final

import msgspec

from forefront.wire.completions.message import MediaPart, Message
from forefront.wire.completions.request import ChatRequest, CompletionRequest

# Tokens that a chat template adds to a conversation, and to each message.
_TEMPLATE: Final = 64
_MESSAGE: Final = 16
# Tokens of an image, a sound or a file: an upper bound for most servers, replaced by the reported usage.
MEDIA_TOKENS: Final = 4096

Counter = Callable[[str], int]


def byte_length(text: str) -> int:
    """The bytes of a text in UTF-8, at least its tokens in nearly every vocabulary."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def prompt_bound(request: ChatRequest | CompletionRequest, count: Counter = byte_length) -> int:
    """The most tokens that all prompts of a request can have. `count` counts or bounds those of a text."""
    if isinstance(request, CompletionRequest):
        return sum(count(prompt) + 1 if isinstance(prompt, str) else len(prompt) for prompt in request.prompts)
    size = _TEMPLATE + sum(_message_bound(message, count) for message in request.messages)
    if request.tools:
        size += count(msgspec.json.encode([tool.function for tool in request.tools]).decode("utf-8", "replace"))
    if request.response_format is not None:
        size += count(msgspec.json.encode(request.response_format).decode("utf-8", "replace"))
    return size


def prompt_bytes(request: ChatRequest | CompletionRequest) -> int:
    """The bytes of all text of a request."""
    return prompt_bound(request, byte_length)


def prediction_bytes(request: ChatRequest | CompletionRequest) -> int:
    """The bytes of a predicted answer. OpenAI counts its rejected tokens as output."""
    if isinstance(request, CompletionRequest) or request.prediction is None:
        return 0
    return byte_length(request.prediction.text)


def _message_bound(message: Message, count: Counter) -> int:
    size = _MESSAGE + count(message.text)
    if message.reasoning_text:
        size += count(message.reasoning_text)
    for call in message.tool_calls or ():
        size += _MESSAGE + count(call.function.name) + count(call.function.arguments)
    if isinstance(message.content, list):
        size += MEDIA_TOKENS * sum(isinstance(part, MediaPart) for part in message.content)
    return size + (count(message.name) if message.name else 0)
