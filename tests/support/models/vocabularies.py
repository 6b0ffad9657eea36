"""Small vocabularies of every kind, learnt from texts of all kinds, in GGUF files without tensors."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from tests.support.models import random_decoder
from tests.support.models.texts import texts

CONTROL = ("<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>")
USER_DEFINED = ("<think>", "[[tool]]", "   ")
_BYTES = tuple(f"<0x{byte:02X}>" for byte in range(256))
_LEARN_FROM = 2500


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """As GGUF has it; `merges` or `scores` is empty."""

    tokens: Sequence[str]
    merges: Sequence[str] = ()
    scores: Sequence[float] = ()


@cache
def byte_level() -> Vocabulary:
    """Byte pair encoding on GPT-2's symbols, learnt across words: another splitting rule, other tokens."""
    pipeline = Tokenizer(models.BPE())
    pipeline.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    return _learn(pipeline, 3000, texts(_LEARN_FROM, 7), [*CONTROL, *USER_DEFINED], alphabet)


@cache
def raw_merges() -> Vocabulary:
    """Byte pair encoding on characters with U+2581 for a space, as Gemma 4 has it."""
    return _learn(Tokenizer(models.BPE()), 3500, _lines(), [*CONTROL, *USER_DEFINED, *_BYTES])


@cache
def scored() -> Vocabulary:
    """SentencePiece's byte pair encoding: a score for each token."""
    learnt = raw_merges().tokens
    special = {*CONTROL, *USER_DEFINED, *_BYTES}
    return Vocabulary(learnt, scores=[0.0 if token in special else -float(id_) for id_, token in enumerate(learnt)])


@cache
def unigram() -> Vocabulary:
    """SentencePiece's unigram model."""
    pipeline = Tokenizer(models.Unigram())
    trainer = trainers.UnigramTrainer(
        vocab_size=2500, special_tokens=list(CONTROL), unk_token="<unk>", show_progress=False
    )
    pipeline.pre_tokenizer = pre_tokenizers.Metaspace()
    pipeline.train_from_iterator((line for line in _lines() if max(line, default="") < "\u0500"), trainer)
    pairs = json.loads(pipeline.to_str())["model"]["vocab"]
    tokens, scores = zip(*pairs, strict=True)
    # GGUF has 32 bits for a score.
    return Vocabulary(list(tokens), scores=np.array(scores, np.float32).tolist())


@cache
def word_pieces() -> Vocabulary:
    """WordPiece, written as GGUF has it: U+2581 before the beginning of a word, nothing before what goes on."""
    pipeline = Tokenizer(models.WordPiece(unk_token="<unk>"))
    pipeline.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=2500, special_tokens=list(CONTROL), show_progress=False)
    pipeline.train_from_iterator((text.lower() for text in texts(_LEARN_FROM, 7) if "▁" not in text), trainer)
    ids = pipeline.get_vocab()
    ordered = sorted(ids, key=ids.__getitem__)
    return Vocabulary([_phantom(token) for token in ordered])


def metadata_of(vocabulary: Vocabulary, model: str, **fields: Any) -> dict[str, Any]:
    """The fields `tokenizer.ggml.*` of that vocabulary; `fields` are added, without their prefix."""
    found: dict[str, Any] = {"model": model, "tokens": list(vocabulary.tokens), "token_type": types_of(vocabulary)}
    if vocabulary.merges:
        found["merges"] = list(vocabulary.merges)
    if vocabulary.scores:
        found["scores"] = list(vocabulary.scores)
    found |= {"bos_token_id": 1, "eos_token_id": 2, "unknown_token_id": 0, "seperator_token_id": 2} | fields
    return {f"tokenizer.ggml.{name}": value for name, value in found.items()}


def types_of(vocabulary: Vocabulary) -> list[int]:
    """The type of each token."""
    kinds = dict.fromkeys(_BYTES, 6) | dict.fromkeys(USER_DEFINED, 4) | dict.fromkeys(CONTROL, 3) | {"<unk>": 2}
    return [kinds.get(token, 1) for token in vocabulary.tokens]


def write_vocabulary(path: Path, metadata: Mapping[str, Any]) -> None:
    """A GGUF file that has nothing but these fields, and those without which llama.cpp reads no file."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(512)
    writer.add_embedding_length(32)
    writer.add_block_count(1)
    writer.add_feed_forward_length(32)
    writer.add_head_count(1)
    writer.add_layer_norm_rms_eps(1e-5)
    for name, value in metadata.items():
        random_decoder._add(writer, name, value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


def _lines() -> Iterable[str]:
    # NUL cannot be in a token of a GGUF file.
    learn_from = (text.replace("\0", "").replace("<0x", "") for text in texts(_LEARN_FROM, 7))
    return [line.replace(" ", "▁") for text in learn_from for line in text.split("\n")]


def _learn(
    pipeline: Tokenizer, size: int, learn_from: Iterable[str], special: list[str], alphabet: Sequence[str] = ()
) -> Vocabulary:
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=special,
        limit_alphabet=900,
        initial_alphabet=list(alphabet),
        show_progress=False,
    )
    pipeline.train_from_iterator(learn_from, trainer)
    model = json.loads(pipeline.to_str())["model"]
    ids = model["vocab"]
    return Vocabulary(sorted(ids, key=ids.__getitem__), [" ".join(pair) for pair in model["merges"]])


def _phantom(token: str) -> str:
    if token in CONTROL:
        return token
    return token[2:] if token.startswith("##") else f"▁{token}"
