"""A class of Transformers: its architecture in GGUF, and its names of modules and settings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
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
BEHIND: Final = {"post_attention_layernorm": "post_attention_norm", "post_feedforward_layernorm": "post_ffw_norm"}
SILU: Final = frozenset({"silu", "swish"})
GELU: Final = frozenset({"gelu_pytorch_tanh", "gelu_new", "gelu_fast"})


@dataclass(frozen=True, slots=True)
class HfFamily:
    """A class of Transformers.

    `architecture`: in GGUF. `modules`: of a layer, and `model_modules` outside, less ".weight" and ".bias", where they
    differ from Llama's. `layers`: what their names begin with. `activations`: that the architecture has. `interleaved`:
    rotated pairs of channels are neighbours. `plus_one`: norms add 1 to their weights. `windows`: which layers have one
    without `layer_types`: "none", "all", "chosen" by `use_sliding_window`, all but the last of a "period", or all but
    the "first" of it. `settings`: numbers of the configuration by GGUF's key. `defaults`: of the configuration.
    `aliases`: the configuration's keys by the usual ones. `plain`: supported values of settings whose supported values
    differ from the usual ones. `is_encoder`: it makes vectors and generates no text. `prefix`: what names of tensors
    may begin with. `ignored`: a pattern of the names of parts that make no vectors. `first_position`: the matrix of
    positions has rows before that of the first position. `grouped`: the joined matrix of attention has for each head of
    keys the rows of its queries, the key's and the value's in turn. `nulls`: what null means, for settings whose
    default it is not.
    """

    architecture: str
    modules: Mapping[str, str] = field(default_factory=dict)
    model_modules: Mapping[str, str] = field(default_factory=dict)
    layers: str = "model.layers."
    activations: frozenset[str] = SILU
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
    grouped: bool = False
    nulls: Mapping[str, Any] = field(default_factory=dict)

    @property
    def layer_names(self) -> dict[str, str]:
        """GGUF's names of a layer's modules."""
        return {**_LAYER, **self.modules}

    @property
    def model_names(self) -> dict[str, str]:
        """GGUF's names of the modules outside layers."""
        return {**_MODEL, **self.model_modules}
