"""The layouts of matrices for OpenVINO's kernels."""

from dataclasses import dataclass
from typing import Any, Final

import numpy.typing as npt

from forefront.graph.block_formats import Floats

# Of one number, by OpenVINO's name of its type.
BITS: Final = {"i4": 4, "i8": 8, "f16": 16, "bf16": 16, "f32": 32}


@dataclass(frozen=True, slots=True)
class Layout:
    """The layout of a matrix's numbers. `element`: OpenVINO's name of the code's type, or of plain numbers with
    `group` 0. `group`: codes that share a scale. Matrices of one layout can be joined.

    Scales are float32: the plugin would keep a converted copy of others beside its own.
    """

    element: str
    group: int = 0
    has_minimum: bool = False


@dataclass(frozen=True, slots=True)
class Packed:
    """Rows of a matrix. A value is `scale * code + minimum`. `codes`: bytes [rows, bytes of a row], two codes of four
    bits to a byte. `scale`, `minimum`: [rows, groups], where the layout has them."""

    codes: npt.NDArray[Any]
    scale: npt.NDArray[Any] | None = None
    minimum: Floats | None = None
