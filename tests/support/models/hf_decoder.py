"""The random models of `random_decoder` as Hugging Face directories: the same weights in the other format.

Names of tensors come from the gguf package's own table, so that ours is compared with another's.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import gguf
import numpy as np
import numpy.typing as npt

from forefront.graph.block_formats import FORMATS
from forefront.graph.gguf.gguf_file import GgufFile
from forefront.graph.model_file import Tensor
from tests.support.models.random_decoder import CONTEXT, FAMILIES, VOCABULARY, Shape

Array = npt.NDArray[Any]
_NORMS: Final = ("input_layernorm", "post_attention_layernorm")
_ATTENTION: Final = tuple(f"self_attn.{part}_proj" for part in "qkvo")
_GATED: Final = tuple(f"mlp.{part}_proj" for part in ("gate", "up", "down"))
_LLAMA: Final = (*_NORMS, *_ATTENTION, *_GATED)
_HEAD_NORMS: Final = ("self_attn.q_norm", "self_attn.k_norm")
_BEHIND: Final = ("post_attention_layernorm", "post_feedforward_layernorm", *_ATTENTION, *_GATED, *_HEAD_NORMS)
_GEMMA3: Final = (*_LLAMA, *_HEAD_NORMS, "pre_feedforward_layernorm", "post_feedforward_layernorm")
_GEMMA4: Final = (
    *(*_GEMMA3, "layer_scalar", "per_layer_input_gate", "per_layer_projection", "post_per_layer_input_norm"),
)
_JOINED: Final = ("self_attn.qkv_proj", "self_attn.o_proj", "mlp.gate_up_proj", "mlp.down_proj")
_PLAIN: Final = (*_NORMS, *_ATTENTION, "mlp.up_proj", "mlp.down_proj")
_PHI2: Final = ("input_layernorm", *_ATTENTION[:3], "self_attn.dense", "mlp.fc1", "mlp.fc2")
_STARCODER2: Final = (*_NORMS, *_ATTENTION, "mlp.c_fc", "mlp.c_proj")
_GLM4: Final = ("input_layernorm", "post_self_attn_layernorm", "post_attention_layernorm", "post_mlp_layernorm")
_APERTUS: Final = ("attention_layernorm", "feedforward_layernorm", *_ATTENTION, *_HEAD_NORMS, *_PLAIN[-2:])
_LFM2: Final = (
    *("operator_norm", "ffn_norm", *_ATTENTION[:3], "self_attn.out_proj", "self_attn.q_layernorm"),
    *("self_attn.k_layernorm", "conv.conv", "conv.in_proj", "conv.out_proj"),
    *(f"feed_forward.w{n}" for n in (1, 2, 3)),
)
_INTERNLM2: Final = (
    *("attention_norm", "ffn_norm", "attention.wqkv", "attention.wo"),
    *(f"feed_forward.w{n}" for n in (1, 2, 3)),
)
_EXAONE: Final = (
    *("ln_1", "ln_2", "mlp.c_fc_0", "mlp.c_fc_1", "mlp.c_proj"),
    *(f"attn.attention.{part}" for part in ("q_proj", "k_proj", "v_proj", "out_proj")),
)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A class of Transformers. `family`: of `random_decoder`. `modules`: of a layer. `permuted`: the converter to GGUF
    brings the channels of queries and keys from halves to neighbours. `plus_one`: it adds 1 to norms."""

    family: str
    name: str
    modules: tuple[str, ...] = _LLAMA
    config: dict[str, Any] = field(default_factory=dict)
    permuted: bool = False
    plus_one: bool = False
    outer: tuple[str, ...] = ("model.embed_tokens", "model.norm", "lm_head")
    layers: str = "model.layers."


_LLAMA3: Final = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
_YARN: Final = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 128}
_MINISTRAL3: Final = {
    **{"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32, "rope_theta": 1e4},
    **{"llama_4_scaling_beta": 0.5, "beta_fast": 32.0, "beta_slow": 1.0, "mscale": 1.0, "mscale_all_dim": 1.0},
}
_WINDOW: Final = {"sliding_window": 24}
_RMS: Final = {"rms_norm_eps": 1e-5, "hidden_act": "silu"}
_NO_EPSILON: Final = _RMS | {"rms_norm_eps": 0.0}
_LAYER_NORM: Final = {"layer_norm_eps": 1e-5, "hidden_act": "silu"}
_GEMMA3_CONFIG: Final = {
    **{"rms_norm_eps": 1e-5, "hidden_activation": "gelu_pytorch_tanh", "query_pre_attn_scalar": 20},
    **{"rope_theta": 1e6, "rope_local_base_freq": 10000.0, "sliding_window": 24, "sliding_window_pattern": 6},
}
_GEMMA4_CONFIG: Final = {
    **{"rms_norm_eps": 1e-5, "hidden_activation": "gelu_pytorch_tanh", "sliding_window": 24, "num_kv_shared_layers": 0},
    **{"head_dim": 12, "global_head_dim": 20, "final_logit_softcapping": 10.0, "use_bidirectional_attention": "vision"},
    "hidden_size_per_layer_input": None,
    "layer_types": [
        f"{kind}_attention" for kind in ("sliding", "full", *["sliding", "full"], *["sliding"] * 2, "full")
    ],
    "rope_parameters": {
        "full_attention": {"rope_type": "proportional", "partial_rotary_factor": 0.25, "rope_theta": 1e6},
        "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
    },
}
_GEMMA4_SHARED: Final = {
    **{"num_kv_shared_layers": 3, "use_double_wide_mlp": True, "hidden_size_per_layer_input": 24},
}
_MULTIPLIERS: Final = {
    **{"attention_multiplier": 0.2, "embedding_multiplier": 3.0, "residual_multiplier": 0.4, "logits_scaling": 2.0}
}
# 2/3 of this, in a multiple.
_CONVOLUTIONS: Final = {"norm_eps": 1e-5, "block_ff_dim": 130, "block_multiple_of": 8, "conv_L_cache": 3}
_MROPE: Final = {"rope_type": "default", "mrope_section": [4, 3, 3]}
_TURNED_8: Final = {"partial_rotary_factor": 0.4}
_TURNED_10: Final = {"partial_rotary_factor": 0.5}

# By the name of a test.
CHECKPOINTS: Final[dict[str, Checkpoint]] = {
    "llama": Checkpoint("llama", "LlamaForCausalLM", config=_RMS, permuted=True),
    "llama, tied": Checkpoint("llama, tied", "LlamaForCausalLM", config=_RMS, permuted=True),
    "llama, biases": Checkpoint("llama, biases", "LlamaForCausalLM", config=_RMS, permuted=True),
    "llama3": Checkpoint(
        "llama, factors of positions", "LlamaForCausalLM", config=_RMS | {"rope_scaling": _LLAMA3}, permuted=True
    ),
    "llama, linear": Checkpoint(
        "llama, linear",
        "LlamaForCausalLM",
        config=_RMS | {"rope_scaling": {"type": "linear", "factor": 2.5}},
        permuted=True,
    ),
    "llama, YaRN": Checkpoint(
        "llama, YaRN", "LlamaForCausalLM", config=_RMS | {"rope_parameters": _YARN | {"rope_theta": 1e4}}, permuted=True
    ),
    "llama, dynamic": Checkpoint(
        "llama", "LlamaForCausalLM", config=_RMS | {"rope_scaling": {"type": "dynamic", "factor": 2.0}}, permuted=True
    ),
    "mistral": Checkpoint("llama", "MistralForCausalLM", config=_RMS | {"sliding_window": None}, permuted=True),
    "ministral3": Checkpoint(
        "mistral3",
        "Ministral3ForCausalLM",
        config=_RMS | {"rope_parameters": _MINISTRAL3, "sliding_window": None},
        permuted=True,
    ),
    "mistral3, images": Checkpoint(
        "mistral3",
        "Mistral3ForConditionalGeneration",
        config={"text_config": _RMS | {"rope_parameters": _MINISTRAL3, "sliding_window": None}},
        permuted=True,
    ),
    "internlm2": Checkpoint(
        "internlm2",
        "InternLM2ForCausalLM",
        _INTERNLM2,
        _RMS | {"rope_scaling": {"type": "dynamic", "factor": 2.0}, "bias": False},
        permuted=True,
        outer=("model.tok_embeddings", "model.norm", "output"),
    ),
    "internlm3": Checkpoint("llama, biases", "InternLM3ForCausalLM", config=_RMS, permuted=True),
    "qwen2": Checkpoint(
        "qwen2", "Qwen2ForCausalLM", config=_RMS | _WINDOW | {"use_sliding_window": False, "max_window_layers": 2}
    ),
    "qwen3": Checkpoint("qwen3", "Qwen3ForCausalLM", (*_LLAMA, *_HEAD_NORMS), _RMS),
    "qwen3, YaRN": Checkpoint(
        "qwen3, YaRN", "Qwen3ForCausalLM", (*_LLAMA, *_HEAD_NORMS), _RMS | {"rope_scaling": _YARN}
    ),
    "gemma": Checkpoint(
        "gemma", "GemmaForCausalLM", config={"rms_norm_eps": 1e-5, "hidden_act": "gelu"}, plus_one=True
    ),
    "gemma2": Checkpoint(
        "gemma2",
        "Gemma2ForCausalLM",
        (*_LLAMA, "pre_feedforward_layernorm", "post_feedforward_layernorm"),
        _WINDOW
        | {"rms_norm_eps": 1e-5, "hidden_act": "gelu_pytorch_tanh", "query_pre_attn_scalar": 20}
        | {"attn_logit_softcapping": 5.0, "final_logit_softcapping": 10.0},
        plus_one=True,
    ),
    "gemma3": Checkpoint("gemma3", "Gemma3ForCausalLM", _GEMMA3, _GEMMA3_CONFIG, plus_one=True),
    "gemma3, layer types": Checkpoint(
        "gemma3",
        "Gemma3ForCausalLM",
        _GEMMA3,
        _GEMMA3_CONFIG
        | {
            "layer_types": [f"{kind}_attention" for kind in [*["sliding"] * 5, "full", "sliding"]],
            "sliding_window_pattern": None,
            "rope_parameters": {
                "full_attention": {"rope_type": "default", "rope_theta": 1e6},
                "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
            },
        },
        plus_one=True,
    ),
    "gemma3, images": Checkpoint(
        "gemma3, linear",
        "Gemma3ForConditionalGeneration",
        _GEMMA3,
        {"text_config": _GEMMA3_CONFIG | {"rope_scaling": {"rope_type": "linear", "factor": 8.0}}},
        plus_one=True,
    ),
    "gemma4": Checkpoint(
        "gemma4, whole heads turn",
        "Gemma4ForCausalLM",
        _GEMMA4,
        _GEMMA4_CONFIG | {"attention_k_eq_v": True, "num_global_key_value_heads": 1},
    ),
    "gemma4, images": Checkpoint(
        "gemma4, per layer",
        "Gemma4ForConditionalGeneration",
        _GEMMA4,
        {"text_config": _GEMMA4_CONFIG | _GEMMA4_SHARED},
        outer=(
            *("model.embed_tokens", "model.norm", "lm_head", "model.embed_tokens_per_layer"),
            *("model.per_layer_model_projection", "model.per_layer_projection_norm"),
        ),
    ),
    "phi2": Checkpoint(
        "phi2",
        "PhiForCausalLM",
        _PHI2,
        {"layer_norm_eps": 1e-5, "hidden_act": "gelu_new"} | _TURNED_8,
        outer=("model.embed_tokens", "model.final_layernorm", "lm_head"),
    ),
    "phi3": Checkpoint("phi3", "Phi3ForCausalLM", (*_NORMS, *_JOINED), _RMS | {"sliding_window": CONTEXT}),
    "phi3, long context": Checkpoint(
        "phi3, long context",
        "Phi3ForCausalLM",
        (*_NORMS, *_JOINED),
        _RMS | {"original_max_position_embeddings": 128, "rope_scaling": {"type": "longrope", "attention_factor": 1.2}},
    ),
    "phi3, short context": Checkpoint(
        "phi3, short context",
        "Phi3ForCausalLM",
        (*_NORMS, *_JOINED),
        _RMS | {"original_max_position_embeddings": CONTEXT, "rope_scaling": {"type": "su"}},
    ),
    "granite": Checkpoint("granite", "GraniteForCausalLM", config=_RMS | _MULTIPLIERS, permuted=True),
    "olmo2": Checkpoint("olmo2", "Olmo2ForCausalLM", _BEHIND, _RMS),
    "olmo3": Checkpoint("olmo3", "Olmo3ForCausalLM", _BEHIND, _RMS | _WINDOW | {"rope_scaling": _YARN}),
    "starcoder2": Checkpoint(
        "starcoder2", "Starcoder2ForCausalLM", _STARCODER2, {"norm_epsilon": 1e-5, "hidden_act": "gelu_pytorch_tanh"}
    ),
    "stablelm": Checkpoint("stablelm", "StableLmForCausalLM", config=_LAYER_NORM | _TURNED_8),
    "stablelm 12b": Checkpoint(
        "stablelm 12b",
        "StableLmForCausalLM",
        ("input_layernorm", *_ATTENTION, *_GATED, "self_attn.q_layernorm.norms", "self_attn.k_layernorm.norms"),
        _LAYER_NORM | _TURNED_8,
    ),
    "smollm3": Checkpoint(
        "smollm3",
        "SmolLM3ForCausalLM",
        config=_RMS | {"no_rope_layers": [1, 1, 1, 0], "rope_theta": 10000.0},
        permuted=True,
    ),
    "exaone": Checkpoint(
        "exaone",
        "ExaoneForCausalLM",
        _EXAONE,
        {"layer_norm_epsilon": 1e-5, "activation_function": "silu", "rope_scaling": _LLAMA3},
        outer=("transformer.wte", "transformer.ln_f", "lm_head"),
        layers="transformer.h.",
    ),
    "exaone4": Checkpoint("exaone4", "Exaone4ForCausalLM", _BEHIND, _RMS | {"sliding_window": None}),
    "command-r": Checkpoint(
        "command-r", "CohereForCausalLM", ("input_layernorm", *_ATTENTION, *_GATED), _LAYER_NORM | {"logit_scale": 0.5}
    ),
    "command-r, plus": Checkpoint(
        "command-r, plus",
        "CohereForCausalLM",
        ("input_layernorm", *_ATTENTION, *_GATED, *_HEAD_NORMS),
        _LAYER_NORM | {"logit_scale": 0.5, "use_qk_norm": True},
    ),
    "cohere2": Checkpoint(
        "cohere2",
        "Cohere2ForCausalLM",
        ("input_layernorm", *_ATTENTION, *_GATED),
        _LAYER_NORM | _WINDOW | {"logit_scale": 0.5, "sliding_window_pattern": 4},
    ),
    "hunyuan-dense": Checkpoint(
        "hunyuan-dense",
        "HunYuanDenseV1ForCausalLM",
        (*_LLAMA, "self_attn.query_layernorm", "self_attn.key_layernorm"),
        _RMS,
    ),
    "ernie4_5": Checkpoint("ernie4_5", "Ernie4_5ForCausalLM", config=_RMS | {"rope_theta": 10000.0}),
    "ernie4_5, first name": Checkpoint(
        "ernie4_5", "Ernie4_5_ForCausalLM", config=_RMS | {"rope_theta": 10000.0, "use_bias": False}
    ),
    "glm4": Checkpoint("glm4", "Glm4ForCausalLM", (*_GLM4, *_ATTENTION, *_JOINED[2:]), _RMS | _TURNED_10),
    "nemotron": Checkpoint(
        "nemotron", "NemotronForCausalLM", _PLAIN, {"norm_eps": 1e-5, "hidden_act": "relu2"} | _TURNED_10, plus_one=True
    ),
    "arcee": Checkpoint(
        "arcee", "ArceeForCausalLM", _PLAIN, {"rms_norm_eps": 1e-5, "hidden_act": "relu2"}, permuted=True
    ),
    "seed_oss": Checkpoint("seed_oss", "SeedOssForCausalLM", config=_RMS),
    "apertus": Checkpoint(
        "apertus",
        "ApertusForCausalLM",
        _APERTUS,
        {"rms_norm_eps": 1e-5, "hidden_act": "xielu", "rope_scaling": _LLAMA3},
    ),
    "glm": Checkpoint("chatglm", "GlmForCausalLM", (*_NORMS, *_ATTENTION, *_JOINED[2:]), _RMS | _TURNED_10),
    "lfm2": Checkpoint(
        "lfm2",
        "Lfm2ForCausalLM",
        _LFM2,
        _CONVOLUTIONS | {"full_attn_idxs": [2], "tie_embedding": True, "tie_word_embeddings": None},
        outer=("model.embed_tokens", "model.embedding_norm", "lm_head"),
    ),
    "lfm2, images": Checkpoint(
        "lfm2",
        "Lfm2VlForConditionalGeneration",
        _LFM2,
        {"text_config": _CONVOLUTIONS | {"layer_types": ["conv", "conv", "full_attention", "conv"]}},
        outer=("model.embed_tokens", "model.embedding_norm", "lm_head"),
    ),
    "minicpm": Checkpoint(
        "minicpm",
        "MiniCPMForCausalLM",
        config=_RMS | {"scale_emb": 3, "scale_depth": 0.8, "dim_model_base": 40},
        permuted=True,
    ),
    "qwen2-vl": Checkpoint(
        "qwen2vl",
        "Qwen2VLForConditionalGeneration",
        config=_NO_EPSILON | {"rope_scaling": {"type": "mrope", "mrope_section": [4, 3, 3]}, "vision_config": {}},
    ),
    "qwen2.5-vl": Checkpoint(
        "qwen2vl", "Qwen2_5_VLForConditionalGeneration", config={"text_config": _NO_EPSILON | {"rope_scaling": _MROPE}}
    ),
    "qwen3-vl": Checkpoint(
        "qwen3vl",
        "Qwen3VLForConditionalGeneration",
        (*_LLAMA, *_HEAD_NORMS),
        {"text_config": _RMS | {"rope_scaling": _MROPE | {"mrope_interleaved": True}}},
    ),
}


def write_checkpoint(
    directory: Path, checkpoint: Checkpoint, file: GgufFile, *, shards: int = 1, shape: Shape | None = None
) -> None:
    """The weights of a GGUF file of the checkpoint's family as a Hugging Face directory."""
    directory.mkdir(exist_ok=True)
    shape = shape or FAMILIES[checkpoint.family].shape
    config = _config(checkpoint, file, shape)
    (directory / "config.json").write_text(json.dumps(config))
    write_shards(directory, dict(_tensors(checkpoint, file, shape)), shards)


def write_shards(directory: Path, tensors: Mapping[str, tuple[str, Array]], shards: int = 1) -> None:
    """Tensors (type of safetensors', values) in one file or several."""
    if shards == 1:
        write_safetensors(directory / "model.safetensors", tensors)
        return
    files = [f"model-{n + 1:05}-of-{shards:05}.safetensors" for n in range(shards)]
    where = {name: files[n % shards] for n, name in enumerate(tensors)}
    for file in files:
        write_safetensors(directory / file, {name: tensors[name] for name in tensors if where[name] == file})
    (directory / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))


def write_safetensors(path: Path, tensors: Mapping[str, tuple[str, Array]]) -> None:
    """A file of tensors (type of safetensors', values)."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    data = b""
    for name, (kind, values) in tensors.items():
        content = np.ascontiguousarray(values).tobytes()
        shape = list(values.shape)
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def bfloat16(values: Array) -> tuple[str, Array]:
    """float32 numbers rounded to bfloat16."""
    return "BF16", gguf.quants.quantize(values.astype(np.float32), gguf.GGMLQuantizationType.BF16).view(np.uint16)


def llama3_factors(scaling: Mapping[str, Any], base: float, width: int) -> Array:
    """What Llama 3.1 slows each pair by, after Meta's `apply_scaling`."""
    factors = []
    for channel in range(0, width, 2):
        length = 2 * math.pi * base ** (channel / width)
        low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
        original = scaling["original_max_position_embeddings"]
        if length < original / high:
            factors.append(1.0)
        elif length > original / low:
            factors.append(scaling["factor"])
        else:
            smooth = (original / length - low) / (high - low)
            factors.append(1 / ((1 - smooth) / scaling["factor"] + smooth))
    return np.array(factors, np.float32)


def _config(checkpoint: Checkpoint, file: GgufFile, shape: Shape) -> dict[str, Any]:
    tied = "output.weight" not in file.tensors
    config: dict[str, Any] = {
        "hidden_size": shape.width,
        "num_layers" if checkpoint.family == "exaone" else "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.key_heads,
        "head_dim": shape.head_width,
        "intermediate_size": shape.hidden,
        "max_position_embeddings": CONTEXT,
        "rope_theta": 10000.0,
        "vocab_size": VOCABULARY,
        "tie_word_embeddings": tied,
        "torch_dtype": "float32",
    } | checkpoint.config
    if "text_config" in checkpoint.config:
        config = {"text_config": config | config.pop("text_config")}
    for kind in ("long", "short"):
        if (factors := file.tensors.get(f"rope_factors_{kind}.weight")) is not None:
            config["rope_scaling"] = config["rope_scaling"] | {f"{kind}_factor": factors.floats().tolist()}
    return config | {"architectures": [checkpoint.name]}


def _tensors(checkpoint: Checkpoint, file: GgufFile, shape: Shape) -> Iterator[tuple[str, tuple[str, Array]]]:
    architecture = next(
        key for key, name in gguf.MODEL_ARCH_NAMES.items() if name == FAMILIES[checkpoint.family].architecture
    )
    names = gguf.get_tensor_name_map(architecture, shape.layers)
    modules = list(checkpoint.outer)
    modules += [f"{checkpoint.layers}{n}.{module}" for n in range(shape.layers) for module in checkpoint.modules]
    tensors = dict(file.tensors)
    if "attention.wqkv" in checkpoint.modules:
        tensors |= _grouped_attention(checkpoint, tensors, shape)
    if "self_attn.q_proj" in checkpoint.modules:
        tensors |= _split_attention(tensors, shape)
    prefix = "language_model." if "text_config" in checkpoint.config else ""
    written = set()
    for module in modules:
        for kind in ("weight", "bias"):
            new = names.get_name(module.replace("_layernorm.norms", "_norm"), ())
            if module.endswith("attention.wqkv"):  # three in GGUF files of this architecture
                new = f"blk.{module.split('.')[2]}.attn_qkv"
            assert new or module == "lm_head", module  # always tied in some architectures
            tensor = tensors.get(f"{new}.{kind}")
            if tensor is None or tensor.name in written:
                continue
            written.add(tensor.name)
            stored = _stored(checkpoint, shape, tensor)
            if module.endswith("norms"):
                for n, row in enumerate(stored[1]):
                    yield f"{module}.{n}.{kind}", (stored[0], row)
            elif module.endswith("layer_scalar"):
                yield f"{prefix}{module}", stored
            elif module.endswith("conv.conv"):
                yield f"{prefix}{module}.{kind}", (stored[0], stored[1][:, None])
            else:
                yield f"{prefix}{module}.{kind}", stored
    if checkpoint.name.endswith("ForConditionalGeneration"):
        part = "visual" if "Qwen" in checkpoint.name else "vision_tower.vision_model"
        yield f"{part}.embeddings.weight", ("F32", np.ones((2, 2), np.float32))
    yield from _activations(file)
    missing = {name for name in tensors if not name.startswith("rope_")} - written
    assert not missing, missing


def _grouped_attention(checkpoint: Checkpoint, tensors: dict[str, Tensor], shape: Shape) -> dict[str, Tensor]:
    """For each head of keys the rows of its queries, the key's and the value's, in place of three matrices, which are
    taken out of `tensors`."""
    grouped = {}
    for name in [name for name in tensors if ".attn_q." in name]:
        query, key, value = (
            _stored(checkpoint, shape, tensors.pop(name.replace("attn_q", f"attn_{part}")))[1] for part in "qkv"
        )
        rows = []
        for head in range(shape.key_heads):
            queries = shape.heads // shape.key_heads * shape.head_width
            rows.append(query[head * queries : (head + 1) * queries])
            rows += [part[head * shape.head_width : (head + 1) * shape.head_width] for part in (key, value)]
        new = name.replace("attn_q", "attn_qkv")
        joined = np.concatenate(rows)
        grouped[new] = Tensor(new, joined.shape, FORMATS[0], joined.view(np.uint8))
    return grouped


def _split_attention(tensors: dict[str, Tensor], shape: Shape) -> dict[str, Tensor]:
    """Queries, keys and values in place of a matrix or bias of all three, which is taken out of `tensors`."""
    ends = np.cumsum([shape.heads, shape.key_heads]) * shape.head_width
    parts = {}
    for name in [name for name in tensors if ".attn_qkv." in name]:
        tensor = tensors.pop(name)
        for part, values in zip("qkv", np.split(tensor.floats(), ends), strict=True):
            new = name.replace("attn_qkv", f"attn_{part}")
            data = np.ascontiguousarray(values.reshape(-1, values.shape[-1])).view(np.uint8)
            parts[new] = Tensor(new, values.shape, tensor.format, data)
    return parts


def _activations(file: GgufFile) -> Iterator[tuple[str, tuple[str, Array]]]:
    """The numbers of xIELU of each layer: learned ones as tensors of one, the others without a dimension."""
    for key, values in file.metadata.items():
        for n, value in enumerate(values if key.startswith("xielu.") else ()):
            number = np.array(value, np.float32)
            name = key.removeprefix("xielu.")
            yield f"model.layers.{n}.mlp.act_fn.{name}", ("F32", number[None] if "alpha" in name else number)


def _stored(checkpoint: Checkpoint, shape: Shape, tensor: Tensor) -> tuple[str, Array]:
    """A tensor as the checkpoint has it, in the type of the GGUF file."""
    values = tensor.floats()
    if checkpoint.permuted and (part := tensor.name.split(".")[-2]) in ("attn_q", "attn_k"):
        heads = shape.heads if part == "attn_q" else shape.key_heads
        pairs = values.reshape(heads, shape.head_width // 2, 2, *values.shape[1:])
        values = pairs.swapaxes(1, 2).reshape(values.shape)
    if checkpoint.plus_one and tensor.name.endswith("norm.weight"):
        values = values - 1
    if tensor.format.name == "BF16":
        return bfloat16(values)
    kind = {"F32": np.float32, "F16": np.float16}[tensor.format.name]
    return tensor.format.name, values.astype(kind)
