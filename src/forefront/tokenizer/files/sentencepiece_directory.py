"""The tokenizer of a Hugging Face directory with SentencePiece's `tokenizer.model`, and its added tokens beside it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from forefront.tokenizer.errors import TokenizerError
from forefront.tokenizer.files.config_files import (
    CONFIG,
    read_bounded,
    read_json,
    read_template,
    read_tokenizer_settings,
    token_text,
)
from forefront.tokenizer.files.gguf import gguf_tokenizer
from forefront.tokenizer.files.sentencepiece_model import sentencepiece_metadata
from forefront.tokenizer.tokenizer import Tokenizer
from forefront.tokenizer.vocabulary.saved_merges import SavedMerges
from forefront.tokenizer.vocabulary.token_table import BYTE, CONTROL, NORMAL, UNKNOWN, UNUSED, USER_DEFINED

MODEL: Final = "tokenizer.model"
_KEYS: Final = "tokenizer.ggml."
_ADDED: Final = 2**16


def sentencepiece_tokenizer(directory: Path, rows: int | None = None, saved: SavedMerges | None = None) -> Tokenizer:
    """The tokenizer of `directory`. `rows`: of the matrix of embeddings; added tokens without a row are plain text.
    `saved`: a cache of merges. Raises `TokenizerError`."""
    metadata = sentencepiece_metadata(read_bounded(directory / MODEL))
    config = read_tokenizer_settings(directory)
    _add_tokens(metadata, {token: added for token, added in _added(directory, config) if rows is None or token < rows})
    tokens = metadata[f"{_KEYS}tokens"]
    for name in ("bos", "eos"):
        if (text := token_text(config, f"{name}_token")) in tokens:
            metadata[f"{_KEYS}{name}_token_id"] = tokens.index(text)
    defaults = {"bos": metadata[f"{_KEYS}model"] == "llama", "eos": False}
    for name, default in defaults.items():
        setting = config.get(f"add_{name}_token")
        metadata[f"{_KEYS}add_{name}_token"] = setting if isinstance(setting, bool) else default
    metadata["tokenizer.chat_template"] = read_template(directory, config)
    return gguf_tokenizer(metadata, saved)


def _added(directory: Path, config: Mapping[str, Any]) -> Iterator[tuple[int, tuple[str, int]]]:
    """Id, text and type of each token that the files beside the vocabulary add or rename."""
    for text, token in read_json(directory / "added_tokens.json").items():
        if type(token) is not int:
            raise TokenizerError("its added_tokens.json has an id that is not a number")
        yield token, (text, CONTROL)
    decoder = config.get("added_tokens_decoder")
    for key, entry in decoder.items() if isinstance(decoder, dict) else ():
        content = entry.get("content") if isinstance(entry, dict) else None
        if not isinstance(content, str) or not key.isdecimal() or len(key) > 9:
            raise TokenizerError(f"its {CONFIG} has an added token {key[:20]!r} that cannot be used")
        yield int(key), (content, CONTROL if entry.get("special") else USER_DEFINED)


def _add_tokens(metadata: dict[str, Any], added: Mapping[int, tuple[str, int]]) -> None:
    tokens, scores, types = (metadata[f"{_KEYS}{name}"] for name in ("tokens", "scores", "token_type"))
    end = max(added, default=-1) + 1
    if min(added, default=0) < 0 or end > len(tokens) + _ADDED:
        raise TokenizerError(f"its added tokens have ids outside of the vocabulary of {len(tokens)} tokens")
    for token in range(len(tokens), end):
        tokens.append(f"[UNUSED_{token}]")
        scores.append(0.0)
        types.append(UNUSED)
    for token, (text, kind) in added.items():
        # Files list parts of the vocabulary again, with fewer types.
        if text != tokens[token] or types[token] in (NORMAL, USER_DEFINED, UNUSED):
            tokens[token], types[token] = text, kind
        elif types[token] not in (UNKNOWN, BYTE):
            types[token] = kind
