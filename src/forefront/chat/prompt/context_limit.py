"""Whether a prompt and its answer fit into the context."""

from forefront.wire.errors import RequestError

# A tokenizer may omit or shorten parts of a text: one token may represent at least this many bytes.
_BYTES_PER_TOKEN = 16
# A template may omit messages or parts of them, so conversations up to this multiple of the bound are rendered.
_LEFT_OUT = 4


def fit_answer(prompt: int, wanted: int | None, limit: int) -> int:
    """The longest answer that a request can have, in tokens: `wanted`, or what is left of the context of `limit`.

    Raises `RequestError` `context_length_exceeded`, with the numbers, where prompt and answer do not fit. Its texts
    hold "maximum context length is" and "prompt is too long": clients recognise an overflow by these words.
    """
    maximum = wanted if wanted is not None else max(limit - prompt, 1)
    excess = prompt + maximum - limit
    if excess <= 0:
        return maximum
    if prompt >= limit:
        text = (
            f"{_limit(limit)} The prompt is too long: it has {prompt} tokens, {excess} more than fit with room for an "
            "answer."
        )
        raise RequestError("context_length_exceeded", text, param="messages")
    text = (
        f"{_limit(limit)} The prompt is too long for an answer of {maximum} tokens (`max_tokens`): it has {prompt}, "
        f"together {excess} more than fit."
    )
    raise RequestError("context_length_exceeded", text, param="max_tokens")


def _limit(limit: int) -> str:
    return f"This model's maximum context length is {limit} tokens."


class PromptSizeLimit:
    """Refuses texts that cannot fit, by their bytes, before they are encoded. `limit` is the context in tokens;
    `longest` are the bytes of the longest token. `answered`: the model continues the texts, by at least one token."""

    def __init__(self, limit: int, longest: int, *, answered: bool = True) -> None:
        self._limit, self._answered = limit, answered
        self._token = max(longest, _BYTES_PER_TOKEN)

    def check(self, text: str, param: str, what: str = "prompt") -> None:
        """Raises `RequestError` `context_length_exceeded` with the fewest tokens that `text`, the `what` of a request,
        can have."""
        # A character has at most four bytes, so most texts need not be encoded to be found short enough.
        maximum = self._limit * self._token
        if 4 * len(text) <= maximum or (size := len(text.encode("utf-8", "surrogatepass"))) <= maximum:
            return
        minimum = -(-size // self._token)
        excess = max(minimum + self._answered - self._limit, 1)
        text = (
            f"{_limit(self._limit)} The {what} is too long: its {size} bytes of text are at least {minimum} tokens of "
            f"{self._token} bytes, which is at least {excess} more than fit"
        )
        text += " with room for an answer." if self._answered else "."
        raise RequestError("context_length_exceeded", text, param=param)

    def check_messages(self, size: int) -> None:
        """Raises the same for messages of `size` characters that no template can make fit."""
        maximum = self._limit * self._token * _LEFT_OUT
        if size > maximum:
            text = (
                f"{_limit(self._limit)} The prompt is too long: its messages have {size} characters, and more than "
                f"{maximum} cannot fit."
            )
            raise RequestError("context_length_exceeded", text, param="messages")
