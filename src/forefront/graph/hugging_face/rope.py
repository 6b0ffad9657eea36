"""Rotary positions as a Hugging Face configuration describes them.

Kinds: transformers, `modeling_rope_utils.py`. "dynamic" changes only positions beyond the model's context, which no
sequence reaches here.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from forefront.graph.block_formats import Floats
from forefront.graph.errors import ModelFileError
from forefront.graph.hugging_face.config import HfConfig

_KINDS: Final = "default, linear, dynamic, llama3, yarn, longrope and proportional"


@dataclass(frozen=True, slots=True)
class RopeSettings:
    """`fields`: GGUF metadata, less the architecture's name. `tensors`: factors of the pairs, by GGUF's names."""

    fields: dict[str, Any]
    tensors: dict[str, Floats] = field(default_factory=dict)


def read_rope(config: HfConfig, head_width: int) -> RopeSettings:
    """Raises `ModelFileError`."""
    scaling, near = _scaling(config)
    part = _number(scaling, "partial_rotary_factor", config.number("partial_rotary_factor", default=1.0))
    kind = scaling.get("rope_type", scaling.get("type", "default"))
    rotated = part  # the frequencies of "proportional" are those of whole heads
    part = 1.0 if kind == "proportional" else part
    width = int(head_width * part) if 0 < part <= 1 else 0
    if width < 2 or width % 2:
        raise ModelFileError(f"its positions rotate {width} of the {head_width} channels of a head")
    base = _number(scaling, "rope_theta", config.number("rope_theta", default=10000.0))
    fields: dict[str, Any] = {"rope.freq_base": base, "rope.dimension_count": width, "rope.scaling.type": "none"}
    if near is not None:
        fields["rope.freq_base_swa"] = _number(near, "rope_theta", 10000.0)
    if scaling.get("llama_4_scaling_beta") is not None:
        fields["attention.temperature_scale"] = _number(scaling, "llama_4_scaling_beta")
        original = _positive(scaling, "original_max_position_embeddings")
        fields["rope.scaling.original_context_length"] = int(min(original, 1 << 30))
    if kind == "dynamic" and "alpha" in scaling:
        fields["rope.freq_base"] = base * max(0.0, _number(scaling, "alpha")) ** (width / max(1, width - 2))
    elif kind == "linear":
        fields |= {"rope.scaling.type": "linear", "rope.scaling.factor": _number(scaling, "factor")}
    elif kind == "yarn":
        fields |= _yarn(config, scaling)
    elif kind == "proportional":
        return RopeSettings(fields, {"rope_freqs.weight": _proportional(scaling, rotated, width)})
    elif kind == "llama3":
        return RopeSettings(fields, {"rope_freqs.weight": _llama3(scaling, base, width)})
    elif kind in ("longrope", "su"):
        return _longrope(config, scaling, fields, width)
    elif kind not in ("default", "dynamic", "mrope"):  # in several dimensions, which are the same in a text
        raise ModelFileError(f"its positions are scaled by {str(kind)[:40]!r}; {_KINDS} are supported")
    return RopeSettings(fields)


def _scaling(config: HfConfig) -> tuple[Mapping[str, Any], Mapping[str, Any] | None]:
    """The settings of scaling, and those of layers with a window where they have their own."""
    found = config.get("rope_parameters")
    found = config.get("rope_scaling") if found is None else found
    if found is None:
        return {}, None
    if isinstance(found, dict) and isinstance(found.get("full_attention"), dict):
        near = found.get("sliding_attention")
        return found["full_attention"], near if isinstance(near, dict) else None
    if not isinstance(found, dict):
        raise config.unusable("rope_scaling", found)
    return found, None


def _number(scaling: Mapping[str, Any], key: str, default: float | None = None) -> float:
    value = scaling.get(key)
    value = default if value is None else value
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1e30 < value < 1e30:
        raise ModelFileError(f"its config.json has the unusable value {repr(value)[:40]} for {key} of its positions")
    return float(value)


def _positive(scaling: Mapping[str, Any], key: str, default: float | None = None) -> float:
    value = _number(scaling, key, default)
    if value <= 0:
        raise ModelFileError(f"its config.json has the unusable value {value} for {key} of its positions")
    return value


def _yarn(config: HfConfig, scaling: Mapping[str, Any]) -> dict[str, Any]:
    if scaling.get("truncate") is False:
        raise ModelFileError("its positions are scaled by 'yarn' without truncation, which is not supported")
    factor = _positive(scaling, "factor")
    original = _positive(scaling, "original_max_position_embeddings", config.integer("max_position_embeddings"))
    fields = {
        "rope.scaling.type": "yarn",
        "rope.scaling.factor": factor,
        "rope.scaling.original_context_length": int(min(original, 1 << 30)),
        "rope.scaling.yarn_beta_fast": _positive(scaling, "beta_fast", 32.0),
        "rope.scaling.yarn_beta_slow": _positive(scaling, "beta_slow", 1.0),
    }
    magnitude = scaling.get("attention_factor")
    if magnitude is None and scaling.get("mscale") and scaling.get("mscale_all_dim"):
        magnitude = _magnitude(factor, _number(scaling, "mscale")) / _magnitude(
            factor, _positive(scaling, "mscale_all_dim")
        )
    elif magnitude is not None:
        magnitude = _positive(scaling, "attention_factor")
    # The graph multiplies with the usual magnitude.
    return fields if magnitude is None else fields | {"rope.scaling.attn_factor": magnitude / _magnitude(factor, 1.0)}


def _magnitude(factor: float, scale: float) -> float:
    return 0.1 * scale * math.log(factor) + 1 if factor > 1 else 1.0


def _llama3(scaling: Mapping[str, Any], base: float, width: int) -> Floats:
    """The divisor of each pair's frequency: `factor` for slow ones, 1 for fast ones, and a ramp between."""
    factor, low, high, context = (
        _positive(scaling, key)
        for key in ("factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings")
    )
    if high <= low or base <= 1:
        raise ModelFileError("its config.json has unusable low_freq_factor, high_freq_factor or rope_theta")
    turns = context * np.power(base, -np.arange(0, width, 2) / width) / (2 * math.pi)
    smooth = np.clip((turns - low) / (high - low), 0, 1)
    return np.asarray(1 / ((1 - smooth) / factor + smooth), np.float32)


def _proportional(scaling: Mapping[str, Any], part: float, width: int) -> Floats:
    """The divisor of each pair's frequency: infinite, but for the first part of the pairs."""
    if not 0 <= part <= 1:
        raise ModelFileError(f"its config.json has the unusable value {part} for partial_rotary_factor")
    factors = np.full(width // 2, 1e30, np.float32)
    factors[: int(part * width // 2)] = _positive(scaling, "factor", 1.0)
    return factors


def _longrope(config: HfConfig, scaling: Mapping[str, Any], fields: dict[str, Any], width: int) -> RopeSettings:
    context = config.integer("max_position_embeddings", at_least=1)
    default = config.integer("original_max_position_embeddings", default=context)
    original = int(min(_positive(scaling, "original_max_position_embeddings", default), 1 << 30))
    ratio = context / original
    magnitude = math.sqrt(1 + math.log(ratio) / math.log(original)) if ratio > 1 and original > 1 else 1.0
    tensors = {}
    for kind in ("long", "short"):
        values = scaling.get(f"{kind}_factor")
        if not isinstance(values, list) or not all(type(value) in (int, float) for value in values):
            raise ModelFileError(f"its config.json has an unusable {kind}_factor of its positions")
        if len(values) != width // 2:
            raise ModelFileError(f"its {kind}_factor has {len(values)} numbers; its positions need {width // 2}")
        tensors[f"rope_factors_{kind}.weight"] = np.array(np.clip(values, -1e30, 1e30), np.float32)
    fields |= {
        "rope.scaling.type": "longrope",
        "rope.scaling.original_context_length": original,
        "rope.scaling.attn_factor": _positive(scaling, "attention_factor", magnitude),
    }
    return RopeSettings(fields, tensors)
