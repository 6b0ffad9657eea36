"""Whether a prompt and its answer fit into the context."""

from forefront.wire.errors import ApiError

# A tokenizer may leave out or shorten some of a text: so many bytes may stand behind one token at least.
_BYTES_PER_TOKEN = 16
# A template may leave out messages, or parts of them: conversations up to so many times the bound are rendered.
_LEFT_OUT = 4


def fit(prompt: int, wanted: int | None, limit: int) -> int:
    """The longest answer that a request can have: what it wants, or what is left. In tokens. Raises `ApiError`
    `context_length_exceeded`, with the numbers, where that does not fit."""
    most = wanted if wanted is not None else max(limit - prompt, 1)
    excess = prompt + most - limit
    if excess <= 0:
        return most
    if prompt >= limit:
        text = f"The prompt has {prompt} tokens; with room for an answer that is {excess} more than the"
        raise ApiError("context_length_exceeded", f"{text} context of {limit}.", param="messages")
    text = f"The prompt has {prompt} tokens and `max_tokens` asks for {most} more: {excess} over"
    raise ApiError("context_length_exceeded", f"{text} the context of {limit}.", param="max_tokens")


class TextBound:
    """Refuses texts that cannot fit, by their bytes, before they are encoded. `limit` is the context in tokens;
    `longest` are the bytes of the longest token."""

    def __init__(self, limit: int, longest: int) -> None:
        self._limit = limit
        self._token = max(longest, _BYTES_PER_TOKEN)

    def check(self, text: str, param: str) -> None:
        """Raises `ApiError` `context_length_exceeded` with the fewest tokens that `text` can have."""
        # A character has at most four bytes, so most texts need not be encoded to be found short enough.
        most = self._limit * self._token
        if 4 * len(text) <= most or (size := len(text.encode("utf-8", "surrogatepass"))) <= most:
            return
        least = -(-size // self._token)
        excess = max(least + 1 - self._limit, 1)
        raise ApiError(
            "context_length_exceeded",
            f"The prompt has {size} bytes of text, which are at least {least} tokens of {self._token} bytes; with "
            f"room for an answer that is at least {excess} more than the context of {self._limit}.",
            param=param,
        )

    def check_messages(self, size: int) -> None:
        """Raises the same for messages of `size` characters that cannot fit, whatever their template leaves out."""
        most = self._limit * self._token * _LEFT_OUT
        if size > most:
            text = f"The messages have {size} characters; {most} are more than fit into the context of {self._limit} "
            text += "tokens, whatever the model's chat template leaves out."
            raise ApiError("context_length_exceeded", text, param="messages")
