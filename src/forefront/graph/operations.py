"""Operations that all architectures share, in the forms for which OpenVINO's CPU plugin has fused kernels.

Activations are [tokens, channels]; heads are [tokens, heads, 1, channels of a head].
"""

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
from openvino.op import Constant

from forefront.engine.model.openvino_import import ops, ov
from forefront.graph.block_formats import Floats
from forefront.graph.packing.weights import Matrix

Node: TypeAlias = ov.Node

_ELEMENTS: Final = {
    "i4": ov.Type.i4,
    "i8": ov.Type.i8,
    "f16": ov.Type.f16,
    "bf16": ov.Type.bf16,
    "f32": ov.Type.f32,
}


def number(value: float) -> Node:
    """A float32 scalar."""
    return ops.constant(np.float32(value))


def integers(*values: int) -> Node:
    """An int64 vector."""
    return ops.constant(np.array(values, np.int64))


def floats(values: npt.ArrayLike) -> Node:
    """A float32 constant; the values are copied."""
    return ops.constant(np.asarray(values, np.float32))


def reshape(x: Node | ov.Output, *shape: int) -> Node:
    """0 keeps a dimension, -1 is computed."""
    return ops.reshape(x, integers(*shape), True)


def scaled(x: Node, factor: float) -> Node:
    """x * factor."""
    return x if factor == 1 else ops.multiply(x, number(factor))


def rms_norm(x: Node, weight: Floats | None, epsilon: float) -> Node:
    """x / √(mean(x²) + ε) * weight, over the last axis (Zhang & Sennrich 2019)."""
    mean = ops.reduce_mean(ops.power(x, number(2)), integers(-1), True)
    inverse = ops.divide(number(1), ops.sqrt(ops.add(mean, number(epsilon))))
    normed = ops.multiply(x, inverse)
    return normed if weight is None else ops.multiply(normed, floats(weight))


def layer_norm(x: Node, weight: Floats | None, bias: Floats | None, epsilon: float) -> Node:
    """(x - mean(x)) / √(var(x) + ε) * weight + bias, over the last axis (Ba et al. 2016)."""
    y = ops.mvn(x, integers(-1), True, epsilon, "inside_sqrt")
    y = y if weight is None else ops.multiply(y, floats(weight))
    return y if bias is None else ops.add(y, floats(bias))


def silu(x: Node) -> Node:
    """x * sigmoid(x)."""
    return ops.swish(x)


def gelu(x: Node) -> Node:
    """GELU in its approximation by tanh."""
    return ops.gelu(x, "tanh")


def squared_relu(x: Node) -> Node:
    """max(x, 0)²."""
    return ops.power(ops.relu(x), number(2))


def soft_cap(x: Node, limit: float) -> Node:
    """limit * tanh(x / limit)."""
    return scaled(ops.tanh(scaled(x, 1 / limit)), limit)


def split(x: Node, sizes: Sequence[int]) -> list[Node]:
    """Consecutive channels of x, in pieces of these sizes."""
    if len(sizes) == 1:
        return [x]
    pieces = ops.variadic_split(x, ops.constant(np.int64(1)), integers(*sizes)).outputs()
    return [reshape(piece, 0, size) for piece, size in zip(pieces, sizes, strict=True)]


def chosen_rows(x: Node, rows: Node) -> Node:
    """The activations of some tokens alone."""
    return ops.gather(x, rows, ops.constant(np.int64(0)))


def product(x: Node, matrix: Matrix, inputs: "SharedInputs") -> Node:
    """x · Wᵀ with a compressed W."""
    layout, packed = matrix.layout, matrix.packed
    if matrix.input_order is not None:
        x = inputs.ordered(x, matrix.input_order)
    if layout.group == 0:
        values = _constant(packed.codes, layout.element, [matrix.rows, matrix.inputs])
        return ops.matmul(x, values if layout.element == "f32" else _decompressed(values), False, True)
    assert packed.scale is not None
    groups = matrix.inputs // layout.group
    codes = _constant(packed.codes, layout.element, [matrix.rows, groups, layout.group])
    scale = _constant(packed.scale, "f32", [matrix.rows, groups, 1])
    values = reshape(ops.multiply(ops.convert(codes, ov.Type.f32), scale), matrix.rows, matrix.inputs)
    y = ops.matmul(x, values, False, True)
    if packed.minimum is None:
        return y
    # Minima as a second, narrow product: zero points in the wide product would prevent the int8 kernels.
    minimum = _constant(packed.minimum, "f32", [matrix.rows, groups])
    return ops.add(y, ops.matmul(inputs.group_sums(x, groups), minimum, False, True))


class SharedInputs:
    """The prepared inputs of products, made once for all products of the same activations."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, int], Node] = {}
        self._ordered: dict[tuple[str, bytes], Node] = {}

    def group_sums(self, x: Node, groups: int) -> Node:
        """Sums of channels over the groups of a matrix [tokens, groups]."""
        key = (x.get_friendly_name(), groups)
        if key not in self._sums:
            size = x.get_output_partial_shape(0)[-1].get_length() // groups
            self._sums[key] = ops.reduce_sum(reshape(x, 0, groups, size), integers(2), False)
        return self._sums[key]

    def ordered(self, x: Node, order: npt.NDArray[np.int64]) -> Node:
        """The channels of x in another order."""
        key = (x.get_friendly_name(), order.tobytes())
        if key not in self._ordered:
            self._ordered[key] = ops.gather(x, ops.constant(order.astype(np.int32)), ops.constant(np.int64(1)))
        return self._ordered[key]


def _decompressed(values: Node) -> Node:
    """16-bit numbers as float32, marked so that the plugin does not make a float32 constant of them."""
    converted = ops.convert(values, ov.Type.f32)
    converted.get_rt_info()["decompression_0"] = ""
    return converted


def _constant(array: npt.NDArray[Any], element: str, shape: list[int]) -> Node:
    """A constant in the array's own memory, which must outlive the graph."""
    tensor = ov.Tensor(array, ov.Shape(shape), _ELEMENTS[element])
    return Constant(tensor, shared_memory=True)
