"""Settings that single layers have in a configuration or in tensors, as GGUF metadata."""

import math
import re
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from forefront.graph.errors import ModelFileError
from forefront.graph.hugging_face.config import HfConfig
from forefront.graph.model_file import Tensor

_ACTIVATION: Final = re.compile(r"model\.layers\.(\d{1,4})\.mlp\.act_fn\.(alpha_p|alpha_n|beta|eps)")


def family_fields(config: HfConfig) -> dict[str, Any]:
    """The metadata of some families alone, less the architecture's name. Raises `ModelFileError`."""
    if config.family.architecture == "lfm2":
        return _convolutions(config)
    if config.family.architecture == "gemma4":
        return _two_widths(config)
    if config.family.architecture == "minicpm":
        return {
            "embedding_scale": config.number("scale_emb"),
            "residual_scale": config.number("scale_depth") / math.sqrt(config.layers),
            "logit_scale": config.integer("hidden_size") / config.integer("dim_model_base", at_least=1),
        }
    return {}


def _two_widths(config: HfConfig) -> dict[str, Any]:
    """Heads of layers with a window and without, and what the last layers share with earlier ones."""
    windowed = windowed_layers(config)
    heads = config.integer("num_attention_heads", at_least=1)
    near = config.integer("num_key_value_heads", default=heads, at_least=1)
    # Fewer heads of keys where keys are the values.
    far = config.integer("num_global_key_value_heads", default=near) if config.get("attention_k_eq_v") is True else near
    width, wide = config.integer("intermediate_size", at_least=1), config.get("use_double_wide_mlp") is True
    shared = config.integer("num_kv_shared_layers", default=0)
    first = config.layers - shared
    head_width = config.integer("window_head_dim", default=256, at_least=2)
    return {
        "attention.head_count_kv": [near if has else far for has in windowed],
        "attention.key_length_swa": head_width,
        "attention.value_length_swa": head_width,
        "rope.dimension_count_swa": head_width,
        "attention.shared_kv_layers": shared,
        "embedding_length_per_layer_input": config.integer("hidden_size_per_layer_input"),
        "feed_forward_length": [width * 2 if wide and n >= first else width for n in range(config.layers)],
    }


def windowed_layers(config: HfConfig) -> list[int]:
    """For each layer 1 if it has a window, else 0: by `layer_types`, or by a period."""
    types = config.get("layer_types")
    if types is not None:
        known = {"full_attention": 0, "sliding_attention": 1}
        if not isinstance(types, list) or len(types) != config.layers or not all(t in known for t in map(str, types)):
            raise config.unusable("layer_types", types)
        return [known[str(t)] for t in types]
    period = config.get("sliding_window_pattern")
    if isinstance(period, str) and period and set(period) <= {"L", "G"}:  # local and global, again and again
        return [int(period[n % len(period)] == "L") for n in range(config.layers)]
    period = config.integer("sliding_window_pattern", at_least=1)
    place = 0 if config.family.windows == "first" else period - 1
    return [int(n % period != place) for n in range(config.layers)]


def _convolutions(config: HfConfig) -> dict[str, Any]:
    """Which layers have attention, the reach of the convolutions in the others, and the width of the networks."""
    types, places = config.get("layer_types"), config.get("full_attn_idxs")
    if types is None:
        places = list(range(config.layers)) if places is None else places
        if not isinstance(places, list):
            raise config.unusable("full_attn_idxs", places)
        types = ["full_attention" if n in places else "conv" for n in range(config.layers)]
    known = ("full_attention", "conv")
    if not isinstance(types, list) or len(types) != config.layers or any(kind not in known for kind in types):
        raise config.unusable("layer_types", types)
    keys = config.integer("num_key_value_heads", at_least=1)
    width = config.integer("intermediate_size", at_least=1)
    if config.get("block_auto_adjust_ff_dim") is not False:
        multiple = config.integer("block_multiple_of", default=256, at_least=1)
        width = int(config.number("block_ffn_dim_multiplier", default=1.0) * int(2 * width / 3))
        width = multiple * -(-width // multiple)
    return {
        "attention.head_count_kv": [keys if kind == "full_attention" else 0 for kind in types],
        "shortconv.l_cache": config.integer("conv_L_cache", at_least=2),
        "feed_forward_length": width,
    }


def split_activations(config: HfConfig, stored: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors without the numbers of xIELU, and these as metadata. Raises `ModelFileError`."""
    if config.family.architecture != "apertus":
        return dict(stored), {}
    tensors: dict[str, Tensor] = {}
    found: dict[str, dict[int, float]] = {}
    for name, tensor in stored.items():
        match = _ACTIVATION.fullmatch(name)
        if match is None:
            tensors[name] = tensor
            continue
        values = tensor.floats()
        if values.size != 1 or not np.isfinite(values).all():
            raise ModelFileError(f"its tensor {name[:80]!r} is not one finite number")
        found.setdefault(f"xielu.{match[2]}", {})[int(match[1])] = float(values.ravel()[0])
    found.setdefault("xielu.beta", dict.fromkeys(range(config.layers), 0.5))
    found.setdefault("xielu.eps", dict.fromkeys(range(config.layers), -1e-6))
    for key in ("xielu.alpha_p", "xielu.alpha_n", "xielu.beta", "xielu.eps"):
        if sorted(found.get(key, {})) != list(range(config.layers)):
            raise ModelFileError(f"it does not have the number {key} for each of its {config.layers} layers")
    return tensors, {key: [numbers[n] for n in range(config.layers)] for key, numbers in found.items()}
