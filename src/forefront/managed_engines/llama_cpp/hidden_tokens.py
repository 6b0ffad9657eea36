"""Tokens that llama.cpp's stream leaves out: those that end within a character.

The next event has the text of all of them, and their number is known. Their ids follow from both, except that other
tokens may encode the same bytes, and so the same text.
"""

from collections.abc import Sequence
from typing import Final

# More tokens than a character has bytes, because a letter may be part of a longer token.
_MAXIMUM: Final = 8


class PieceIndex:
    """The tokens of a vocabulary by their bytes. `pieces[id]` are the bytes of each token."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._pieces = pieces
        self._ids: dict[bytes, int] = {}
        for token, piece in enumerate(pieces):
            if piece:
                self._ids.setdefault(piece, token)
        self._longest = max(map(len, self._ids), default=1)

    def split(self, text: bytes, following: Sequence[int], count: int) -> list[int] | None:
        """`count` tokens that, together with those `following`, are `text`; None where there are none."""
        end = b"".join(self._pieces[token] for token in following if token < len(self._pieces))
        if count > _MAXIMUM or not text.endswith(end):
            return None
        return self._split(text[: len(text) - len(end)], count)

    def _split(self, data: bytes, count: int) -> list[int] | None:
        if count == 0:
            return None if data else []
        # Each of the other tokens has a byte at least.
        for length in range(min(len(data) - count + 1, self._longest), 0, -1):
            token = self._ids.get(data[:length])
            if token is not None and (rest := self._split(data[length:], count - 1)) is not None:
                return [token, *rest]
        return None
