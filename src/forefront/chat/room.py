"""Whether a prompt and its answer fit into the context. All in tokens."""

from forefront.wire.errors import ApiError


def fit(prompt: int, wanted: int | None, limit: int) -> int:
    """The longest answer that a request can have: what it wants, or what is left. Raises `ApiError`
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
