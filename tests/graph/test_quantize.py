"""Values rounded in groups of 32 are as near as their scales permit."""

import numpy as np
import pytest

from forefront.graph.packing.layout import Layout, Packed
from forefront.graph.packing.quantize import GROUP, quantize


def values(packed: Packed, kind: str) -> np.ndarray:
    codes = packed.codes
    if kind == "i4":
        halves = np.stack([codes & 15, codes >> 4], axis=-1).reshape(len(codes), -1).astype(np.int8)
        codes = np.where(halves > 7, halves - 16, halves)
    assert packed.scale is not None
    scaled = codes.reshape(len(codes), -1, GROUP) * packed.scale.astype(np.float32)[..., None]
    return np.asarray(scaled.reshape(len(codes), -1), np.float32)


@pytest.mark.parametrize(("kind", "rms"), [("i8", 0.006), ("i4", 0.085)])
@pytest.mark.parametrize("deviation", [1e-9, 1e-3, 1.0, 1e4, 1e9])
def test_normal_numbers(kind: str, rms: float, deviation: float) -> None:
    wanted = np.random.default_rng(0).standard_normal((64, 256), np.float32) * np.float32(deviation)
    wanted[3, :64] = 0
    wanted[4, :32] = 1e-41
    found = values(quantize(wanted, Layout(kind, GROUP)), kind)
    assert np.sqrt(np.mean((found - wanted) ** 2)) < rms * deviation
    assert (found[3, :64] == 0).all()
    assert (found[4, :32] == 0).all()
