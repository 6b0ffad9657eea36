"""SentencePiece's normalisation of a text before it is split."""

from collections.abc import Mapping
from typing import Any

from tokenizers import Regex, normalizers

from forefront.tokenizer.errors import library_errors
from forefront.tokenizer.vocabulary.token_bytes import SPACE
from forefront.tokenizer.vocabulary.token_table import setting


def text_normalizer(metadata: Mapping[str, Any], *, prefix: bool) -> normalizers.Normalizer:
    """Replaces characters and runs of spaces as `tokenizer.ggml.*` has it, and writes spaces as U+2581. `prefix`: a
    text gets a space before it. Raises `TokenizerError`."""
    steps: list[normalizers.Normalizer] = []
    characters = metadata.get("tokenizer.ggml.precompiled_charsmap")
    if characters is not None:
        with library_errors("its tokenizer.ggml.precompiled_charsmap is damaged"):
            steps.append(normalizers.Precompiled(bytes(value & 0xFF for value in characters)))
    if setting(metadata, "remove_extra_whitespaces", bool, False):
        steps += [normalizers.Replace(Regex(r"\A +| +\z"), ""), normalizers.Replace(Regex(" {2,}"), " ")]
    if prefix:
        steps.append(normalizers.Prepend(SPACE))
    return normalizers.Sequence([*steps, normalizers.Replace(" ", SPACE)])
