"""A Hugging Face configuration as GGUF metadata, so that one description of a family serves both."""

import math
from typing import Any, Final

from forefront.graph.errors import ModelFileError
from forefront.graph.hugging_face.config import HfConfig
from forefront.graph.hugging_face.layer_settings import family_fields, windowed_layers
from forefront.graph.hugging_face.rope import RopeSettings, read_rope

_EPSILONS: Final = ("rms_norm_eps", "layer_norm_eps", "norm_epsilon", "norm_eps", "layer_norm_epsilon")
_ACTIVATIONS: Final = ("hidden_activation", "hidden_act", "activation_function")
# The supported values of settings that change the computation.
_PLAIN: Final[dict[str, tuple[Any, ...]]] = {
    "attn_logit_softcapping": (None,),
    "clip_qkv": (None,),
    "is_causal": (None, True),
    "position_embedding_type": (None, "rope"),
    "use_bidirectional_attention": (None, False),
}


def read_metadata(config: HfConfig) -> tuple[dict[str, Any], RopeSettings]:
    """GGUF's metadata, and the settings of rotary positions. Raises `ModelFileError`."""
    _check(config)
    heads = config.integer("num_attention_heads", at_least=1)
    width = config.integer("hidden_size", at_least=1)
    head_width = config.integer("head_dim", default=width // heads, at_least=1)
    epsilon = config.number(*_EPSILONS)
    rope = read_rope(config, head_width)
    fields = {
        "context_length": config.integer("max_position_embeddings", at_least=1 + first_position(config))
        - first_position(config),
        "embedding_length": width,
        "block_count": config.layers,
        "feed_forward_length": config.integer("intermediate_size", at_least=1),
        "attention.head_count": heads,
        "attention.head_count_kv": config.integer("num_key_value_heads", default=heads, at_least=1),
        "attention.key_length": head_width,
        "attention.value_length": head_width,
        "attention.layer_norm_epsilon": epsilon,
        "attention.layer_norm_rms_epsilon": epsilon,
        "rope.interleaved": config.family.interleaved,
        **rope.fields,
        **_windows(config),
        **{key: config.number(name) for key, name in config.family.settings.items() if config.get(name) is not None},
        **_attention_scale(config),
        **family_fields(config),
    }
    name = config.family.architecture
    return {"general.architecture": name} | {f"{name}.{key}": value for key, value in fields.items()}, rope


def first_position(config: HfConfig) -> int:
    """The row of the first position in the matrix of positions: RoBERTa's begins after the padding token's."""
    return config.integer("pad_token_id", default=1) + 1 if config.family.first_position else 0


def _check(config: HfConfig) -> None:
    """Raises `ModelFileError` for settings that the family does not support."""
    activation = next((config.get(key) for key in _ACTIVATIONS if config.get(key) is not None), None)
    if activation is not None and str(activation) not in config.family.activations:
        raise ModelFileError(f"its activation {str(activation)[:40]!r} is not supported for its architecture")
    computed = config.family.settings.values()
    for key, plain in {**_PLAIN, **config.family.plain}.items():
        if key not in computed and config.get(key) not in plain:
            raise ModelFileError(f"its config.json has {key} {str(config.get(key))[:40]!r}, which is not supported")
    if config.family.architecture == "smollm3":
        rotated = [int((n + 1) % 4 != 0) for n in range(config.layers)]
        if config.get("no_rope_layers") not in (None, rotated):
            raise ModelFileError("its no_rope_layers are others than every fourth, which is not supported")


def _attention_scale(config: HfConfig) -> dict[str, float]:
    if config.get("query_pre_attn_scalar") is None:
        return {}
    return {"attention.scale": 1 / math.sqrt(max(1e-9, config.number("query_pre_attn_scalar")))}


def _windows(config: HfConfig) -> dict[str, Any]:
    """The window, and for each layer whether it has one."""
    kind, window = config.family.windows, config.get("sliding_window")
    chosen = config.get("use_sliding_window")
    if kind == "none" or window is None or (chosen is not True if kind == "chosen" else chosen is False):
        return {}
    if config.get("layer_types") is not None or kind in ("period", "first"):
        pattern = windowed_layers(config)
    else:
        first = config.integer("max_window_layers", default=0) if kind == "chosen" else 0
        pattern = [int(n >= first) for n in range(config.layers)]
    return {
        "attention.sliding_window": config.integer("sliding_window", at_least=1),
        "attention.sliding_window_pattern": pattern,
    }
