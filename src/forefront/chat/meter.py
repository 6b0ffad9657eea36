"""What a request uses, counted by the backend that answers it."""

from typing import Protocol


class Meter(Protocol):
    """Says when one request may begin, and holds what it used: true at the end, however that came.

    Tokens: `cached_tokens` of the prompt came from the KV cache, `output_tokens` were sampled over all choices,
    `reasoning_tokens` of those within reasoning.
    """

    output_tokens: int
    reasoning_tokens: int

    async def admit(self, input_tokens: int, output_tokens: int) -> None:
        """Called once, before anything is computed, with the prompt's length and the most that can be sampled.

        Returns when the work may begin; raises `ApiError` if it may not.
        """

    def begin(self, cached_tokens: int) -> None:
        """Called with the first token."""

    def end_turn(self, output_tokens: int) -> None:
        """Called once the engine has finished, with what it sampled; the client may still have to read it."""
