"""SentencePiece's byte pair encoding: any two neighbours may merge whose text is a token, the best score first.

The library merges by a list of pairs, so that list is computed here.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from forefront.tokenizer.byte_pair import Merge, merge_model, space_split
from forefront.tokenizer.errors import TokenizerError
from forefront.tokenizer.token_bytes import SPACE
from forefront.tokenizer.token_table import BYTE, CONTROL, UNKNOWN, TokenTable

_BASE: Final = 0x9E37_79B9_7F4A_7C15
_HASH_BITS: Final = 23
# Tokens that are cut at a time.
_BATCH: Final = 1 << 15


def score_pipelines(table: TokenTable, *, space_prefix: bool) -> tuple[Tokenizer, Tokenizer | None]:
    """The pipeline for a text from its beginning, and the one for what follows other text, None if it is the same.

    `space_prefix`: a text, and what follows a control token, gets a space before it. Raises `TokenizerError`.
    """
    if not table.scores:
        raise TokenizerError("it has no tokenizer.ggml.scores")
    model = merge_model(table, score_merges(table), ignore_merges=False, byte_fallback=True)
    model.unk_token = next((table.texts[token] for token in table.of_type(UNKNOWN)), None)
    spaces = normalizers.Replace(" ", SPACE)
    continued = _pipeline(model, spaces, table)
    if not space_prefix:
        return continued, None
    return _pipeline(model, normalizers.Sequence([normalizers.Prepend(SPACE), spaces]), table), continued


def _pipeline(model: models.BPE, normalizer: normalizers.Normalizer, table: TokenTable) -> Tokenizer:
    pipeline = Tokenizer(model)
    pipeline.normalizer = normalizer
    pipeline.pre_tokenizer = pre_tokenizers.Sequence(space_split(table.texts))
    return pipeline


def score_merges(table: TokenTable) -> list[Merge]:
    """Every pair of tokens that makes a token, the best score first.

    Among pairs that make the same token, SentencePiece takes the one that is further left in the text. They overlap
    only where the token repeats itself; there, the pair that begins with the repetition is further left.
    """
    ids, texts = table.ids, table.texts
    unused = {*table.of_type(CONTROL, UNKNOWN, BYTE)}
    # A byte token represents the byte, not its own text.
    with_bytes = {token for token, text in enumerate(texts) if "<0x" in text}
    merges: list[Merge] = []
    tokens: list[int] = []
    repeats: list[bool] = []
    for token, cut in _likely_cuts(texts):
        text = texts[token]
        left, right = text[:cut], text[cut:]
        if token in unused or left not in ids or right not in ids:
            continue
        if token in with_bytes and (ids[left] in unused or ids[right] in unused):
            continue
        merges.append((left, right))
        tokens.append(token)
        repeats.append(text.startswith(right))
    made = np.array(tokens, np.int64)
    order = np.lexsort((~np.array(repeats, bool), made, -np.array(table.scores, np.float64)[made]))
    return [merges[place] for place in order.tolist()]


def _likely_cuts(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Tokens, and places at which they can be cut into two tokens, with a few at which they cannot.

    A large vocabulary has millions of places, so they are filtered by hashes of both parts.
    """
    known = np.zeros(1 << _HASH_BITS, bool)
    for first in range(0, len(texts), _BATCH):
        hashes = _Hashes(texts[first : first + _BATCH])
        known[hashes.of(hashes.starts, hashes.ends)] = True
    for first in range(0, len(texts), _BATCH):
        hashes = _Hashes(texts[first : first + _BATCH])
        tokens = np.repeat(np.arange(len(hashes.starts)), hashes.ends - hashes.starts)
        places = np.arange(len(tokens))
        kept = places > hashes.starts[tokens]
        tokens, places = tokens[kept], places[kept]
        kept = known[hashes.of(hashes.starts[tokens], places)]
        tokens, places = tokens[kept], places[kept]
        kept = known[hashes.of(places, hashes.ends[tokens])]
        tokens, places = tokens[kept], places[kept]
        yield from zip((tokens + first).tolist(), (places - hashes.starts[tokens]).tolist(), strict=True)


class _Hashes:
    """Hashes of parts of texts: polynomials of the characters modulo 2^64, from differences of running sums."""

    def __init__(self, texts: Sequence[str]) -> None:
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        self.ends = lengths.cumsum()
        self.starts = self.ends - lengths
        characters = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
        powers = np.full(len(characters) + 1, _BASE, np.uint64)
        powers[0] = 1
        self._inverses = np.full_like(powers, pow(_BASE, -1, 1 << 64))
        self._inverses[0] = 1
        self._inverses = self._inverses.cumprod()
        values = (characters + np.uint64(1)) * powers.cumprod()[:-1]
        self._sums = np.concatenate([np.zeros(1, np.uint64), values.cumsum()])

    def of(self, first: npt.NDArray[np.int64], end: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
        """The hashes of the characters from `first` to `end`, of all texts one after the other."""
        found: npt.NDArray[np.uint64] = (self._sums[end] - self._sums[first]) * self._inverses[first]
        return found >> np.uint64(64 - _HASH_BITS)
