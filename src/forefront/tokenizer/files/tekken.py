"""Mistral's `tekken.json`: tokens as bytes, which are also the order of merges, and a pattern that splits texts.

Ids of special tokens come first, then the tokens by rank.
"""

import base64
import binascii
import json
from pathlib import Path
from typing import Any, Final

import numpy as np
from tokenizers import AddedToken, processors
from tokenizers import Tokenizer as Pipeline

from forefront.tokenizer.algorithms.byte_pair import merge_pipeline
from forefront.tokenizer.algorithms.pretokenizer import SplittingRule
from forefront.tokenizer.algorithms.sentencepiece import score_merges
from forefront.tokenizer.errors import TokenizerError, library_errors
from forefront.tokenizer.files.config_files import read_bounded
from forefront.tokenizer.files.hugging_face import pipeline_tokenizer
from forefront.tokenizer.tokenizer import Tokenizer
from forefront.tokenizer.vocabulary.saved_merges import SavedMerges
from forefront.tokenizer.vocabulary.token_bytes import byte_symbols
from forefront.tokenizer.vocabulary.token_table import CONTROL, NORMAL, TokenTable

TEKKEN: Final = "tekken.json"
_BOS, _EOS = "<s>", "</s>"
# The special tokens of files that do not list them.
_SPECIAL: Final = (
    *("<unk>", _BOS, _EOS, "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]"),
    *("[/TOOL_RESULTS]", "[TOOL_CALLS]", "[IMG]", "<pad>", "[IMG_BREAK]", "[IMG_END]", "[PREFIX]", "[MIDDLE]"),
    *("[SUFFIX]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CONTENT]"),
)
_LARGEST: Final = 2**20
_SYMBOLS: Final = dict(enumerate(byte_symbols()))


def tekken_tokenizer(directory: Path, saved: SavedMerges | None = None) -> Tokenizer:
    """The tokenizer of `directory`. `saved`: a cache of merges. Raises `TokenizerError`."""
    data = _read(directory / TEKKEN)
    config = data.get("config")
    if not isinstance(config, dict) or not isinstance(pattern := config.get("pattern"), str):
        raise TokenizerError(f"its {TEKKEN} has no pattern")
    special = _special_tokens(data, _size(config, "default_num_special_tokens"))
    size = _size(config, "default_vocab_size") - len(special)
    table = _table(list(special), _ranked(data, size))
    with library_errors(f"its {TEKKEN} cannot be used"):
        pipeline = _pipeline(table, pattern, special, saved)
        return pipeline_tokenizer(directory, pipeline, {"bos_token": _BOS, "eos_token": _EOS})


def _pipeline(table: TokenTable, pattern: str, special: dict[str, bool], saved: SavedMerges | None) -> Pipeline:
    texts = table.texts
    # Of two neighbours those merge first whose token has the lowest rank, as with SentencePiece's scores.
    pairs = score_merges(table) if saved is None else saved.get(len(texts), lambda: score_merges(table))
    left, right = (map(texts.__getitem__, ids) for ids in pairs.T.tolist())
    merges = list(zip(left, right, strict=True))
    pipeline = merge_pipeline(table, merges, SplittingRule((pattern,), ignore_merges=True))
    pipeline.add_tokens([AddedToken(text, special=control, normalized=False) for text, control in special.items()])
    if _BOS in special:
        pipeline.post_processor = processors.TemplateProcessing(f"{_BOS} $A", None, [(_BOS, table.ids[_BOS])])
    return pipeline


def _read(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(read_bounded(path))
    except (ValueError, RecursionError):
        raise TokenizerError(f"its {TEKKEN} is not JSON") from None
    return data if isinstance(data, dict) else {}


def _size(config: dict[str, Any], name: str) -> int:
    value = config.get(name)
    if type(value) is not int or not 0 <= value <= _LARGEST:
        raise TokenizerError(f"its {TEKKEN} has {name} {repr(value)[:40]}, which is no size of a vocabulary")
    return value


def _special_tokens(data: dict[str, Any], count: int) -> dict[str, bool]:
    """The texts of the special tokens in the order of their ids, and whether they control."""
    listed = data.get("special_tokens")
    if listed is None:
        listed = [{"rank": rank, "token_str": text, "is_control": True} for rank, text in enumerate(_SPECIAL)]
    special: dict[str, bool] = {}
    for rank, token in enumerate(listed if isinstance(listed, list) else [None]):
        text = token.get("token_str") if isinstance(token, dict) else None
        if not isinstance(text, str) or not text or text in special or token.get("rank") != rank:
            raise TokenizerError(f"its {TEKKEN} has a special token {rank} that cannot be used")
        special[text] = token.get("is_control") is not False
    for rank in range(len(special), count):
        special[f"<SPECIAL_{rank}>"] = True
    if len(special) != count:
        raise TokenizerError(f"its {TEKKEN} has {len(special)} special tokens in place of {count}")
    return special


def _ranked(data: dict[str, Any], size: int) -> list[bytes]:
    """The bytes of the first `size` tokens by rank, of which the first 256 are the single bytes."""
    listed = data.get("vocab")
    if not isinstance(listed, list) or not 256 <= size <= len(listed):
        raise TokenizerError(f"its {TEKKEN} has fewer tokens than the size of its vocabulary")
    try:
        tokens = [base64.b64decode(token["token_bytes"], validate=True) for token in listed[:size]]
        ranks = [token["rank"] for token in listed[:size]]
    except (KeyError, TypeError, binascii.Error, ValueError):
        raise TokenizerError(f"its {TEKKEN} has a token without rank or bytes") from None
    if ranks != list(range(size)) or tokens[:256] != [bytes([byte]) for byte in range(256)]:
        raise TokenizerError(f"its {TEKKEN} has tokens that are not in the order of their ranks")
    return tokens


def _table(special: list[str], tokens: list[bytes]) -> TokenTable:
    """All tokens, those by rank in GPT-2's symbols with the negative rank as their score."""
    texts = [*special, *(token.decode("latin-1").translate(_SYMBOLS) for token in tokens)]
    ids = {text: token for token, text in enumerate(texts)}
    if len(ids) < len(texts) or "" in ids:
        raise TokenizerError(f"its {TEKKEN} has two tokens of the same text, or an empty one")
    types = np.repeat(np.array([CONTROL, NORMAL], np.int64), (len(special), len(tokens)))
    return TokenTable(texts, ids, types, range(len(special), len(special) - len(texts), -1))
