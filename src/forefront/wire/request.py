"""What a client may ask: the fields of a chat-completion request, their types and their ranges."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

MAX_STOPS = 16
MAX_CHOICES = 16

NonEmpty = Annotated[str, Meta(min_length=1)]
Penalty = Annotated[float, Meta(ge=-2, le=2)]
Positive = Annotated[int, Meta(ge=1, le=2**31 - 1)]


class Message(msgspec.Struct, kw_only=True):
    """One turn of the conversation."""

    role: Literal["system", "user", "assistant"]
    content: str
    name: str | None = None


class StreamOptions(msgspec.Struct, kw_only=True):
    """How a stream is sent: with `include_usage` a last chunk carries the usage of the whole request."""

    include_usage: bool | None = None


class ChatRequest(msgspec.Struct, kw_only=True):
    """The body of `POST /v1/chat/completions`. Every field here has an effect; there are no others.

    `null` means the same as leaving a field out. `max_tokens` counts the answer's tokens (default: what is left of the
    context). `temperature` 0 is greedy. `top_k` 0 and `top_p` 1 and `min_p` 0 keep every token. `seed` makes sampling
    repeatable. `logit_bias` maps token ids, written as strings, to a number added to their logits.
    """

    model: NonEmpty
    messages: Annotated[list[Message], Meta(min_length=1, max_length=4096)]
    max_tokens: Positive | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None = None
    min_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    stop: NonEmpty | Annotated[list[NonEmpty], Meta(max_length=MAX_STOPS)] | None = None
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    n: Annotated[int, Meta(ge=1, le=MAX_CHOICES)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    repetition_penalty: Annotated[float, Meta(gt=0, le=2)] | None = None
    logit_bias: dict[str, Annotated[float, Meta(ge=-100, le=100)]] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None

    @property
    def stops(self) -> list[str]:
        """The stop strings, none, one or many, as a list."""
        if self.stop is None:
            return []
        return [self.stop] if isinstance(self.stop, str) else self.stop
