"""Decoded blocks are, bit by bit, what the gguf package makes of them."""

import warnings

import gguf
import numpy as np
import pytest

from forefront.graph.block_formats import FORMATS, BlockFormat
from forefront.graph.errors import ModelFileError

DECODED = [kind for kind in FORMATS.values() if kind.quantized or kind.number]
SCALES = {
    "Q6_K": [208],
    "Q3_K": [108],
    "Q2_K": [80, 82],
    "Q4_1": [0, 2],
    "Q5_1": [0, 2],
    "Q4_K": [0, 2],
    "Q5_K": [0, 2],
}


def random_rows(kind: BlockFormat, rows: int, blocks: int) -> np.ndarray:
    """Random bytes, with scales that are ordinary numbers."""
    rng = np.random.default_rng(len(kind.name) + kind.bytes)
    raw = rng.integers(0, 256, (rows, blocks, kind.bytes), np.uint8)
    if kind.number:
        values = rng.standard_normal((rows, blocks), np.float32)
        quant = gguf.GGMLQuantizationType[kind.name]
        if kind.name == "F64":
            return values.astype("<f8").view(np.uint8)
        return np.ascontiguousarray(gguf.quants.quantize(values, quant)).view(np.uint8).reshape(rows, -1)
    if kind.name != "MXFP4":
        for place in SCALES.get(kind.name, [0]):
            raw[..., place : place + 2] = rng.standard_normal((rows, blocks, 1)).astype("<f2").view(np.uint8)
    return raw.reshape(rows, -1)


@pytest.mark.parametrize("kind", DECODED, ids=lambda kind: kind.name)
def test_decoding_equals_the_reference(kind: BlockFormat) -> None:
    raw = random_rows(kind, 6, 5)
    if kind.name == "F64":
        assert np.array_equal(kind.floats(raw), raw.view("<f8").astype(np.float32))
        return
    quant = gguf.GGMLQuantizationType[kind.name]
    native = raw.view({"F32": "<f4", "F16": "<f2"}.get(kind.name, "u1"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the reference: overflows in branches it does not take
        wanted = np.asarray(gguf.quants.dequantize(native, quant), np.float32)
    assert np.array_equal(kind.floats(raw), wanted)


def test_sizes_are_those_of_the_reference() -> None:
    for number, kind in FORMATS.items():
        quant = gguf.GGMLQuantizationType(number)
        assert (kind.name, kind.values, kind.bytes) == (quant.name, *gguf.GGML_QUANT_SIZES[quant])


@pytest.mark.parametrize("kind", [kind for kind in DECODED if kind.quantized], ids=lambda kind: kind.name)
def test_codes_fit_their_bits(kind: BlockFormat) -> None:
    codes = kind.codes(random_rows(kind, 4, 4)).codes.astype(int)
    assert codes.max() - codes.min() < 2 ** kind.checked().bits


def test_a_format_known_by_size_alone_gives_a_short_error() -> None:
    with pytest.raises(ModelFileError, match="the format IQ2_XXS, which is not supported"):
        FORMATS[16].floats(np.zeros((1, 66), np.uint8))
