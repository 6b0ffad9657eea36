"""SentencePiece's byte pair encoding: any two neighbours may merge whose text is a token, the best score first.

The library merges by a list of pairs, so that list is computed here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from forefront.tokenizer.algorithms.byte_pair import merge_model, space_split
from forefront.tokenizer.algorithms.text_normalizer import text_normalizer
from forefront.tokenizer.errors import TokenizerError
from forefront.tokenizer.vocabulary.saved_merges import Pairs, SavedMerges
from forefront.tokenizer.vocabulary.token_table import BYTE, CONTROL, UNKNOWN, TokenTable, setting

Ids = npt.NDArray[np.int64]

_BASE: Final = 0x9E37_79B9_7F4A_7C15
_HASH_BITS: Final = 23
# Tokens that are cut per batch, and the characters of their parts.
_BATCH: Final = 1 << 15
_CHARACTERS: Final = 1 << 24


def score_pipelines(
    metadata: Mapping[str, Any], table: TokenTable, saved: SavedMerges | None
) -> tuple[Tokenizer, Tokenizer | None]:
    """The pipeline for a text from its beginning, and the one for what follows other text, None if it is the same.

    `saved`: keeps the merges for the next time. Where the model prefixes a space, what follows a control token gets one
    too. Raises `TokenizerError`.
    """
    if not table.scores:
        raise TokenizerError("it has no tokenizer.ggml.scores")
    pairs = score_merges(table) if saved is None else saved.get(len(table.texts), lambda: score_merges(table))
    left, right = (map(table.texts.__getitem__, ids) for ids in pairs.T.tolist())
    model = merge_model(table, list(zip(left, right, strict=True)), ignore_merges=False, byte_fallback=True)
    model.unk_token = next((table.texts[token] for token in table.of_type(UNKNOWN)), None)
    model.fuse_unk = True
    continued = _pipeline(model, text_normalizer(metadata, prefix=False), table)
    if not setting(metadata, "add_space_prefix", bool, True):
        return continued, None
    return _pipeline(model, text_normalizer(metadata, prefix=True), table), continued


def _pipeline(model: models.BPE, normalizer: normalizers.Normalizer, table: TokenTable) -> Tokenizer:
    pipeline = Tokenizer(model)
    pipeline.normalizer = normalizer
    pipeline.pre_tokenizer = pre_tokenizers.Sequence(space_split(table.texts))
    return pipeline


def score_merges(table: TokenTable) -> Pairs:
    """Every pair of tokens that makes a token, the best score first, as their ids [merges, 2].

    Among pairs that make the same token, SentencePiece takes the one that is further left in the text. They overlap
    only where the token repeats itself; there, the pair that begins with the repetition is further left.
    """
    cuts = _all_cuts(table)
    unused = np.isin(table.types, (CONTROL, UNKNOWN, BYTE))
    # A byte token represents the byte, not its own text.
    with_bytes = np.zeros(len(table.texts), bool)
    with_bytes[[token for token, text in enumerate(table.texts) if "<0x" in text]] = True
    bytes_as_text = with_bytes[cuts.made] & (unused[cuts.left] | unused[cuts.right])
    cuts = cuts.where(~unused[cuts.made] & ~bytes_as_text)
    made, right = (map(table.texts.__getitem__, ids.tolist()) for ids in (cuts.made, cuts.right))
    repeats = np.fromiter(map(str.startswith, made, right), bool, len(cuts.made))
    order = np.lexsort((~repeats, cuts.made, -np.array(table.scores, np.float64)[cuts.made]))
    return np.stack([cuts.left[order], cuts.right[order]], axis=1).astype(np.int32)


@dataclass(frozen=True, slots=True)
class _Cuts:
    """The ids of tokens, and of the two tokens that each can be cut into."""

    made: Ids
    left: Ids
    right: Ids

    def where(self, kept: npt.NDArray[np.bool_]) -> "_Cuts":
        return _Cuts(self.made[kept], self.left[kept], self.right[kept])


def _all_cuts(table: TokenTable) -> _Cuts:
    """Every way to cut a token into two, in the order of tokens and places. Calls in C alone: there are half a million
    in a large vocabulary."""
    texts, find = table.texts, table.ids.get
    found = []
    for tokens, places in _likely_cuts(texts):
        whole = [texts[token] for token in tokens.tolist()]
        cuts = places.tolist()
        parts = (
            [text[:cut] for text, cut in zip(whole, cuts, strict=True)],
            [text[cut:] for text, cut in zip(whole, cuts, strict=True)],
        )
        left, right = (np.fromiter(map(find, part, repeat(-1)), np.int64, len(part)) for part in parts)
        found.append(_Cuts(tokens, left, right).where((left >= 0) & (right >= 0)))
    return _Cuts(*(np.concatenate([getattr(part, name) for part in found]) for name in ("made", "left", "right")))


def _likely_cuts(texts: Sequence[str]) -> Iterator[tuple[Ids, Ids]]:
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
        # Both parts of every cut are made at the same time, so long tokens are divided among several batches.
        sizes = (hashes.ends - hashes.starts)[tokens]
        bounds = np.flatnonzero(np.diff(sizes.cumsum() // _CHARACTERS)) + 1
        places -= hashes.starts[tokens]
        yield from zip(np.split(tokens + first, bounds), np.split(places, bounds), strict=True)


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

    def of(self, first: Ids, end: Ids) -> npt.NDArray[np.uint64]:
        """The hashes of the characters from `first` to `end`, of all texts one after the other."""
        found: npt.NDArray[np.uint64] = (self._sums[end] - self._sums[first]) * self._inverses[first]
        return found >> np.uint64(64 - _HASH_BITS)
