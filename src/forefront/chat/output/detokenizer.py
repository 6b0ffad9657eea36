"""Incremental detokenisation; emits whole characters only."""

import codecs
from collections.abc import Sequence


class Detokenizer:
    """Incremental decoder of one answer. `pieces[id]` are the bytes of each token.

    Bytes that do not complete a character are held back; bytes that cannot be part of a character become U+FFFD. An
    incomplete character at the end of the answer is never shown.
    """

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._pieces = pieces
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, token: int) -> str:
        """The text that `token` completes, often none."""
        return self._decoder.decode(self._pieces[token] if token < len(self._pieces) else b"")
