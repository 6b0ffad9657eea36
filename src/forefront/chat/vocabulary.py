"""A model's tokens as llguidance wants them."""

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

    def tokenizer(self) -> LLTokenizer:
        """The index of all tokens that masks are computed with; takes up to a second for a large vocabulary."""
        wrapper = TokenizerWrapper(_Tokens(self))
        return LLTokenizer(wrapper, n_vocab=len(self.pieces), eos_token=sorted(self.end_tokens))


class _Tokens:
    """What `TokenizerWrapper` reads, and whom it asks for the tokens of a text."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.eos_token_id = min(vocabulary.end_tokens)
        self.bos_token_id = None
        self.tokens = list(vocabulary.pieces)
        for text, token in vocabulary.control.items():
            self.tokens[token] = text.encode()
        self.special_token_ids = sorted({*vocabulary.control.values(), *vocabulary.end_tokens})
        self._longest = max(map(len, self.tokens))
        self._ids = {piece: token for token, piece in enumerate(vocabulary.pieces) if piece}

    def __call__(self, text: bytes | str) -> list[int]:
        """Tokens of `text`, always the longest that fits. Whatever way a text is cut, a grammar is then in the same
        state, so it need not be the model's own; bytes that no token has are left out."""
        data = text.encode() if isinstance(text, str) else text
        tokens, start = [], 0
        while start < len(data):
            for end in range(min(len(data), start + self._longest), start, -1):
                token = self._ids.get(data[start:end])
                if token is not None:
                    tokens.append(token)
                    break
            else:
                end = start + 1
            start = end
        return tokens
