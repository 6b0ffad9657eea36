"""Tiny models with random weights of every family that graphs are built for.

A family is its metadata and its tensors, as llama.cpp's files have them. Widths are odd where the format allows.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import gguf
import numpy as np

from tests.support.models.random_blocks import random_matrix
from tests.support.models.random_model import CONTROL, END, _token_types, _vocabulary

VOCABULARY: Final = 288
LETTER: Final = len(CONTROL) + ord("a")
CONTEXT: Final = 512


@dataclass(frozen=True, slots=True)
class Shape:
    """Widths of a model."""

    width: int = 80
    layers: int = 4
    heads: int = 4
    key_heads: int = 2
    head_width: int = 20
    hidden: int = 88


DEFAULT: Final = Shape()
# Of so many layers, one of the last sees the whole context.
DEEP: Final = replace(DEFAULT, layers=7)
# Heads that are together wider than the stream.
WIDE: Final = replace(DEFAULT, heads=6)
# Every width a multiple of 256, as the K formats want it.
ALIGNED: Final = Shape(width=256, layers=2, heads=4, key_heads=2, head_width=64, hidden=512)

# A tensor: name, shape with the outermost dimension first, and gain; None for values near one, 0 for a bias.
TensorSpec = tuple[str, tuple[int, ...], float | None]
Tensors = Callable[[Shape], Iterator[TensorSpec]]


@dataclass(frozen=True, slots=True)
class Family:
    """`architecture` and `fields`: metadata, under the architecture's name. `tensors`: of one layer, less `blk.n.`."""

    architecture: str
    tensors: Tensors
    fields: dict[str, Any] = field(default_factory=dict)
    model_tensors: Tensors | None = None
    layer_norm: bool = False
    tied: bool = False
    shape: Shape = DEFAULT
    embedding_gain: float = 4.0
    output_norm: str = "output_norm"


def _attention(shape: Shape, *, bias: str = "", output_bias: bool = False) -> Iterator[TensorSpec]:
    queries, keys = shape.heads * shape.head_width, shape.key_heads * shape.head_width
    for part, outputs, gain in (("q", queries, 1.5), ("k", keys, 1.5), ("v", keys, 1.0)):
        yield f"attn_{part}.weight", (outputs, shape.width), gain
        if part in bias:
            yield f"attn_{part}.bias", (outputs,), 0
    yield "attn_output.weight", (shape.width, queries), 2.0
    if output_bias:
        yield "attn_output.bias", (shape.width,), 0


def _gated(shape: Shape) -> Iterator[TensorSpec]:
    yield "ffn_gate.weight", (shape.hidden, shape.width), 1.0
    yield from _plain(shape)


def _plain(shape: Shape, *, bias: bool = False) -> Iterator[TensorSpec]:
    yield "ffn_up.weight", (shape.hidden, shape.width), 1.0
    yield "ffn_down.weight", (shape.width, shape.hidden), 2.0
    if bias:
        yield "ffn_up.bias", (shape.hidden,), 0
        yield "ffn_down.bias", (shape.width,), 0


def _norms(shape: Shape, *names: str, bias: bool = False) -> Iterator[TensorSpec]:
    for name in names:
        yield f"{name}.weight", (shape.width,), None
        if bias:
            yield f"{name}.bias", (shape.width,), 0


def _head_norms(width: int, key_width: int | None = None) -> Iterator[TensorSpec]:
    yield "attn_q_norm.weight", (width,), None
    yield "attn_k_norm.weight", (key_width or width,), None


def _llama(shape: Shape) -> Iterator[TensorSpec]:
    yield from _norms(shape, "attn_norm", "ffn_norm")
    yield from _attention(shape)
    yield from _gated(shape)


def _llama_biased(shape: Shape) -> Iterator[TensorSpec]:
    yield from _norms(shape, "attn_norm", "ffn_norm")
    yield from _attention(shape, bias="qkv", output_bias=True)
    yield from _gated(shape)


def _qwen2(shape: Shape) -> Iterator[TensorSpec]:
    yield from _norms(shape, "attn_norm", "ffn_norm")
    yield from _attention(shape, bias="qkv")
    yield from _gated(shape)


def _qwen3(shape: Shape) -> Iterator[TensorSpec]:
    yield from _llama(shape)
    yield from _head_norms(shape.head_width)


def _gemma2(shape: Shape) -> Iterator[TensorSpec]:
    yield from _llama(shape)
    yield from _norms(shape, "post_attention_norm", "post_ffw_norm")


def _gemma3(shape: Shape) -> Iterator[TensorSpec]:
    yield from _qwen3(shape)
    yield from _norms(shape, "post_attention_norm", "post_ffw_norm")


# Of Gemma 4: layers with a window, and channels of their heads.
_NEAR: Final = (True, False, True, False, True, True, False)
_NEAR_WIDTH: Final = 12


def _gemma4(
    shape: Shape, *, token_width: int = 0, shared: int = 0, values: str = "0123456", fused: bool = False
) -> Iterator[TensorSpec]:
    """All layers. The matrices of keys and values in layers that share others' are of no use. `values`: the layers with
    a matrix for values; in the others, keys are the values."""
    for n, near in enumerate(_NEAR[: shape.layers]):
        head_width = _NEAR_WIDTH if near else shape.head_width
        key_heads = shape.key_heads if near or shared else 1
        heads = replace(shape, head_width=head_width, key_heads=key_heads)
        hidden = shape.hidden * (2 if n >= shape.layers - shared else 1)
        tensors = [*_norms(shape, "attn_norm", "ffn_norm", "post_attention_norm", "post_ffw_norm")]
        tensors += _fused(heads) if fused else _attention(heads)
        tensors += _gated(replace(shape, hidden=hidden))
        # Queries are not scaled by anything else.
        tensors += [("attn_q_norm.weight", (head_width,), 0), ("attn_k_norm.weight", (head_width,), None)]
        tensors += [("layer_output_scale.weight", (1,), None)]
        if token_width:
            tensors += [
                ("inp_gate.weight", (token_width, shape.width), 1.0),
                ("proj.weight", (shape.width, token_width), 1.0),
                ("post_norm.weight", (shape.width,), None),
            ]
        kept = [spec for spec in tensors if str(n) in values or spec[0] != "attn_v.weight"]
        yield from ((f"blk.{n}.{name}", dimensions, gain) for name, dimensions, gain in kept)
    yield from _rope_factors(shape)
    if token_width:
        yield "per_layer_token_embd.weight", (VOCABULARY, shape.layers * token_width), 4.0
        yield "per_layer_model_proj.weight", (shape.layers * token_width, shape.width), 1.0
        yield "per_layer_proj_norm.weight", (token_width,), None


def _no_tensors(_shape: Shape) -> Iterator[TensorSpec]:
    """All are among those of the model."""
    yield from ()


def _phi2(shape: Shape) -> Iterator[TensorSpec]:
    yield from _norms(shape, "attn_norm", bias=True)
    yield from _attention(shape, bias="qkv", output_bias=True)
    yield from _plain(shape, bias=True)


def _fused(shape: Shape) -> Iterator[TensorSpec]:
    queries, keys = shape.heads * shape.head_width, shape.key_heads * shape.head_width
    yield "attn_qkv.weight", (queries + 2 * keys, shape.width), 1.5
    yield "attn_output.weight", (shape.width, queries), 2.0


def _phi3(shape: Shape) -> Iterator[TensorSpec]:
    yield from _norms(shape, "attn_norm", "ffn_norm")
    yield from _fused(shape)
    yield "ffn_up.weight", (2 * shape.hidden, shape.width), 1.0
    yield "ffn_down.weight", (shape.width, shape.hidden), 2.0


def _longrope(shape: Shape) -> Iterator[TensorSpec]:
    pairs = shape.head_width // 2
    yield "rope_factors_long.weight", (pairs,), None
    yield "rope_factors_short.weight", (pairs,), None


def _rope_factors(shape: Shape) -> Iterator[TensorSpec]:
    yield "rope_freqs.weight", (shape.head_width // 2,), None


def _olmo2(shape: Shape) -> Iterator[TensorSpec]:
    yield from _norms(shape, "post_attention_norm", "post_ffw_norm")
    yield from _attention(shape)
    yield from _gated(shape)
    yield from _head_norms(shape.heads * shape.head_width, shape.key_heads * shape.head_width)


def _exaone4(shape: Shape) -> Iterator[TensorSpec]:
    yield from _norms(shape, "post_attention_norm", "post_ffw_norm")
    yield from _attention(shape)
    yield from _gated(shape)
    yield from _head_norms(shape.head_width)


def _starcoder2(shape: Shape) -> Iterator[TensorSpec]:
    yield from _norms(shape, "attn_norm", "ffn_norm", bias=True)
    yield from _attention(shape, bias="qkv", output_bias=True)
    yield from _plain(shape, bias=True)


def _stablelm(shape: Shape) -> Iterator[TensorSpec]:
    yield from _norms(shape, "attn_norm", "ffn_norm", bias=True)
    yield from _attention(shape, bias="qkv")
    yield from _gated(shape)


def _stablelm_12b(shape: Shape) -> Iterator[TensorSpec]:
    yield from _norms(shape, "attn_norm", bias=True)
    yield from _attention(shape)
    yield from _gated(shape)
    yield "attn_q_norm.weight", (shape.heads, shape.head_width), None
    yield "attn_k_norm.weight", (shape.key_heads, shape.head_width), None


def _cohere(shape: Shape) -> Iterator[TensorSpec]:
    yield from _norms(shape, "attn_norm")
    yield from _attention(shape)
    yield from _gated(shape)


def _cohere_plus(shape: Shape) -> Iterator[TensorSpec]:
    yield from _cohere(shape)
    yield "attn_q_norm.weight", (shape.heads, shape.head_width), None
    yield "attn_k_norm.weight", (shape.key_heads, shape.head_width), None


def _glm4(shape: Shape) -> Iterator[TensorSpec]:
    yield from _norms(shape, "attn_norm", "ffn_norm", "post_attention_norm", "post_ffw_norm")
    yield from _attention(shape, bias="qkv")
    yield "ffn_up.weight", (2 * shape.hidden, shape.width), 1.0
    yield "ffn_down.weight", (shape.width, shape.hidden), 2.0


def _nemotron(shape: Shape) -> Iterator[TensorSpec]:
    yield from _norms(shape, "attn_norm", "ffn_norm", bias=True)
    yield from _attention(shape)
    yield from _plain(shape)


def _arcee(shape: Shape) -> Iterator[TensorSpec]:
    yield from _norms(shape, "attn_norm", "ffn_norm")
    yield from _attention(shape)
    yield from _plain(shape)


def _lfm2(shape: Shape) -> Iterator[TensorSpec]:
    yield from _norms(shape, "attn_norm", "ffn_norm")
    yield from _gated(shape)


def _lfm2_layers(shape: Shape, taps: int = 3) -> Iterator[TensorSpec]:
    """Convolutions, but for the third layer of each four."""
    for n in range(shape.layers):
        if n % 4 == 2:
            tensors = [*_attention(shape), *_head_norms(shape.head_width)]
        else:
            tensors = [
                ("shortconv.conv.weight", (shape.width, taps), None),
                ("shortconv.in_proj.weight", (3 * shape.width, shape.width), 1.5),
                ("shortconv.out_proj.weight", (shape.width, shape.width), 2.0),
            ]
        yield from ((f"blk.{n}.{name}", dimensions, gain) for name, dimensions, gain in tensors)


def _further_token(shape: Shape) -> Iterator[TensorSpec]:
    """A last layer that predicts the token after the next."""
    yield from ((f"blk.{shape.layers}.{name}", dimensions, gain) for name, dimensions, gain in _glm4(shape))
    yield f"blk.{shape.layers}.nextn.eh_proj.weight", (shape.width, 2 * shape.width), 1.0
    for name in ("enorm", "hnorm", "shared_head_norm"):
        yield f"blk.{shape.layers}.nextn.{name}.weight", (shape.width,), None


def _seed(shape: Shape) -> Iterator[TensorSpec]:
    yield from _norms(shape, "attn_norm", "post_attention_norm")
    yield from _attention(shape, bias="qkv")
    yield from _gated(shape)


def _apertus(shape: Shape) -> Iterator[TensorSpec]:
    yield from _norms(shape, "attn_norm", "ffn_norm")
    yield from _attention(shape)
    yield from _plain(shape)
    yield from _head_norms(shape.head_width)


def _chatglm(shape: Shape) -> Iterator[TensorSpec]:
    yield from _phi3(shape)
    yield "attn_qkv.bias", ((shape.heads + 2 * shape.key_heads) * shape.head_width,), 0


_YARN: Final = {
    "rope.scaling.type": "yarn",
    "rope.scaling.factor": 4.0,
    "rope.scaling.original_context_length": 128,
}
_GRANITE: Final = {"attention.scale": 0.2, "embedding_scale": 3.0, "residual_scale": 0.4, "logit_scale": 2.0}
_MINICPM: Final = {"embedding_scale": 3.0, "residual_scale": 0.4, "logit_scale": 2.0}
_WINDOW: Final = {"attention.sliding_window": 24}

_GEMMA4: Final = _WINDOW | {
    "attention.sliding_window_pattern": list(_NEAR),
    "attention.key_length_swa": _NEAR_WIDTH,
    "attention.value_length_swa": _NEAR_WIDTH,
    "attention.shared_kv_layers": 0,
    "embedding_length_per_layer_input": 0,
    "final_logit_softcapping": 10.0,
    "rope.dimension_count_swa": _NEAR_WIDTH,
    "rope.freq_base": 1e6,
    "rope.freq_base_swa": 10000.0,
}
_GEMMA4_SHARED: Final = {"attention.shared_kv_layers": 3, "feed_forward_length": [88] * 4 + [176] * 3}

# By the name of a test.
FAMILIES: Final[dict[str, Family]] = {
    "llama": Family("llama", _llama),
    "llama, tied": Family("llama", _llama, tied=True),
    "llama, biases": Family("llama", _llama_biased),
    "llama, factors of positions": Family("llama", _llama, model_tensors=_rope_factors),
    "llama, linear": Family("llama", _llama, {"rope.scaling.type": "linear", "rope.scaling.factor": 2.5}),
    "llama, YaRN": Family("llama", _llama, _YARN),
    "mistral3": Family(
        "mistral3",
        _llama,
        _YARN
        | {
            "rope.scaling.original_context_length": 32,
            "rope.scaling.yarn_log_multiplier": 1.0,
            "attention.temperature_scale": 0.5,
        },
    ),
    "mistral3, plain": Family("mistral3", _llama),
    "qwen2": Family("qwen2", _qwen2),
    "qwen3": Family("qwen3", _qwen3, shape=WIDE),
    "qwen3, YaRN": Family("qwen3", _qwen3, _YARN),
    "gemma": Family("gemma", _llama, tied=True, shape=WIDE, embedding_gain=1.0),
    # Caps that the logits reach.
    "gemma2": Family(
        "gemma2",
        _gemma2,
        _WINDOW | {"attn_logit_softcapping": 5.0, "final_logit_softcapping": 10.0},
        tied=True,
        embedding_gain=1.0,
    ),
    # As the first files, which llama.cpp and this engine read with caps of 50 and 30.
    "gemma2, first files": Family("gemma2", _gemma2, tied=True, shape=WIDE, embedding_gain=1.0),
    "gemma3": Family("gemma3", _gemma3, _WINDOW | {"rope.freq_base": 1e6}, tied=True, shape=DEEP, embedding_gain=1.0),
    "gemma3, linear": Family(
        "gemma3",
        _gemma3,
        _WINDOW | {"rope.freq_base": 1e6, "rope.scaling.type": "linear", "rope.scaling.factor": 8.0},
        tied=True,
        shape=DEEP,
        embedding_gain=1.0,
    ),
    "gemma3, period": Family(
        "gemma3", _gemma3, _WINDOW | {"attention.sliding_window_pattern": 3}, tied=True, shape=DEEP, embedding_gain=1.0
    ),
    # With other heads of keys in layers without a window, whose keys are the values, as the larger models.
    "gemma4": Family(
        "gemma4",
        _no_tensors,
        _GEMMA4 | {"attention.head_count_kv": [2 if near else 1 for near in _NEAR], "rope.dimension_count_swa": 8},
        partial(_gemma4, values="24"),
        tied=True,
        shape=DEEP,
        embedding_gain=1.0,
    ),
    "gemma4, whole heads turn": Family(
        "gemma4",
        _no_tensors,
        _GEMMA4 | {"attention.head_count_kv": [2 if near else 1 for near in _NEAR]},
        partial(_gemma4, values="0245"),
        tied=True,
        shape=DEEP,
        embedding_gain=1.0,
    ),
    # With a vector of each token for each layer, and three layers that share keys and values, as the smaller ones.
    "gemma4, per layer": Family(
        "gemma4",
        _no_tensors,
        _GEMMA4 | _GEMMA4_SHARED | {"embedding_length_per_layer_input": 24},
        partial(_gemma4, token_width=24, shared=3),
        tied=True,
        shape=DEEP,
        embedding_gain=1.0,
    ),
    "gemma4, fused": Family(
        "gemma4",
        _no_tensors,
        _GEMMA4 | _GEMMA4_SHARED,
        partial(_gemma4, shared=3, fused=True),
        tied=True,
        shape=DEEP,
        embedding_gain=1.0,
    ),
    "phi2": Family("phi2", _phi2, {"rope.dimension_count": 8}, layer_norm=True),
    "phi3": Family("phi3", _phi3),
    "phi3, long context": Family(
        "phi3",
        _phi3,
        {"rope.scaling.original_context_length": 128, "rope.scaling.attn_factor": 1.2},
        _longrope,
    ),
    "phi3, short context": Family(
        "phi3", _phi3, {"rope.scaling.original_context_length": CONTEXT}, _longrope, tied=True
    ),
    "granite": Family("granite", _llama, _GRANITE, tied=True, embedding_gain=1.0),
    "granite, no positions": Family("granite", _llama, _GRANITE | {"rope.scaling.finetuned": False}),
    "minicpm": Family("minicpm", _llama, _MINICPM),
    "minicpm, long context": Family("minicpm", _llama, _MINICPM | {"rope.scaling.type": "longrope"}, _longrope),
    "olmo2": Family("olmo2", _olmo2),
    "olmo3": Family("olmo2", _olmo2, _WINDOW | _YARN),
    "starcoder2": Family("starcoder2", _starcoder2, layer_norm=True, tied=True),
    "stablelm": Family("stablelm", _stablelm, {"rope.dimension_count": 8}, layer_norm=True),
    "stablelm 12b": Family(
        "stablelm", _stablelm_12b, {"rope.dimension_count": 8, "use_parallel_residual": True}, layer_norm=True
    ),
    "smollm3": Family("smollm3", _llama, tied=True),
    "exaone": Family("exaone", _llama, model_tensors=_rope_factors),
    "exaone4": Family("exaone4", _exaone4),
    "exaone4, 32b": Family("exaone4", _exaone4, _WINDOW, shape=replace(DEFAULT, layers=64)),
    "command-r": Family("command-r", _cohere, {"logit_scale": 0.5}, layer_norm=True, tied=True),
    # llama.cpp reads the norms of heads in models of 64 layers and more.
    "command-r, plus": Family(
        "command-r",
        _cohere_plus,
        {"logit_scale": 0.5},
        layer_norm=True,
        tied=True,
        shape=replace(DEFAULT, layers=64),
    ),
    "cohere2": Family("cohere2", _cohere, _WINDOW | {"logit_scale": 0.5}, layer_norm=True, tied=True),
    "internlm2": Family("internlm2", _llama),
    "hunyuan-dense": Family("hunyuan-dense", _qwen3, {"expert_count": 1, "expert_used_count": 1}, tied=True),
    "ernie4_5": Family("ernie4_5", _llama, tied=True),
    "ernie4_5, sections": Family("ernie4_5", _llama, {"rope.dimension_sections": [4, 3, 3, 0]}, tied=True),
    "glm4": Family("glm4", _glm4, {"rope.dimension_count": 10}),
    "glm4, sections": Family("glm4", _glm4, {"rope.dimension_count": 10, "rope.dimension_sections": [2, 2, 1, 0]}),
    "glm4, further token": Family(
        "glm4", _glm4, {"rope.dimension_count": 10, "block_count": 5, "nextn_predict_layers": 1}, _further_token
    ),
    "nemotron": Family("nemotron", _nemotron, {"rope.dimension_count": 10}, layer_norm=True),
    "arcee": Family("arcee", _arcee),
    "lfm2": Family(
        "lfm2",
        _lfm2,
        {"attention.head_count_kv": [0, 0, 2, 0], "shortconv.l_cache": 3},
        _lfm2_layers,
        tied=True,
        output_norm="token_embd_norm",
    ),
    "lfm2, window": Family(
        "lfm2",
        _lfm2,
        _WINDOW | {"attention.head_count_kv": [0, 0, 2, 0], "shortconv.l_cache": 4},
        partial(_lfm2_layers, taps=4),
        output_norm="token_embd_norm",
    ),
    "seed_oss": Family("seed_oss", _seed),
    "apertus": Family(
        "apertus",
        _apertus,
        {
            "xielu.alpha_p": [0.6, 0.9, 1.2, 0.1],
            "xielu.alpha_n": [0.7, -0.3, 0.5, 2.0],
            "xielu.beta": [0.5, 0.4, 0.5, 0.6],
            "xielu.eps": [-1e-6] * 4,
        },
        _rope_factors,
    ),
    "chatglm": Family("chatglm", _chatglm, {"rope.dimension_count": 10}),
    # llama.cpp does not read the epsilon of this architecture alone and computes with 0.
    "qwen2vl": Family(
        "qwen2vl", _qwen2, {"rope.dimension_sections": [4, 3, 3, 0], "attention.layer_norm_rms_epsilon": 0.0}
    ),
    "qwen3vl": Family("qwen3vl", _qwen3, {"rope.dimension_sections": [4, 3, 3, 0], "n_deepstack_layers": 2}, tied=True),
}


def write_decoder(path: Path, family: Family, *, shape: Shape | None = None, quant: str = "F32", seed: int = 0) -> None:
    """Write the model. `quant`: the format of the matrices; "Q4_K_M" mixes Q4_K and Q6_K as llama.cpp does."""
    shape = shape or family.shape
    writer = gguf.GGUFWriter(path, family.architecture)
    writer.add_name("random")
    for key, value in (_fields(family, shape) | family.fields).items():
        _add(writer, key if key.startswith("xielu.") else f"{family.architecture}.{key}", value)
    _add_vocabulary(writer)
    _add_tensors(writer, _all_tensors(family, shape), partial(_kind, quant=quant), seed)
    _write(writer)


def _add_tensors(writer: Any, tensors: Iterable[TensorSpec], kind_of: Callable[[str], str], seed: int) -> None:
    """Random values for each tensor. `kind_of`: the format of a matrix by its name."""
    rng = np.random.default_rng(seed)
    for name, dimensions, gain in tensors:
        if gain is None:
            writer.add_tensor(name, rng.uniform(0.7, 1.3, dimensions).astype(np.float32))
        elif gain == 0:
            writer.add_tensor(name, rng.standard_normal(dimensions, np.float32) * np.float32(0.3))
        else:
            kind = kind_of(name)
            matrix = random_matrix((dimensions[0], dimensions[1]), kind, gain / math.sqrt(dimensions[-1]), rng)
            writer.add_tensor(name, matrix, raw_dtype=gguf.GGMLQuantizationType[kind])


def _write(writer: Any) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _fields(family: Family, shape: Shape) -> dict[str, Any]:
    epsilon = "attention.layer_norm_epsilon" if family.layer_norm else "attention.layer_norm_rms_epsilon"
    return {
        "context_length": CONTEXT,
        "embedding_length": shape.width,
        "block_count": shape.layers,
        "feed_forward_length": shape.hidden,
        "attention.head_count": shape.heads,
        "attention.head_count_kv": shape.key_heads,
        "attention.key_length": shape.head_width,
        "attention.value_length": shape.head_width,
        epsilon: 1e-5,
        "rope.freq_base": 10000.0,
        "rope.dimension_count": shape.head_width,
        "vocab_size": VOCABULARY,
    }


def _add(writer: Any, key: str, value: Any) -> None:
    if isinstance(value, bool):
        writer.add_bool(key, value)
    elif isinstance(value, int):
        writer.add_uint32(key, value)
    elif isinstance(value, float):
        writer.add_float32(key, value)
    elif isinstance(value, list):
        writer.add_array(key, value)
    else:
        writer.add_string(key, value)


def _add_vocabulary(writer: Any) -> None:
    tokens, merges = _vocabulary(VOCABULARY, CONTROL, ["a word", " and another"])
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_merges(merges)
    writer.add_token_types(_token_types(tokens, (), ()))
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(END)
    writer.add_add_bos_token(False)


def _all_tensors(family: Family, shape: Shape) -> Iterator[TensorSpec]:
    yield "token_embd.weight", (VOCABULARY, shape.width), family.embedding_gain
    yield from _norms(shape, family.output_norm, bias=family.layer_norm and family.architecture not in _NO_BIAS)
    if not family.tied:
        yield "output.weight", (VOCABULARY, shape.width), 4.0
        if family.architecture == "phi2":
            yield "output.bias", (VOCABULARY,), 0
    if family.model_tensors is not None:
        yield from family.model_tensors(shape)
    for n in range(shape.layers):
        yield from ((f"blk.{n}.{name}", dimensions, gain) for name, dimensions, gain in family.tensors(shape))


_NO_BIAS: Final = ("command-r", "cohere2")


def _kind(name: str, quant: str) -> str:
    if quant != "Q4_K_M":
        return quant
    return (
        "Q6_K" if name in ("output.weight", "token_embd.weight") or "attn_v" in name or "ffn_down" in name else "Q4_K"
    )
