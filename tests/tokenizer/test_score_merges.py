"""The merges of a SentencePiece vocabulary are all pairs of tokens that make a token."""

import numpy as np
import pytest

from forefront.tokenizer.algorithms import sentencepiece
from forefront.tokenizer.algorithms.sentencepiece import score_merges
from forefront.tokenizer.vocabulary.token_table import NORMAL, UNKNOWN, TokenTable


def test_merges_are_the_same_in_batches_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["<unk>", *("a" * length for length in range(1, 60)), "b", "ab", "aab", "ba"]
    ids = {text: token for token, text in enumerate(texts)}
    types = np.array([UNKNOWN, *[NORMAL] * (len(texts) - 1)])
    table = TokenTable(texts, ids, types, [-float(token % 7) for token in range(len(texts))])
    found = score_merges(table)
    cuts = ((text[:place], text[place:]) for text in texts[1:] for place in range(1, len(text)))
    wanted = sorted((ids[left], ids[right]) for left, right in cuts if left in ids and right in ids)
    assert sorted(map(tuple, found.tolist())) == wanted
    scores = [table.scores[ids[texts[left] + texts[right]]] for left, right in found.tolist()]
    assert scores == sorted(scores, reverse=True)
    monkeypatch.setattr(sentencepiece, "_CHARACTERS", 50)
    monkeypatch.setattr(sentencepiece, "_BATCH", 8)
    assert np.array_equal(score_merges(table), found)


def test_a_vocabulary_without_merges_has_none() -> None:
    table = TokenTable(["<unk>", "a"], {"<unk>": 0, "a": 1}, np.array([UNKNOWN, NORMAL]), [0.0, 0.0])
    assert score_merges(table).shape == (0, 2)
