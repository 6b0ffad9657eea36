"""How fast the channels of a head turn with a token's position, as a GGUF file asks for it.

Rotary positions (Su et al. 2021): the i-th of R/2 pairs of channels turns by position · base^(−2i/R). Models with a
long context slow this down: all pairs by one factor ("linear"), or each by its own (`rope_freqs.weight`, which Llama
has from version 3.1 on).
"""

import math

import numpy as np

from forefront.catalog.gguf_file import Floats, GgufFile


class RotaryError(ValueError):
    """The file asks for positions that are not computed here; the text says which."""


def plain_frequencies(file: GgufFile) -> Floats:
    """The radians per position of each pair [R/2], before any scaling. Raises `RotaryError`."""
    whole = file.integer(".embedding_length", 1, 2**20) // file.integer(".attention.head_count", 1, 2**20)
    channels = file.integer(".attention.key_length", 1, 2**14, max(whole, 1))
    rotated, base = file.integer(".rope.dimension_count", 1, 2**14, channels), file.number(".rope.freq_base", 10000.0)
    # OpenVINO's graph turns whole heads.
    if rotated != channels or rotated % 2:
        raise RotaryError(f"its positions turn {rotated} of {channels} channels; only whole heads are supported")
    if not 1 <= base < math.inf:
        raise RotaryError(f"its rope.freq_base is {base}")
    return np.asarray(float(base) ** (-np.arange(0, rotated, 2) / rotated), np.float32)


def scaled_frequencies(file: GgufFile) -> Floats:
    """The radians per position of each pair [R/2] that the model was made for. Raises `RotaryError`."""
    plain = plain_frequencies(file)
    factors = file.vectors().get("rope_freqs.weight", np.ones_like(plain))
    if factors.shape != plain.shape or not (np.isfinite(factors) & (factors > 0)).all():
        raise RotaryError(f"its rope_freqs.weight is not {len(plain)} positive factors")
    return np.asarray(plain / (factors * np.float32(_linear_factor(file))), np.float32)


def _linear_factor(file: GgufFile) -> float:
    """What every frequency is divided by; 1 for none. A factor without a type is linear, as in llama.cpp."""
    kind = file.text(".rope.scaling.type", "linear")
    factor = file.number(".rope.scaling.factor", file.number(".rope.scale_linear", 0.0)) or 1.0
    if kind == "none":
        return 1.0
    if not 0 < factor < math.inf:
        raise RotaryError(f"its rope.scaling.factor is {factor}")
    # Scaling by 1 leaves positions as they are, whatever its kind; longrope has factors of its own besides.
    if kind != "linear" and (factor != 1 or kind != "yarn"):
        raise RotaryError(f"its positions are scaled by {kind!r} (factor {factor:g}); only linear scaling is supported")
    if (magnitude := file.number(".rope.scaling.attn_factor", 1.0)) != 1:
        raise RotaryError(f"its rope.scaling.attn_factor is {magnitude}; only 1 is supported")
    return factor
