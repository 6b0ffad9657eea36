"""Random matrices in the formats of GPTQ, AWQ, compressed-tensors and MLX, with their values in float32.

Written from the formats' own definitions, independently of how the server reads them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
# The parts of a module by name: type of safetensors', values.
Parts = dict[str, tuple[str, Array]]


@dataclass(frozen=True, slots=True)
class Quantization:
    """`config`: `quantization_config`. `make(weight, rng)`: the parts of a module, and the matrix that they encode.
    `everywhere`: not in layers alone."""

    config: dict[str, Any]
    make: Callable[[Array, np.random.Generator], tuple[Parts, Array]] = field(repr=False)
    everywhere: bool = False


def _codes(
    weight: Array, group: int, bits: int, symmetric: bool, order: Array | None = None
) -> tuple[Array, Array, Array, Array, Array]:
    """Codes [outputs, inputs], scales and zeros [outputs, groups], the group of each input, and the values."""
    outputs, inputs = weight.shape
    groups = np.arange(inputs) // group
    if order is not None:
        groups = groups[order]
    count, most = inputs // group, 2**bits - 1
    scales, zeros = np.zeros((outputs, count), np.float16), np.zeros((outputs, count), int)
    codes, values = np.zeros(weight.shape, int), np.zeros(weight.shape, np.float32)
    for g in range(count):
        columns = weight[:, groups == g]
        low, high = np.minimum(columns.min(1), 0), np.maximum(columns.max(1), 0)
        if symmetric:
            scales[:, g] = np.abs(columns).max(1) / (2 ** (bits - 1) - 1)
            zeros[:, g] = 2 ** (bits - 1)
        else:
            scales[:, g] = (high - low) / most
            zeros[:, g] = np.clip(np.rint(-low / scales[:, g].astype(np.float32)), 1, most - 1)
        exact = scales[:, g].astype(np.float32)[:, None]
        codes[:, groups == g] = np.clip(np.rint(columns / exact) + zeros[:, g, None], 0, most)
        values[:, groups == g] = exact * (codes[:, groups == g] - zeros[:, g, None])
    return codes, scales, zeros, groups, values


def _packed(codes: Array, bits: int, axis: int, places: tuple[int, ...] | None = None) -> Array:
    """Neighbours along the axis in words of 32 bits. `places[i]`: which of them is at bit i * bits."""
    each = 32 // bits
    codes = np.moveaxis(codes, axis, -1)
    codes = codes.reshape(*codes.shape[:-1], -1, each)
    words = np.zeros(codes.shape[:-1], np.uint32)
    for i, place in enumerate(places or range(each)):
        words |= codes[..., place].astype(np.uint32) << np.uint32(bits * i)
    return np.moveaxis(words, -1, axis).view(np.int32)


def gptq(
    bits: int = 4, group: int = 32, *, symmetric: bool = True, activation_order: bool = False, version: str = "gptq"
) -> Quantization:
    """As AutoGPTQ and GPTQModel write it; `group` -1 for whole columns."""

    def make(weight: Array, rng: np.random.Generator) -> tuple[Parts, Array]:
        size = weight.shape[1] if group == -1 else group
        # One order for all matrices of the same inputs, as the programs have it.
        order = np.random.default_rng(size + weight.shape[1]).permutation(weight.shape[1]) if activation_order else None
        codes, scales, zeros, groups, values = _codes(weight, size, bits, symmetric, order)
        parts: Parts = {
            "qweight": ("I32", _packed(codes.T, bits, 0)),
            "qzeros": ("I32", _packed(zeros.T - (version == "gptq"), bits, 1)),
            "scales": ("F16", scales.T),
            "g_idx": ("I32", groups.astype(np.int32)),
        }
        return parts, values

    config = {"quant_method": "gptq", "bits": bits, "group_size": group, "sym": symmetric, "desc_act": activation_order}
    return Quantization(config | {"checkpoint_format": version}, make)


def awq(group: int = 32) -> Quantization:
    """As AutoAWQ writes it for its GEMM kernels."""
    places = (0, 2, 4, 6, 1, 3, 5, 7)

    def make(weight: Array, rng: np.random.Generator) -> tuple[Parts, Array]:
        codes, scales, zeros, _, values = _codes(weight, group, 4, symmetric=False)
        parts: Parts = {
            "qweight": ("I32", _packed(codes.T, 4, 1, places)),
            "qzeros": ("I32", _packed(zeros.T, 4, 1, places)),
            "scales": ("F16", scales.T),
        }
        return parts, values

    return Quantization(
        {"quant_method": "awq", "bits": 4, "group_size": group, "zero_point": True, "version": "gemm"}, make
    )


def compressed(
    bits: int = 4,
    group: int = 32,
    *,
    symmetric: bool = True,
    activation_order: bool = False,
    packed_zeros: bool = True,
) -> Quantization:
    """compressed-tensors' "pack-quantized"; `group` -1 for one scale for each output. Early versions do not have
    `packed_zeros`."""

    def make(weight: Array, rng: np.random.Generator) -> tuple[Parts, Array]:
        size = weight.shape[1] if group == -1 else group
        order = rng.permutation(weight.shape[1]) if activation_order else None
        codes, scales, zeros, groups, values = _codes(weight, size, bits, symmetric, order)
        parts: Parts = {
            "weight_packed": ("I32", _packed(codes, bits, 1)),
            "weight_scale": ("F16", scales),
            "weight_shape": ("I64", np.array(weight.shape, np.int64)),
        }
        if not symmetric:
            signed = ("I8", (zeros - 2 ** (bits - 1)).astype(np.int8))
            parts["weight_zero_point"] = ("I32", _packed(zeros, bits, 0)) if packed_zeros else signed
        if activation_order:
            parts["weight_g_idx"] = ("I32", groups.astype(np.int32))
        return parts, values

    weights = {"num_bits": bits, "type": "int", "symmetric": symmetric, "group_size": group}
    return Quantization(
        {
            "quant_method": "compressed-tensors",
            "format": "pack-quantized",
            "config_groups": {"group_0": {"targets": ["Linear"], "weights": weights}},
            "ignore": ["lm_head"],
        },
        make,
    )


def integers(group: int = -1, *, symmetric: bool = True) -> Quantization:
    """compressed-tensors' "int-quantized": a byte for each code, and activations of eight bits."""

    def make(weight: Array, rng: np.random.Generator) -> tuple[Parts, Array]:
        size = weight.shape[1] if group == -1 else group
        codes, scales, zeros, _, values = _codes(weight, size, 8, symmetric)
        parts: Parts = {
            "weight": ("I8", (codes - 128).astype(np.int8)),
            "weight_scale": ("F16", scales),
            "input_scale": ("F16", np.ones(1, np.float16)),
        }
        if not symmetric:
            parts["weight_zero_point"] = ("I8", (zeros - 128).astype(np.int8))
        return parts, values

    return Quantization({"quant_method": "compressed-tensors", "format": "int-quantized"}, make)


def mlx(bits: int = 4, group: int = 64) -> Quantization:
    """As MLX writes it: a scale and a value of code 0 for each group. Embeddings are quantised, too."""

    def make(weight: Array, rng: np.random.Generator) -> tuple[Parts, Array]:
        groups = weight.reshape(len(weight), -1, group)
        biases = groups.min(-1).astype(np.float16)
        spans = groups.max(-1) - biases.astype(np.float32)
        scales = (spans / (2**bits - 1)).astype(np.float16)
        wide, lowest = (part.astype(np.float32)[..., None] for part in (scales, biases))
        codes = np.clip(np.rint((groups - lowest) / wide), 0, 2**bits - 1)
        words = _packed(codes.astype(int).reshape(weight.shape), bits, 1).view(np.uint32)
        parts: Parts = {"weight": ("U32", words), "scales": ("F16", scales), "biases": ("F16", biases)}
        return parts, (wide * codes + lowest).reshape(weight.shape).astype(np.float32)

    return Quantization({"bits": bits, "group_size": group}, make, everywhere=True)


# By the name of a test.
QUANTIZATIONS: Final[dict[str, Quantization]] = {
    "GPTQ": gptq(),
    "GPTQ, groups of 128": gptq(group=128),
    "GPTQ, whole columns": gptq(group=-1),
    "GPTQ, asymmetric": gptq(symmetric=False),
    "GPTQ, activation order": gptq(group=64, activation_order=True),
    "GPTQ, asymmetric, activation order": gptq(symmetric=False, activation_order=True),
    "GPTQ, second format": gptq(symmetric=False, version="gptq_v2"),
    "GPTQ, 8 bits": gptq(bits=8),
    "GPTQ, 8 bits, asymmetric": gptq(bits=8, symmetric=False, activation_order=True),
    "AWQ": awq(),
    "AWQ, groups of 128": awq(128),
    "compressed-tensors": compressed(),
    "compressed-tensors, whole rows": compressed(group=-1),
    "compressed-tensors, asymmetric": compressed(group=128, symmetric=False),
    "compressed-tensors, early zero points": compressed(symmetric=False, packed_zeros=False),
    "compressed-tensors, activation order": compressed(activation_order=True),
    "compressed-tensors, 8 bits": compressed(bits=8, symmetric=False),
    "MLX": mlx(),
    "MLX, 8 bits": mlx(bits=8, group=32),
    "compressed-tensors, integers": integers(),
    "compressed-tensors, integers, asymmetric": integers(group=32, symmetric=False),
}
