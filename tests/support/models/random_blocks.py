"""Random matrices in every format of GGUF, also those that the gguf package cannot quantise to."""

from typing import Any, Final

import gguf
import numpy as np
import numpy.typing as npt

# Where a block has scales as float16 numbers, and what each is of the first: minima that centre the values.
_SCALES: Final[dict[str, dict[int, float]]] = {
    "Q8_0": {0: 1},
    "Q4_0": {0: 1},
    "Q4_1": {0: 1, 2: -7.5},
    "Q5_0": {0: 1},
    "Q5_1": {0: 1, 2: -15.5},
    "Q2_K": {80: 1, 82: 1.5},
    "Q3_K": {108: 1},
    "Q4_K": {0: 1, 2: 7.5},
    "Q5_K": {0: 1, 2: 15.5},
    "Q6_K": {208: 1},
    "IQ4_NL": {0: 1},
    "IQ4_XS": {0: 1},
}


def random_matrix(shape: tuple[int, int], kind: str, deviation: float, rng: np.random.Generator) -> npt.NDArray[Any]:
    """Of that shape and deviation: [rows, bytes of a row], or numbers for formats of plain numbers."""
    rows, columns = shape
    quant = gguf.GGMLQuantizationType[kind]
    if kind not in _SCALES and kind != "MXFP4":
        values = rng.standard_normal((rows, columns), np.float32) * np.float32(deviation)
        return np.asarray(gguf.quants.quantize(values, quant))
    size, stored = gguf.GGML_QUANT_SIZES[quant]
    raw = rng.integers(0, 256, (rows, columns // size, stored), np.uint8)
    if kind == "MXFP4":
        # E2M1 has a deviation of 2.7, doubled 5.5; scales are powers of two.
        raw[..., 0] = np.clip(np.round(np.log2(deviation / 5.5)) + 128, 0, 255)
        return raw.reshape(rows, -1)
    spread = rng.uniform(0.7, 1.3, raw.shape[:2])
    for unit in (1.0, None):
        if unit is None:  # measured now
            unit = deviation / float(np.std(gguf.quants.dequantize(raw.reshape(rows, -1), quant)))
        for place, factor in _SCALES[kind].items():
            raw[..., place : place + 2] = (spread * unit * factor).astype("<f2")[..., None].view(np.uint8)
    return raw.reshape(rows, -1)
