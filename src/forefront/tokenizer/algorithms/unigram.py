"""SentencePiece's unigram model: of all ways to write a text in tokens, the one with the best sum of scores."""

from collections.abc import Mapping
from typing import Any

from tokenizers import Tokenizer, models, normalizers

from forefront.tokenizer.algorithms.text_normalizer import text_normalizer
from forefront.tokenizer.errors import TokenizerError, library_errors
from forefront.tokenizer.vocabulary.token_table import (
    BYTE,
    CONTROL,
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
    continued = _pipeline(model, text_normalizer(metadata, prefix=False))
    if not prefix:
        return continued, None
    return _pipeline(model, text_normalizer(metadata, prefix=True)), continued


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


def _pipeline(model: models.Unigram, normalizer: normalizers.Normalizer) -> Tokenizer:
    pipeline = Tokenizer(model)
    pipeline.normalizer = normalizer
    return pipeline
