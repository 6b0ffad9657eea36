"""The models of Hugging Face's Transformers that graphs are built for: GGUF's name of each architecture, and of its
modules.

A checkpoint's `config.json` names its class (`architectures`). Classes: transformers, `models/*/modeling_*.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

_MODEL: Final = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "score": "cls.output",  # of a model that scores pairs of texts
}
_LAYER: Final = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.qkv_proj": "attn_qkv",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.gate_up_proj": "ffn_up",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
_BEHIND: Final = {"post_attention_layernorm": "post_attention_norm", "post_feedforward_layernorm": "post_ffw_norm"}
_SILU: Final = frozenset({"silu", "swish"})
_GELU: Final = frozenset({"gelu_pytorch_tanh", "gelu_new", "gelu_fast"})


@dataclass(frozen=True, slots=True)
class HfFamily:
    """A class of Transformers.

    `architecture`: in GGUF. `modules`: of a layer, and `model_modules` outside, less ".weight" and ".bias", where they
    differ from Llama's. `layers`: what their names begin with. `activations`: that the architecture has. `interleaved`:
    pairs of channels that turn are neighbours. `plus_one`: norms add 1 to their weights. `windows`: which layers have
    one without `layer_types`: "none", "all", "chosen" by `use_sliding_window`, all but the last of a "period", or all
    but the "first" of it. `settings`: numbers of the configuration by GGUF's key. `defaults`: of the configuration.
    `aliases`: the configuration's keys by the usual ones. `plain`: the values that are computed, of settings with other
    values than usual. `is_encoder`: it makes vectors and generates no text. `prefix`: what names of tensors may begin
    with. `ignored`: a pattern of the names of parts that make no vectors. `first_position`: the matrix of positions has
    rows before that of the first position.
    """

    architecture: str
    modules: Mapping[str, str] = field(default_factory=dict)
    model_modules: Mapping[str, str] = field(default_factory=dict)
    layers: str = "model.layers."
    activations: frozenset[str] = _SILU
    interleaved: bool = False
    plus_one: bool = False
    windows: str = "none"
    settings: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    plain: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    is_encoder: bool = False
    prefix: str = ""
    ignored: str = ""
    first_position: bool = False

    @property
    def layer_names(self) -> dict[str, str]:
        """GGUF's names of a layer's modules."""
        return {**_LAYER, **self.modules}

    @property
    def model_names(self) -> dict[str, str]:
        """GGUF's names of the modules outside of layers."""
        return {**_MODEL, **self.model_modules}


_LLAMA: Final = HfFamily("llama")
_GEMMA: Final = HfFamily("gemma", activations=_GELU | {"gelu"}, plus_one=True)
_GEMMA3: Final = HfFamily(
    "gemma3",
    {
        **_BEHIND,
        "pre_feedforward_layernorm": "ffn_norm",
    },
    activations=_GELU,
    plus_one=True,
    windows="period",
    settings={"rope.freq_base_swa": "rope_local_base_freq", "final_logit_softcapping": "final_logit_softcapping"},
    # The checkpoints leave these out.
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
    activations=_GELU,
    defaults={"partial_rotary_factor": 0.5},
)
_STARCODER2: Final = HfFamily(
    "starcoder2", {"mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down"}, activations=_GELU, windows="all"
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
_HUNYUAN: Final = HfFamily(
    "hunyuan-dense", {"self_attn.query_layernorm": "attn_q_norm", "self_attn.key_layernorm": "attn_k_norm"}
)

_MISTRAL3: Final = HfFamily("mistral3", windows="all")

_BERT_LAYER: Final = {
    **{f"attention.self.{part}": f"attn_{part[0]}" for part in ("query", "key", "value")},
    "attention.output.dense": "attn_output",
    "attention.output.LayerNorm": "attn_output_norm",
    "intermediate.dense": "ffn_up",
    "output.dense": "ffn_down",
    "output.LayerNorm": "layer_output_norm",
}
_BERT_MODEL: Final = {
    "embeddings.word_embeddings": "token_embd",
    "embeddings.position_embeddings": "position_embd",
    "embeddings.token_type_embeddings": "token_types",
    "embeddings.LayerNorm": "token_embd_norm",
}
_BERT: Final = HfFamily(
    "bert",
    _BERT_LAYER,
    _BERT_MODEL,
    layers="encoder.layer.",
    activations=frozenset({"gelu"}),
    plain={"position_embedding_type": (None, "absolute")},
    is_encoder=True,
    prefix="bert.",
    ignored=r"embeddings\.position_ids|pooler\..*|cls\..*",
)
_ROBERTA: Final = replace(
    _BERT, prefix="roberta.", ignored=r"embeddings\.position_ids|pooler\..*|lm_head\..*", first_position=True
)
# Their heads score pairs of texts.
_BERT_RANK: Final = replace(
    _BERT,
    model_modules={**_BERT_MODEL, "pooler.dense": "cls", "classifier": "cls.output"},
    ignored=r"embeddings\.position_ids",
)
_ROBERTA_RANK: Final = replace(
    _ROBERTA,
    model_modules={**_BERT_MODEL, "classifier.dense": "cls", "classifier.out_proj": "cls.output"},
    ignored=r"embeddings\.position_ids|pooler\..*",
)
_MODERN_BERT: Final = HfFamily(
    "modern-bert",
    {
        "attn.Wqkv": "attn_qkv",
        "attn.Wo": "attn_output",
        "mlp_norm": "ffn_norm",
        "mlp.Wi": "ffn_up",
        "mlp.Wo": "ffn_down",
        "attn_norm": "attn_norm",
    },
    {"embeddings.tok_embeddings": "token_embd", "embeddings.norm": "token_embd_norm", "final_norm": "output_norm"},
    layers="layers.",
    activations=frozenset({"gelu"}),
    windows="first",
    settings={"rope.freq_base_swa": "rope_local_base_freq"},
    defaults={
        "norm_eps": 1e-5,
        "rope_theta": 160000.0,
        "rope_local_base_freq": 10000.0,
        "sliding_window": 128,
        "sliding_window_pattern": 3,
    },
    aliases={
        "sliding_window": "local_attention",
        "sliding_window_pattern": "global_attn_every_n_layers",
        "rope_theta": "global_rope_theta",
        "rope_local_base_freq": "local_rope_theta",
    },
    # The type is of another feature in old configurations.
    plain={"position_embedding_type": (None, "rope", "absolute", "sans_pos")},
    is_encoder=True,
    prefix="model.",
    ignored=r"head\..*|decoder\..*",
)
_GEMMA_EMBEDDING: Final = replace(
    _GEMMA3, architecture="gemma-embedding", is_encoder=True, plain={"use_bidirectional_attention": (True,)}
)

# Encoders: classes that make vectors and generate no text.
_ENCODERS: Final[dict[str, HfFamily]] = {
    **dict.fromkeys(("BertModel", "BertForMaskedLM"), _BERT),
    "BertForSequenceClassification": _BERT_RANK,
    **dict.fromkeys(("RobertaModel", "RobertaForMaskedLM", "XLMRobertaModel", "XLMRobertaForMaskedLM"), _ROBERTA),
    **dict.fromkeys(("RobertaForSequenceClassification", "XLMRobertaForSequenceClassification"), _ROBERTA_RANK),
    **dict.fromkeys(("ModernBertModel", "ModernBertForMaskedLM"), _MODERN_BERT),
    "Gemma3TextModel": _GEMMA_EMBEDDING,
}

# By the class that `architectures` in config.json names.
FAMILIES: Final[dict[str, HfFamily]] = {
    "ArceeForCausalLM": HfFamily("arcee", activations=frozenset({"relu2"})),
    "Cohere2ForCausalLM": _COHERE2,
    "CohereForCausalLM": _COMMAND_R,
    "Ernie4_5ForCausalLM": HfFamily("ernie4_5", interleaved=True, defaults={"rope_theta": 5e5}),
    "Exaone4ForCausalLM": HfFamily("exaone4", _BEHIND, windows="period", defaults={"sliding_window_pattern": 4}),
    "ExaoneForCausalLM": _EXAONE,
    "Gemma3ForCausalLM": _GEMMA3,
    "Gemma3ForConditionalGeneration": _GEMMA3,
    "GemmaForCausalLM": _GEMMA,
    "Glm4ForCausalLM": _GLM4,
    "GraniteForCausalLM": _GRANITE,
    "GraniteMoeHybridForCausalLM": _GRANITE_HYBRID,
    "HunYuanDenseV1ForCausalLM": _HUNYUAN,
    "InternLM3ForCausalLM": _LLAMA,
    "LlamaForCausalLM": _LLAMA,
    "Ministral3ForCausalLM": _MISTRAL3,
    "Mistral3ForConditionalGeneration": _MISTRAL3,
    "MistralForCausalLM": HfFamily("llama", windows="all"),
    "NemotronForCausalLM": _NEMOTRON,
    "Olmo2ForCausalLM": HfFamily("olmo2", _BEHIND),
    "Olmo3ForCausalLM": HfFamily("olmo2", _BEHIND, windows="period", defaults={"sliding_window_pattern": 4}),
    "Phi3ForCausalLM": HfFamily("phi3", windows="all"),
    "PhiForCausalLM": _PHI2,
    "Qwen2ForCausalLM": HfFamily("qwen2", windows="chosen"),
    "Qwen3ForCausalLM": HfFamily("qwen3", windows="chosen"),
    "SeedOssForCausalLM": HfFamily("seed_oss", {"post_attention_layernorm": "post_attention_norm"}),
    "SmolLM3ForCausalLM": HfFamily("smollm3", windows="chosen", defaults={"rope_theta": 2e6}),
    "StableLmForCausalLM": HfFamily("stablelm", defaults={"partial_rotary_factor": 0.25}),
    "Starcoder2ForCausalLM": _STARCODER2,
}

_RANKING: Final = "ForSequenceClassification"


def find_hf_family(name: str) -> tuple[HfFamily, str] | None:
    """The family of a class, and its use: "text" for one that generates, "vectors" for one without a head, "score" for
    one that scores pairs of texts. None for an unknown class."""
    if name in _ENCODERS:
        return _ENCODERS[name], "score" if name.endswith(_RANKING) else "vectors"
    if name in FAMILIES:
        return FAMILIES[name], "text"
    for ending, use in (("Model", "vectors"), (_RANKING, "score")):
        if name.endswith(ending) and (family := FAMILIES.get(name.removesuffix(ending) + "ForCausalLM")) is not None:
            return family, use
    return None
