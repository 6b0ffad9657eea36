"""SentencePiece's byte pair encoding: any two neighbours may merge whose text is a token, the best score first.

The library merges by a list of pairs, so that list is computed here.
"""

import numpy as np
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from forefront.tokenizer.byte_pair import Merge, merge_model, space_split
from forefront.tokenizer.errors import TokenizerError
from forefront.tokenizer.pieces import SPACE
from forefront.tokenizer.token_table import BYTE, CONTROL, UNKNOWN, TokenTable


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
    ids, scores = table.ids, table.scores
    unused = {*table.of_type(CONTROL, UNKNOWN, BYTE)}
    merges: list[Merge] = []
    found: list[float] = []
    for token, text in enumerate(table.texts):
        if len(text) < 2 or token in unused:
            continue
        pairs = [(text[:cut], text[cut:]) for cut in range(1, len(text)) if text[:cut] in ids and text[cut:] in ids]
        if "<0x" in text:
            # The token of a byte stands for the byte, not for its own text.
            pairs = [pair for pair in pairs if not unused.intersection(map(ids.__getitem__, pair))]
        if len(pairs) > 1:
            pairs.sort(key=lambda pair: not text.startswith(pair[1]))
        merges += pairs
        found += [scores[token]] * len(pairs)
    order = np.argsort(-np.array(found, np.float64), kind="stable")
    return [merges[place] for place in order.tolist()]
