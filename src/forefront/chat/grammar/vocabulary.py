"""A model's tokens in the form that llguidance expects."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from llguidance import LLTokenizer, TokenizerWrapper


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """`pieces[id]` are the bytes of each token, empty for control tokens, whose texts are in `control` (text → id).
    `end_tokens` end an answer. Can be sent to another process."""

    pieces: Sequence[bytes]
    control: Mapping[str, int]
    end_tokens: frozenset[int]

    @property
    def words(self) -> int:
        """The number of 32-bit words in a mask."""
        return -(-len(self.pieces) // 32)


class _PieceIndex:
    """The tokens by their bytes. llguidance keeps it, so it must not refer to llguidance's objects: the garbage
    collector does not see cycles through them."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._longest = max(map(len, vocabulary.pieces))
        self._ids = {piece: token for token, piece in enumerate(vocabulary.pieces) if piece}

    def cut(self, data: bytes) -> list[int]:
        """A greedy tokenisation of `data`; bytes without a token are omitted. Every tokenisation of a text leads a
        grammar to the same state, so it need not be the model's own."""
        tokens, start = [], 0
        while start < len(data):
            found = self.longest(data, start)
            if found is not None:
                tokens.append(found[0])
            start = start + 1 if found is None else found[1]
        return tokens

    def longest(self, data: bytes, start: int) -> tuple[int, int] | None:
        """The longest token that `data` has at `start`, and where it ends; None if no token begins there."""
        for end in range(min(len(data), start + self._longest), start, -1):
            token = self._ids.get(data[start:end])
            if token is not None:
                return token, end
        return None


class TokenIndex:
    """Data computed once per vocabulary; takes up to a second for a large one.

    `masks` is llguidance's own index, with which it computes masks.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        pieces = _PieceIndex(vocabulary)
        self.vocabulary = vocabulary
        self.longest, self.cut = pieces.longest, pieces.cut
        wrapper = TokenizerWrapper(_Tokens(vocabulary, pieces))
        self.masks = LLTokenizer(wrapper, n_vocab=len(vocabulary.pieces), eos_token=sorted(vocabulary.end_tokens))


class _Tokens:
    """The interface of `TokenizerWrapper`: a vocabulary, and the tokens of a text."""

    def __init__(self, vocabulary: Vocabulary, index: _PieceIndex) -> None:
        self.eos_token_id = min(vocabulary.end_tokens)
        self.bos_token_id = None
        self.tokens = list(vocabulary.pieces)
        for text, token in vocabulary.control.items():
            self.tokens[token] = text.encode()
        self.special_token_ids = sorted({*vocabulary.control.values(), *vocabulary.end_tokens})
        self._index = index

    def __call__(self, text: bytes | str) -> list[int]:
        return self._index.cut(text.encode() if isinstance(text, str) else text)
