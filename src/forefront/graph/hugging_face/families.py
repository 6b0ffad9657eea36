"""The models of Hugging Face's Transformers that graphs are built for: GGUF's name of each architecture, and of its
modules.

A checkpoint's `config.json` names its class (`architectures`). Classes: transformers, `models/*/modeling_*.py`.
"""

from dataclasses import replace
from typing import Final

from forefront.graph.hugging_face.encoders import ENCODERS
from forefront.graph.hugging_face.family import BEHIND, GELU, HfFamily

_LLAMA: Final = HfFamily("llama")
_GEMMA: Final = HfFamily("gemma", activations=GELU | {"gelu"}, plus_one=True)
_GEMMA3: Final = HfFamily(
    "gemma3",
    {
        **BEHIND,
        "pre_feedforward_layernorm": "ffn_norm",
    },
    activations=GELU,
    plus_one=True,
    windows="period",
    settings={"rope.freq_base_swa": "rope_local_base_freq", "final_logit_softcapping": "final_logit_softcapping"},
    # The checkpoints omit these.
    defaults={
        "max_position_embeddings": 131072,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 256,
        "rms_norm_eps": 1e-6,
        "rope_theta": 1e6,
        "query_pre_attn_scalar": 256,
        "sliding_window": 4096,
        "sliding_window_pattern": 6,
        "hidden_activation": "gelu_pytorch_tanh",
    },
)
_GEMMA2: Final = HfFamily(
    "gemma2",
    _GEMMA3.modules,
    activations=GELU,
    plus_one=True,
    windows="period",
    settings={
        "attn_logit_softcapping": "attn_logit_softcapping",
        "final_logit_softcapping": "final_logit_softcapping",
    },
    # The checkpoints may omit these.
    defaults={
        "attn_logit_softcapping": 50.0,
        "final_logit_softcapping": 30.0,
        "sliding_window": 4096,
        "sliding_window_pattern": 2,
        "query_pre_attn_scalar": 256,
    },
    nulls={"attn_logit_softcapping": 0.0, "final_logit_softcapping": 0.0},
)
_GEMMA4: Final = HfFamily(
    "gemma4",
    {
        **_GEMMA3.modules,
        "layer_scalar": "layer_output_scale",
        "per_layer_input_gate": "inp_gate",
        "per_layer_projection": "proj",
        "post_per_layer_input_norm": "post_norm",
    },
    {
        "model.embed_tokens_per_layer": "per_layer_token_embd",
        "model.per_layer_model_projection": "per_layer_model_proj",
        "model.per_layer_projection_norm": "per_layer_proj_norm",
    },
    activations=GELU,
    windows="period",
    settings={"final_logit_softcapping": "final_logit_softcapping"},
    defaults={
        "sliding_window": 512,
        "sliding_window_pattern": 6,
        "hidden_size_per_layer_input": 256,
        "global_head_dim": 512,
        "rope_scaling": {
            "full_attention": {"rope_type": "proportional", "partial_rotary_factor": 0.25, "rope_theta": 1e6},
            "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
        },
    },
    # Without a window, heads are wider.
    aliases={"head_dim": "global_head_dim", "window_head_dim": "head_dim"},
    # Only image tokens attend to later tokens.
    plain={
        "use_bidirectional_attention": (None, False, "vision"),
        "enable_moe_block": (None, False),
        "per_layer_config": (None,),
    },
    nulls={"hidden_size_per_layer_input": 0},
)
_COHERE2: Final = HfFamily(
    "cohere2",
    interleaved=True,
    windows="period",
    settings={"logit_scale": "logit_scale"},
    defaults={"logit_scale": 0.0625, "sliding_window_pattern": 4},
    plain={"position_embedding_type": (None, "rope", "rope_gptj")},  # the latter: neighbours are a pair
)
_COMMAND_R: Final = HfFamily(
    "command-r", interleaved=True, settings={"logit_scale": "logit_scale"}, defaults={"logit_scale": 0.0625}
)
_GRANITE: Final = HfFamily(
    "granite",
    settings={
        "embedding_scale": "embedding_multiplier",
        "residual_scale": "residual_multiplier",
        "attention.scale": "attention_multiplier",
        "logit_scale": "logits_scaling",
    },
)
# Without a mixture and with attention in every layer. Layers of Mamba are tensors that have no use.
_GRANITE_HYBRID: Final = replace(
    _GRANITE,
    modules={"shared_mlp.input_linear": "ffn_up", "shared_mlp.output_linear": "ffn_down"},
    aliases={"intermediate_size": "shared_intermediate_size"},
    plain={"num_local_experts": (None, 0), "position_embedding_type": ("rope",)},
)
_NEMOTRON: Final = HfFamily(
    "nemotron", activations=frozenset({"relu2"}), plus_one=True, defaults={"partial_rotary_factor": 0.5}
)
_PHI2: Final = HfFamily(
    "phi2",
    {"self_attn.dense": "attn_output", "mlp.fc1": "ffn_up", "mlp.fc2": "ffn_down"},
    {"model.final_layernorm": "output_norm"},
    activations=GELU,
    defaults={"partial_rotary_factor": 0.5},
)
_STARCODER2: Final = HfFamily(
    "starcoder2", {"mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down"}, activations=GELU, windows="all"
)
_EXAONE: Final = HfFamily(
    "exaone",
    {
        "ln_1": "attn_norm",
        **{f"attn.attention.{part}_proj": f"attn_{part}" for part in "qkv"},
        "attn.attention.out_proj": "attn_output",
        "ln_2": "ffn_norm",
        "mlp.c_fc_0": "ffn_gate",
        "mlp.c_fc_1": "ffn_up",
        "mlp.c_proj": "ffn_down",
    },
    {"transformer.wte": "token_embd", "transformer.ln_f": "output_norm"},
    layers="transformer.h.",
)
_GLM4: Final = HfFamily(
    "glm4",
    {"post_self_attn_layernorm": "post_attention_norm", "post_mlp_layernorm": "post_ffw_norm"},
    interleaved=True,
    defaults={"partial_rotary_factor": 0.5},
)
_ERNIE: Final = HfFamily("ernie4_5", interleaved=True, defaults={"rope_theta": 5e5})
_HUNYUAN: Final = HfFamily(
    "hunyuan-dense", {"self_attn.query_layernorm": "attn_q_norm", "self_attn.key_layernorm": "attn_k_norm"}
)
_INTERNLM2: Final = HfFamily(
    "internlm2",
    {
        "attention_norm": "attn_norm",
        "ffn_norm": "ffn_norm",
        "attention.wqkv": "attn_qkv",
        "attention.wo": "attn_output",
        "feed_forward.w1": "ffn_gate",
        "feed_forward.w2": "ffn_down",
        "feed_forward.w3": "ffn_up",
    },
    {"model.tok_embeddings": "token_embd", "output": "output"},
    grouped=True,
)

_MISTRAL3: Final = HfFamily("mistral3", windows="all")
_GEMMA_EMBEDDING: Final = replace(
    _GEMMA3, architecture="gemma-embedding", is_encoder=True, plain={"use_bidirectional_attention": (True,)}
)
_APERTUS: Final = HfFamily(
    "apertus",
    {"attention_layernorm": "attn_norm", "feedforward_layernorm": "ffn_norm"},
    activations=frozenset({"xielu"}),
    plain={"post_norm": (None, False)},
)
_LFM2: Final = HfFamily(
    "lfm2",
    {
        "operator_norm": "attn_norm",
        "ffn_norm": "ffn_norm",
        "self_attn.out_proj": "attn_output",
        "self_attn.q_layernorm": "attn_q_norm",
        "self_attn.k_layernorm": "attn_k_norm",
        "feed_forward.w1": "ffn_gate",
        "feed_forward.w2": "ffn_down",
        "feed_forward.w3": "ffn_up",
        **{f"conv.{part}": f"shortconv.{part}" for part in ("conv", "in_proj", "out_proj")},
    },
    {"model.embedding_norm": "token_embd_norm"},
    defaults={"rope_theta": 1e6, "norm_eps": 1e-5, "conv_L_cache": 3, "max_position_embeddings": 128000},
    aliases={"intermediate_size": "block_ff_dim", "rope_theta": "theta", "tie_word_embeddings": "tie_embedding"},
)
# Their attention is sparse in long texts if they have the setting.
_MINICPM: Final = HfFamily(
    "minicpm",
    defaults={"scale_emb": 1, "scale_depth": 1, "dim_model_base": 1},
    plain={"sparse_config": (None,)},
)
_QWEN2_VL: Final = HfFamily("qwen2vl", windows="chosen")

# By the class that `architectures` in config.json names.
FAMILIES: Final[dict[str, HfFamily]] = {
    "ApertusForCausalLM": _APERTUS,
    "ArceeForCausalLM": HfFamily("arcee", activations=frozenset({"relu2"})),
    "Cohere2ForCausalLM": _COHERE2,
    "CohereForCausalLM": _COMMAND_R,
    "Ernie4_5ForCausalLM": _ERNIE,
    "Ernie4_5_ForCausalLM": _ERNIE,  # the name in its first checkpoints
    "Exaone4ForCausalLM": HfFamily("exaone4", BEHIND, windows="period", defaults={"sliding_window_pattern": 4}),
    "ExaoneForCausalLM": _EXAONE,
    "Gemma2ForCausalLM": _GEMMA2,
    "Gemma3ForCausalLM": _GEMMA3,
    "Gemma3ForConditionalGeneration": _GEMMA3,
    "Gemma4ForCausalLM": _GEMMA4,
    "Gemma4ForConditionalGeneration": _GEMMA4,
    "GemmaForCausalLM": _GEMMA,
    "Glm4ForCausalLM": _GLM4,
    "GlmForCausalLM": HfFamily("chatglm", interleaved=True, defaults={"partial_rotary_factor": 0.5}),
    "GraniteForCausalLM": _GRANITE,
    "GraniteMoeHybridForCausalLM": _GRANITE_HYBRID,
    "HunYuanDenseV1ForCausalLM": _HUNYUAN,
    "InternLM2ForCausalLM": _INTERNLM2,
    "InternLM3ForCausalLM": _LLAMA,
    "Lfm2ForCausalLM": _LFM2,
    "Lfm2VlForConditionalGeneration": _LFM2,
    "LlamaForCausalLM": _LLAMA,
    "MiniCPMForCausalLM": _MINICPM,
    "Ministral3ForCausalLM": _MISTRAL3,
    "Mistral3ForConditionalGeneration": _MISTRAL3,
    "MistralForCausalLM": HfFamily("llama", windows="all"),
    "NemotronForCausalLM": _NEMOTRON,
    "Olmo2ForCausalLM": HfFamily("olmo2", BEHIND),
    "Olmo3ForCausalLM": HfFamily("olmo2", BEHIND, windows="period", defaults={"sliding_window_pattern": 4}),
    "Phi3ForCausalLM": HfFamily("phi3", windows="all"),
    "PhiForCausalLM": _PHI2,
    "Qwen2ForCausalLM": HfFamily("qwen2", windows="chosen"),
    "Qwen2VLForConditionalGeneration": _QWEN2_VL,
    "Qwen2_5_VLForConditionalGeneration": _QWEN2_VL,
    "Qwen3ForCausalLM": HfFamily("qwen3", windows="chosen"),
    "Qwen3VLForConditionalGeneration": HfFamily("qwen3vl", windows="chosen"),
    "SeedOssForCausalLM": HfFamily("seed_oss", {"post_attention_layernorm": "post_attention_norm"}),
    "SmolLM3ForCausalLM": HfFamily("smollm3", windows="chosen", defaults={"rope_theta": 2e6}),
    "StableLmForCausalLM": HfFamily("stablelm", defaults={"partial_rotary_factor": 0.25}),
    "Starcoder2ForCausalLM": _STARCODER2,
}

_VECTORS: Final = {**ENCODERS, "Gemma3TextModel": _GEMMA_EMBEDDING}
_RANKING: Final = "ForSequenceClassification"


def find_hf_family(name: str) -> tuple[HfFamily, str] | None:
    """The family of a class, and its use: "text" for one that generates, "vectors" for one without a head, "score" for
    one that scores pairs of texts. None for an unknown class."""
    if name in _VECTORS:
        return _VECTORS[name], "score" if name.endswith(_RANKING) else "vectors"
    if name in FAMILIES:
        return FAMILIES[name], "text"
    for ending, use in (("Model", "vectors"), (_RANKING, "score")):
        if name.endswith(ending) and (family := FAMILIES.get(name.removesuffix(ending) + "ForCausalLM")) is not None:
            return family, use
    return None
