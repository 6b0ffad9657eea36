"""SentencePiece's unigram model: of all ways to write a text in tokens, the one with the best sum of scores."""

from collections.abc import Mapping
from typing import Any

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

from forefront.tokenizer.algorithms.text_normalizer import text_normalizer
from forefront.tokenizer.errors import TokenizerError, library_errors
from forefront.tokenizer.vocabulary.token_table import (
    BYTE,
    CONTROL,
    NORMAL,
    UNKNOWN,
    USER_DEFINED,
    TokenTable,
    setting,
    token_setting,
)


def unigram_pipelines(metadata: Mapping[str, Any], table: TokenTable) -> tuple[Tokenizer, Tokenizer | None]:
    """The pipeline for a text from its beginning, and the one for what follows other text, None if it is the same.
    Raises `TokenizerError`."""
    prefix = setting(metadata, "add_space_prefix", bool, False)
    model = _model(metadata, table)
    cut = _byte_cut(table)
    continued = _pipeline(model, text_normalizer(metadata, prefix=False), cut)
    if not prefix:
        return continued, None
    return _pipeline(model, text_normalizer(metadata, prefix=True), cut), continued


def _byte_cut(table: TokenTable) -> pre_tokenizers.PreTokenizer | None:
    """Cuts a text that is the name of a byte token, such as `<0x41>`: without a token for `<`, the name would be the
    best way to write it. None where a token of text reaches over the cut."""
    if not table.of_type(BYTE) or any("<0" in table.texts[token] for token in table.of_type(NORMAL, USER_DEFINED)):
        return None
    return pre_tokenizers.Split(Regex("(?<=<)(?=0x[0-9A-F]{2}>)"), "isolated")


def _model(metadata: Mapping[str, Any], table: TokenTable) -> models.Unigram:
    if not table.scores:
        raise TokenizerError("it has no tokenizer.ggml.scores")
    unknown = token_setting(metadata, "unknown", len(table.texts), 2)
    # A token that is never chosen still needs a place in the list, where ids are positions.
    scores = [
        -1e9 if kind in (CONTROL, UNKNOWN, BYTE) else 0.0 if kind == USER_DEFINED else float(score)
        for kind, score in zip(table.types, table.scores, strict=True)
    ]
    with library_errors("its tokens cannot be a unigram model"):
        return models.Unigram(list(zip(table.texts, scores, strict=True)), unknown, len(table.of_type(BYTE)) == 256)


def _pipeline(
    model: models.Unigram, normalizer: normalizers.Normalizer, cut: pre_tokenizers.PreTokenizer | None
) -> Tokenizer:
    pipeline = Tokenizer(model)
    pipeline.normalizer = normalizer
    if cut is not None:
        pipeline.pre_tokenizer = cut
    return pipeline
