"""Tiny models with random weights for the tests of llama.cpp as an engine."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import gguf
import numpy as np

from tests.support.models.random_model import _PIECES, CHATML, _add_tokenizer, _token_types, _vocabulary

VOCABULARY: Final = 512
CONTEXT: Final = 1024
_WIDTH, _HEADS, _KEY_HEADS, _HEAD, _HIDDEN, _LAYERS = 128, 2, 1, 64, 256, 2
_EXPERTS, _USED, _EXPERT_HIDDEN = 4, 2, 64
_CONVOLUTION: Final = 3

Matrix = Callable[[str, tuple[int, ...], float], None]
Norm = Callable[[str, int], None]


def write_mixture(path: Path, *, chat_template: str | None = CHATML, pre: str = "gpt-2") -> None:
    """A mixture of experts with the layout of Qwen 3 MoE."""
    writer, matrix, norm = _begin(path, "qwen3moe", chat_template, pre)
    writer.add_head_count_kv(_KEY_HEADS)
    writer.add_expert_count(_EXPERTS)
    writer.add_expert_used_count(_USED)
    writer.add_expert_feed_forward_length(_EXPERT_HIDDEN)
    norm("output_norm", _WIDTH)
    matrix("output", (VOCABULARY, _WIDTH), 4.0)
    for layer in range(_LAYERS):
        block = f"blk.{layer}"
        _add_attention(block, matrix, norm)
        matrix(f"{block}.ffn_gate_inp", (_EXPERTS, _WIDTH), 1.0)
        matrix(f"{block}.ffn_gate_exps", (_EXPERTS, _EXPERT_HIDDEN, _WIDTH), 1.0)
        matrix(f"{block}.ffn_up_exps", (_EXPERTS, _EXPERT_HIDDEN, _WIDTH), 1.0)
        matrix(f"{block}.ffn_down_exps", (_EXPERTS, _WIDTH, _EXPERT_HIDDEN), 2.0)
    _finish(writer)


def write_hybrid(path: Path) -> None:
    """Convolutions and attention in turn, with the layout of LFM 2. A convolution's state cannot be rolled back."""
    writer, matrix, norm = _begin(path, "lfm2", CHATML, "gpt-2")
    writer.add_array("lfm2.attention.head_count_kv", [0, _KEY_HEADS])
    writer.add_shortconv_l_cache(_CONVOLUTION)
    norm("token_embd_norm", _WIDTH)
    for layer in range(_LAYERS):
        block = f"blk.{layer}"
        if layer % 2:
            _add_attention(block, matrix, norm)
        else:
            norm(f"{block}.attn_norm", _WIDTH)
            norm(f"{block}.ffn_norm", _WIDTH)
            matrix(f"{block}.shortconv.conv", (_WIDTH, _CONVOLUTION), 1.0)
            matrix(f"{block}.shortconv.in_proj", (3 * _WIDTH, _WIDTH), 1.0)
            matrix(f"{block}.shortconv.out_proj", (_WIDTH, _WIDTH), 2.0)
        matrix(f"{block}.ffn_gate", (_HIDDEN, _WIDTH), 1.0)
        matrix(f"{block}.ffn_up", (_HIDDEN, _WIDTH), 1.0)
        matrix(f"{block}.ffn_down", (_WIDTH, _HIDDEN), 2.0)
    _finish(writer)


def write_projector(path: Path) -> None:
    """A projector of LLaVA's kind for images of 56 pixels, for a model of the width of `write_random_gguf`."""
    width, hidden, blocks, image, patch = 64, 128, 2, 56, 14
    writer = gguf.GGUFWriter(path, "clip")
    writer.add_type("mmproj")
    writer.add_bool("clip.has_vision_encoder", True)
    writer.add_string("clip.projector_type", "mlp")
    writer.add_bool("clip.use_gelu", True)
    sizes = {"image_size": image, "patch_size": patch, "embedding_length": width, "feed_forward_length": hidden}
    sizes |= {"projection_dim": _WIDTH, "block_count": blocks, "attention.head_count": 2}
    for name, size in sizes.items():
        writer.add_uint32(f"clip.vision.{name}", size)
    writer.add_float32("clip.vision.attention.layer_norm_epsilon", 1e-5)
    writer.add_array("clip.vision.image_mean", [0.5] * 3)
    writer.add_array("clip.vision.image_std", [0.5] * 3)
    rng = np.random.default_rng(0)

    def matrix(name: str, *shape: int) -> None:
        values = rng.standard_normal(shape, np.float32) / np.float32(math.sqrt(shape[-1]))
        writer.add_tensor(f"{name}.weight", values)

    def vector(name: str, size: int) -> None:
        writer.add_tensor(name, rng.uniform(0.7, 1.3, size).astype(np.float32))

    matrix("v.patch_embd", width, 3, patch, patch)
    matrix("v.position_embd", (image // patch) ** 2 + 1, width)
    vector("v.class_embd", width)
    for norm in ("v.pre_ln", *(f"v.blk.{block}.ln{n}" for block in range(blocks) for n in (1, 2))):
        vector(f"{norm}.weight", width)
        vector(f"{norm}.bias", width)
    layers = [
        (f"v.blk.{block}.{name}", outputs, inputs)
        for block in range(blocks)
        for name, outputs, inputs in (
            *((f"attn_{part}", width, width) for part in ("q", "k", "v", "out")),
            ("ffn_up", hidden, width),
            ("ffn_down", width, hidden),
        )
    ]
    for name, outputs, inputs in (*layers, ("mm.0", _WIDTH, width), ("mm.2", _WIDTH, _WIDTH)):
        matrix(name, outputs, inputs)
        vector(f"{name}.bias", outputs)
    _finish(writer)


def _begin(path: Path, architecture: str, chat_template: str | None, pre: str) -> tuple[Any, Matrix, Norm]:
    """The writer with the fields that all families share, and functions that add a matrix and a norm."""
    tokens, merges = _vocabulary(VOCABULARY, ["<|pad|>", "<|im_start|>", "<|im_end|>"], _PIECES)
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_name("random")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(_WIDTH)
    writer.add_block_count(_LAYERS)
    writer.add_feed_forward_length(_HIDDEN)
    writer.add_head_count(_HEADS)
    writer.add_key_length(_HEAD)
    writer.add_value_length(_HEAD)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_dimension_count(_HEAD)
    writer.add_vocab_size(VOCABULARY)
    _add_tokenizer(writer, tokens, merges, chat_template, pre)
    writer.add_token_types(_token_types(tokens, (), ()))
    rng = np.random.default_rng(0)

    def matrix(name: str, shape: tuple[int, ...], gain: float) -> None:
        values = rng.standard_normal(shape, np.float32) * np.float32(gain / math.sqrt(shape[-1]))
        writer.add_tensor(f"{name}.weight", values)

    def norm(name: str, width: int) -> None:
        writer.add_tensor(f"{name}.weight", rng.uniform(0.7, 1.3, width).astype(np.float32))

    matrix("token_embd", (VOCABULARY, _WIDTH), 4.0)
    return writer, matrix, norm


def _add_attention(block: str, matrix: Matrix, norm: Norm) -> None:
    norm(f"{block}.attn_norm", _WIDTH)
    norm(f"{block}.ffn_norm", _WIDTH)
    norm(f"{block}.attn_q_norm", _HEAD)
    norm(f"{block}.attn_k_norm", _HEAD)
    matrix(f"{block}.attn_q", (_HEADS * _HEAD, _WIDTH), 1.5)
    matrix(f"{block}.attn_k", (_KEY_HEADS * _HEAD, _WIDTH), 1.5)
    matrix(f"{block}.attn_v", (_KEY_HEADS * _HEAD, _WIDTH), 1.0)
    matrix(f"{block}.attn_output", (_WIDTH, _HEADS * _HEAD), 2.0)


def _finish(writer: Any) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
