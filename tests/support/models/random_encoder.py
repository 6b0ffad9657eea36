"""Tiny embedding models with random weights, as llama.cpp's files have them."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import gguf

from tests.support.models import random_decoder
from tests.support.models.random_decoder import CONTEXT, DEEP, DEFAULT, VOCABULARY, WIDE, Shape, Tensors, TensorSpec

MEAN, CLS, LAST, RANK = 1, 2, 3, 4
SEGMENTS: Final = 2
_FULL_HEADS: Final = replace(DEFAULT, key_heads=4)


@dataclass(frozen=True, slots=True)
class EncoderFamily:
    """`tensors`: of one layer, less `blk.n.`. `model_tensors`: those of the model, beside the embedding of tokens."""

    architecture: str
    pooling: int
    tensors: Tensors
    model_tensors: Tensors
    fields: dict[str, Any] = field(default_factory=dict)
    layer_norm: bool = False
    shape: Shape = _FULL_HEADS


def _bert(shape: Shape) -> Iterator[TensorSpec]:
    yield from random_decoder._attention(shape, bias="qkv", output_bias=True)
    yield from random_decoder._plain(shape, bias=True)
    yield from random_decoder._norms(shape, "attn_output_norm", "layer_output_norm", bias=True)


def _bert_model(shape: Shape) -> Iterator[TensorSpec]:
    yield "position_embd.weight", (CONTEXT, shape.width), 4.0
    yield "token_types.weight", (SEGMENTS, shape.width), 4.0
    yield from random_decoder._norms(shape, "token_embd_norm", bias=True)


def _one_segment_model(shape: Shape) -> Iterator[TensorSpec]:
    yield from (spec for spec in _bert_model(shape) if spec[0] != "token_types.weight")


def _ranking_model(shape: Shape) -> Iterator[TensorSpec]:
    yield from _bert_model(shape)
    yield "cls.weight", (shape.width, shape.width), 1.0
    yield "cls.bias", (shape.width,), 0
    yield "cls.output.weight", (1, shape.width), 1.0
    yield "cls.output.bias", (1,), 0


def _nomic(shape: Shape) -> Iterator[TensorSpec]:
    width = shape.heads * shape.head_width
    yield "attn_qkv.weight", (3 * width, shape.width), 1.5
    yield "attn_output.weight", (shape.width, width), 2.0
    yield from random_decoder._gated(shape)
    yield from random_decoder._norms(shape, "attn_output_norm", "layer_output_norm", bias=True)


def _nomic_model(shape: Shape) -> Iterator[TensorSpec]:
    yield "token_types.weight", (SEGMENTS, shape.width), 4.0
    yield from random_decoder._norms(shape, "token_embd_norm", bias=True)


def _decoder_model(shape: Shape) -> Iterator[TensorSpec]:
    yield from random_decoder._norms(shape, "output_norm")


def _modern_bert(shape: Shape) -> Iterator[TensorSpec]:
    width = shape.heads * shape.head_width
    yield "attn_qkv.weight", (3 * width, shape.width), 1.5
    yield "attn_output.weight", (shape.width, width), 2.0
    yield "ffn_up.weight", (2 * shape.hidden, shape.width), 1.0
    yield "ffn_down.weight", (shape.width, shape.hidden), 2.0
    yield from random_decoder._norms(shape, "attn_norm", "ffn_norm")


def _modern_bert_model(shape: Shape) -> Iterator[TensorSpec]:
    yield from random_decoder._norms(shape, "token_embd_norm", "output_norm")


def _gemma_model(shape: Shape) -> Iterator[TensorSpec]:
    yield from random_decoder._norms(shape, "output_norm")
    yield "dense_2.weight", (2 * shape.width, shape.width), 1.0
    yield "dense_3.weight", (shape.width, 2 * shape.width), 1.0


def _yes_no_model(shape: Shape) -> Iterator[TensorSpec]:
    yield from random_decoder._norms(shape, "output_norm")
    yield "cls.output.weight", (2, shape.width), 0.3


def _score_model(shape: Shape) -> Iterator[TensorSpec]:
    yield from random_decoder._norms(shape, "output_norm")
    yield "cls.output.weight", (1, shape.width), 0.3


def _neo_bert_model(shape: Shape) -> Iterator[TensorSpec]:
    yield from random_decoder._norms(shape, "enc.output_norm")


_BIDIRECTIONAL: Final = {"attention.causal": False}

# By the name of a test.
ENCODERS: Final[dict[str, EncoderFamily]] = {
    "bert, mean": EncoderFamily("bert", MEAN, _bert, _bert_model, _BIDIRECTIONAL, layer_norm=True),
    "bert, cls": EncoderFamily("bert", CLS, _bert, _bert_model, _BIDIRECTIONAL, layer_norm=True),
    "bert, one segment": EncoderFamily("bert", MEAN, _bert, _one_segment_model, _BIDIRECTIONAL, layer_norm=True),
    "bert, rank": EncoderFamily("bert", RANK, _bert, _ranking_model, _BIDIRECTIONAL, layer_norm=True),
    "nomic-bert": EncoderFamily(
        "nomic-bert", MEAN, _nomic, _nomic_model, _BIDIRECTIONAL | {"rope.freq_base": 1000.0}, layer_norm=True
    ),
    "qwen3": EncoderFamily("qwen3", LAST, random_decoder._qwen3, _decoder_model, shape=WIDE),
    "modern-bert": EncoderFamily(
        "modern-bert",
        MEAN,
        _modern_bert,
        _modern_bert_model,
        _BIDIRECTIONAL | {"attention.sliding_window": 16, "rope.freq_base": 160000.0, "rope.freq_base_swa": 1000.0},
        layer_norm=True,
        shape=replace(_FULL_HEADS, layers=5),
    ),
    "modern-bert, silu": EncoderFamily(
        "modern-bert",
        CLS,
        _modern_bert,
        _modern_bert_model,
        _BIDIRECTIONAL | {"hidden_activation": "silu"},
        layer_norm=True,
    ),
    "gemma-embedding": EncoderFamily(
        "gemma-embedding",
        MEAN,
        random_decoder._gemma3,
        _gemma_model,
        _BIDIRECTIONAL
        | {
            **{"attention.sliding_window": 16, "rope.freq_base": 1e6},
            **{"dense_2_feat_in": 80, "dense_2_feat_out": 160, "dense_3_feat_in": 160, "dense_3_feat_out": 80},
        },
        shape=DEEP,
    ),
    "qwen3, yes and no": EncoderFamily("qwen3", RANK, random_decoder._qwen3, _yes_no_model, shape=WIDE),
    "qwen3, score": EncoderFamily("qwen3", RANK, random_decoder._qwen3, _score_model, shape=WIDE),
    "eurobert": EncoderFamily("eurobert", MEAN, random_decoder._llama, _decoder_model, _BIDIRECTIONAL, shape=DEFAULT),
    "neo-bert": EncoderFamily("neo-bert", CLS, _modern_bert, _neo_bert_model, _BIDIRECTIONAL),
    "llama-embed": EncoderFamily(
        "llama-embed", MEAN, random_decoder._llama, _decoder_model, _BIDIRECTIONAL, shape=DEFAULT
    ),
    "jina-bert-v3": EncoderFamily("jina-bert-v3", MEAN, _bert, _nomic_model, _BIDIRECTIONAL, layer_norm=True),
    "llama": EncoderFamily("llama", MEAN, random_decoder._llama, _decoder_model, shape=DEFAULT),
}


def write_encoder(
    path: Path, family: EncoderFamily, *, shape: Shape | None = None, quant: str = "F32", seed: int = 0
) -> None:
    """Write the model. `quant`: the format of the matrices of its layers."""
    shape = shape or family.shape
    writer = gguf.GGUFWriter(path, family.architecture)
    writer.add_name("random")
    decoder = random_decoder.Family(family.architecture, family.tensors, layer_norm=family.layer_norm)
    for key, value in (random_decoder._fields(decoder, shape) | family.fields).items():
        random_decoder._add(writer, f"{family.architecture}.{key}", value)
    writer.add_uint32(f"{family.architecture}.pooling_type", family.pooling)
    if family.model_tensors is _yes_no_model:
        writer.add_array(f"{family.architecture}.classifier.output_labels", ["yes", "no"])
    random_decoder._add_vocabulary(writer)
    writer.add_uint32("tokenizer.ggml.token_type_count", SEGMENTS)
    tensors = _all_tensors(family, shape)
    random_decoder._add_tensors(writer, tensors, lambda name: quant if name.startswith("blk.") else "F32", seed)
    random_decoder._write(writer)


def _all_tensors(family: EncoderFamily, shape: Shape) -> Iterator[TensorSpec]:
    yield "token_embd.weight", (VOCABULARY, shape.width), 4.0
    yield from family.model_tensors(shape)
    for n in range(shape.layers):
        yield from ((f"blk.{n}.{name}", dimensions, gain) for name, dimensions, gain in family.tensors(shape))
