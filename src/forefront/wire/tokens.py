"""`POST /v1/tokenize` and `POST /v1/detokenize`: requests and responses."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from forefront.wire.completions.message import Message
from forefront.wire.completions.request import ChatRequest, NonEmpty, TokenId
from forefront.wire.completions.tools import MAX_TOOLS, Tool
from forefront.wire.record import Record

# Characters of a text, and ids of a list: more than any context holds.
MAX_TEXT: Final = 2**20
MAX_TOKENS: Final = 2**20


class TokenizeRequest(msgspec.Struct, kw_only=True):
    """A text (`prompt`), or a conversation that is rendered with the model's chat template (`messages`, `tools`).

    With `add_special_tokens`, the default, a text gets the tokens that the model expects at the beginning of a prompt,
    as in `POST /v1/completions`. `return_token_strs` adds the text of each token. `content` and `add_special` are
    llama.cpp's names for `prompt` and `add_special_tokens`.
    """

    model: NonEmpty
    prompt: Annotated[str, Meta(max_length=MAX_TEXT)] | None = None
    messages: Annotated[list[Message], Meta(min_length=1, max_length=4096)] | None = None
    tools: Annotated[list[Tool], Meta(max_length=MAX_TOOLS)] | None = None
    add_special_tokens: bool | None = None
    return_token_strs: bool | None = None

    @property
    def conversation(self) -> ChatRequest | None:
        """The messages as a request for an answer."""
        if self.messages is None:
            return None
        return ChatRequest(model=self.model, messages=self.messages, tools=self.tools)


class DetokenizeRequest(msgspec.Struct, kw_only=True):
    """Token ids of a model."""

    model: NonEmpty
    tokens: Annotated[list[TokenId], Meta(max_length=MAX_TOKENS)]


class TokenizeResult(Record, kw_only=True, omit_defaults=True):
    """The ids of the tokens and their number (`count`). `max_model_len` is the model's context in tokens. In
    `token_strs` the text of a control token is its name; bytes that are no whole character show as U+FFFD."""

    model: str
    count: int
    max_model_len: int
    tokens: list[int]
    token_strs: list[str] | None = None


class DetokenizeResult(Record, kw_only=True):
    """The text of the tokens, control tokens by their names. `content` is llama.cpp's name for `prompt`."""

    model: str
    prompt: str
    content: str
