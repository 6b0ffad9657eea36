"""A tokenizer for grammars: a token for each byte, and tokens for markers."""

from collections.abc import Sequence

from llguidance import LLTokenizer, TokenizerWrapper


class _Bytes:
    """The interface that `TokenizerWrapper` reads."""

    bos_token_id = None

    def __init__(self, pieces: Sequence[bytes], end: int) -> None:
        self.eos_token_id = end
        self.tokens = pieces
        self.special_token_ids = tuple(range(256, len(pieces)))

    def __call__(self, text: bytes | str) -> list[int]:
        return list(text.encode() if isinstance(text, str) else text)


def byte_tokenizer(pieces: Sequence[bytes], end: int) -> LLTokenizer:
    """`pieces`: the 256 bytes, then control tokens. `end`: the id of the end token."""
    return LLTokenizer(TokenizerWrapper(_Bytes(pieces, end)), n_vocab=len(pieces))
