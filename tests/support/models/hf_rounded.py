"""Random matrices in FP8 and in the formats of bitsandbytes, with their values in float32.

Written from the formats' own definitions, independently of how the server reads them.
"""

import json
from typing import Any, Final

import numpy as np

from tests.support.models.hf_quantized import Array, Parts, Quantization

# Of QLoRA's NF4 (Dettmers et al. 2023), and bitsandbytes' FP4 by code.
_NF4: Final = [
    *(-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635),
    *(-0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725),
    *(0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0),
]
_FP4_HALF: Final = [0.0, 0.0052083333, 0.6666667, 1.0, 0.3333333, 0.5, 0.1666667, 0.25]
_FP4: Final = [*_FP4_HALF, *(-value for value in _FP4_HALF)]


def _to_float8(values: Array, exponents: int) -> tuple[Array, Array]:
    """The nearest numbers with a sign, so many bits of exponent and the others of fraction: codes and values."""
    fractions = 7 - exponents
    bias = 2 ** (exponents - 1) - 1
    table = []
    for code in range(128):
        exponent, fraction = code >> fractions, code & (2**fractions - 1)
        if (exponents == 5 and exponent == 31) or code == 127:
            continue  # no finite numbers
        whole = fraction / 2**fractions + (exponent > 0)
        table.append(whole * 2.0 ** (max(exponent, 1) - bias))
    numbers = np.array(table)
    above = np.searchsorted(numbers, np.abs(values)).clip(1, len(numbers) - 1)
    nearest = np.where(np.abs(values) - numbers[above - 1] < numbers[above] - np.abs(values), above - 1, above)
    codes = nearest + 128 * (values < 0)
    return codes.astype(np.uint8), np.where(values < 0, -numbers[nearest], numbers[nearest])


def float8(
    config: dict[str, Any],
    block: tuple[int, int],
    *,
    part: str = "weight_scale_inv",
    exponents: int = 4,
    dimensions: int = 2,
    powers: bool = False,
    kind: str = "F32",
) -> Quantization:
    """Numbers of eight bits with a scale for each block; -1 in place of a size for all of it. `powers`: the scales are
    powers of two."""

    def make(weight: Array, rng: np.random.Generator) -> tuple[Parts, Array]:
        height, width = (length if size == -1 else size for size, length in zip(block, weight.shape, strict=True))
        rows, columns = (np.arange(length) // size for size, length in zip((height, width), weight.shape, strict=True))
        scales = np.zeros((rows[-1] + 1, columns[-1] + 1), np.float32)
        for row in range(len(scales)):
            for column in range(scales.shape[1]):
                part_of = weight[np.ix_(rows == row, columns == column)]
                scales[row, column] = np.abs(part_of).max() / 448 * rng.uniform(1, 1.5)
        if powers:
            scales = 2.0 ** np.ceil(np.log2(scales))
        elif kind == "BF16":
            scales = (scales.view(np.uint32) & 0xFFFF0000).view(np.float32)
        each = scales[np.ix_(rows, columns)]
        codes, values = _to_float8(weight / each, exponents)
        stored: tuple[str, Array] = ("F32", scales.astype(np.float32))
        if powers:
            stored = ("F8_E8M0", (np.log2(scales) + 127).astype(np.uint8))
        elif kind == "BF16":
            stored = ("BF16", (scales.view(np.uint32) >> 16).astype(np.uint16))
        stored = (stored[0], stored[1].reshape(()) if dimensions == 0 else stored[1])
        parts: Parts = {"weight": (f"F8_E{exponents}M{7 - exponents}", codes), part: stored}
        parts["input_scale"] = ("F32", np.ones(1, np.float32))
        return parts, (values * each).astype(np.float32)

    return Quantization(config, make)


def bits_and_bytes(kind: str = "nf4", size: int = 64, *, nested: bool = False) -> Quantization:
    """Codes of four bits, as Linear4bit saves them. `nested`: the largest magnitudes of blocks are codes, too."""
    table = np.array(_NF4 if kind == "nf4" else _FP4, np.float32)

    def make(weight: Array, rng: np.random.Generator) -> tuple[Parts, Array]:
        flat = weight.reshape(-1)
        count = -(-len(flat) // size)
        blocks = np.concatenate([flat, np.zeros(count * size - len(flat), np.float32)]).reshape(count, size)
        largest = np.abs(blocks).max(-1)
        state: dict[str, Any] = {"quant_type": kind, "blocksize": size, "dtype": "bfloat16", "shape": weight.shape}
        parts: Parts = {"weight.absmax": ("F32", largest)}
        if nested:
            offset = float(largest.mean())
            levels = np.linspace(-1, 1, 256).astype(np.float32)
            outer = np.array([np.abs(part - offset).max() for part in np.split(largest, range(256, count, 256))])
            outer = outer.astype(np.float32)
            each = outer.repeat(256)[:count]
            codes = np.abs(levels - ((largest - offset) / each)[:, None]).argmin(-1)
            largest = levels[codes] * each + np.float32(offset)
            parts = {
                "weight.absmax": ("U8", codes.astype(np.uint8)),
                "weight.nested_absmax": ("F32", outer),
                "weight.nested_quant_map": ("F32", levels),
            }
            state |= {"nested_blocksize": 256, "nested_dtype": "float32", "nested_offset": offset}
        found = np.abs(blocks[..., None] / largest[:, None, None] - table).argmin(-1)
        values = (table[found] * largest[:, None]).reshape(-1)[: len(flat)].reshape(weight.shape)
        found = found.reshape(-1)[: len(flat)]
        parts["weight"] = ("U8", (found[0::2] << 4 | found[1::2]).astype(np.uint8)[:, None])
        parts["weight.quant_map"] = ("F32", table)
        text = np.frombuffer(json.dumps(state).encode(), np.uint8)
        parts[f"weight.quant_state.bitsandbytes__{kind}"] = ("U8", text)
        return parts, values

    config = {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": kind}
    return Quantization(config | {"bnb_4bit_use_double_quant": nested}, make)


def bits_and_bytes_integers() -> Quantization:
    """Integers of eight bits, as Linear8bitLt saves them."""

    def make(weight: Array, rng: np.random.Generator) -> tuple[Parts, Array]:
        largest = np.abs(weight).max(-1).astype(np.float32)
        codes = np.rint(weight / largest[:, None] * 127)
        parts: Parts = {
            "weight": ("I8", codes.astype(np.int8)),
            "SCB": ("F32", largest),
            "weight_format": ("U8", np.zeros((), np.uint8)),
        }
        return parts, (codes * (largest[:, None] / 127)).astype(np.float32)

    return Quantization({"quant_method": "bitsandbytes", "load_in_8bit": True}, make)


_BLOCKS: Final = {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [128, 128]}
_COMPRESSED: Final = {"quant_method": "compressed-tensors", "format": "float-quantized"}
_STRUCTURE: Final = {"group_0": {"weights": {"num_bits": 8, "type": "float", "block_structure": [96, 64]}}}

# Matrices that are rounded to eight bits, by the name of a test.
ROUNDED: Final[dict[str, Quantization]] = {
    "FP8, blocks": float8(_BLOCKS, (128, 128)),
    "FP8, uneven blocks": float8(_BLOCKS | {"weight_block_size": [96, 96]}, (96, 96)),
    "FP8, powers of two": float8(_BLOCKS, (128, 128), powers=True),
    "FP8, matrices": float8(_BLOCKS | {"weight_block_size": None}, (-1, -1), dimensions=0, kind="BF16"),
    "FP8, E5M2": float8(_BLOCKS, (128, 128), exponents=5),
    "FBGEMM": float8({"quant_method": "fbgemm_fp8"}, (1, -1), part="weight_scale"),
    "Model Optimizer": float8(
        {"quant_method": "modelopt", "quant_algo": "FP8"}, (-1, -1), part="weight_scale", dimensions=0
    ),
    "compressed-tensors, FP8": float8(_COMPRESSED, (1, -1), part="weight_scale", kind="BF16"),
    "compressed-tensors, FP8, blocks": float8(
        _COMPRESSED | {"config_groups": _STRUCTURE}, (96, 64), part="weight_scale"
    ),
    "bitsandbytes, NF4": bits_and_bytes(),
    "bitsandbytes, FP4": bits_and_bytes("fp4"),
    "bitsandbytes, nested": bits_and_bytes(nested=True),
    "bitsandbytes, blocks over rows": bits_and_bytes(size=192, nested=True),
}
