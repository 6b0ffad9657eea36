"""WordPiece, as BERT has it: the longest token at the beginning of a word, then the longest at each following
position."""

from collections.abc import Mapping
from typing import Any

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from forefront.tokenizer.vocabulary.token_bytes import SPACE
from forefront.tokenizer.vocabulary.token_table import TokenTable, setting, token_setting


def word_pipeline(metadata: Mapping[str, Any], table: TokenTable) -> Tokenizer:
    """GGUF files write the beginning of a word with U+2581 and its rest without, so `##` is not needed."""
    unknown = token_setting(metadata, "unknown", len(table.texts), 100)
    lowercase = setting(metadata, "normalizer.lowercase", bool, True)
    accents = setting(metadata, "normalizer.strip_accents", bool, lowercase)
    model = models.WordPiece(
        dict(table.ids),
        unk_token=table.texts[0 if unknown is None else unknown],
        continuing_subword_prefix="",
        max_input_chars_per_word=2**31,
    )
    pipeline = Tokenizer(model)
    pipeline.normalizer = normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=True, strip_accents=accents, lowercase=lowercase
    )
    pipeline.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.BertPreTokenizer(), pre_tokenizers.Metaspace(SPACE, prepend_scheme="always", split=False)]
    )
    return pipeline
