"""The speed of matrix products of a model's shapes, each alone, through OpenVINO."""

import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from forefront.engine.model.openvino_import import ov
from forefront.graph.gguf.gguf_file import GgufFile

# isort: split
from openvino import opset15 as ops

_ROUNDS: Final = 5
_LEAST_SECONDS: Final = 0.03
_LEVELS: Final = 256


@dataclass(frozen=True, slots=True)
class Shapes:
    """The matrices of a model. `counts`: how many there are of [outputs, inputs]; the table of embeddings, of which a
    token reads one row, is left out unless it is the output matrix too. `weight_bytes`: their size in the file.
    `output`: the number of operations of the output matrix, which only sampled tokens need."""

    counts: Mapping[tuple[int, int], int]
    weight_bytes: int
    output: float

    @property
    def operations(self) -> float:
        """Operations for a token, a multiplication and an addition each."""
        return sum(2.0 * rows * columns * count for (rows, columns), count in self.counts.items())


def matrix_shapes(path: Path) -> Shapes:
    """The matrices of a GGUF file."""
    tensors = GgufFile(path).tensors
    tied = "output.weight" not in tensors
    counts: Counter[tuple[int, int]] = Counter()
    size, output = 0, 0.0
    for name, tensor in tensors.items():
        if len(tensor.shape) != 2 or (name == "token_embd.weight" and not tied):
            continue
        rows, columns = tensor.shape
        counts[rows, columns] += 1
        size += math.prod(tensor.shape) // tensor.format.values * tensor.format.bytes
        if name == ("token_embd.weight" if tied else "output.weight"):
            output = 2.0 * rows * columns
    return Shapes(counts, size, output)


def int8_throughput(shapes: Shapes, tokens: int) -> float:
    """Operations per second of all matrices of the layers, for a batch of `tokens`: the best of three ways to multiply
    by 8-bit weights. Each shape counts as often as the model has it."""
    return _throughput(shapes, tokens, ("quantised", "channels", "groups"))


def float_throughput(shapes: Shapes, tokens: int) -> float:
    """The same with 32-bit weights."""
    return _throughput(shapes, tokens, ("float",))


def _throughput(shapes: Shapes, tokens: int, kinds: tuple[str, ...]) -> float:
    operations = seconds = 0.0
    for (rows, columns), count in shapes.counts.items():
        if 2.0 * rows * columns == shapes.output:  # not part of prefill
            continue
        operations += 2.0 * rows * columns * tokens * count
        seconds += count * min(_product_seconds(kind, rows, columns, tokens) for kind in kinds)
    return operations / seconds


def _product_seconds(kind: str, rows: int, columns: int, tokens: int) -> float:
    best = float("inf")
    for properties in _properties(kind, columns):
        request = ov.Core().compile_model(_graph(kind, rows, columns, tokens), "CPU", properties).create_infer_request()
        inputs = np.random.default_rng(0).standard_normal((tokens, columns), np.float32)
        request.set_input_tensor(ov.Tensor(inputs))
        request.infer()
        for _ in range(_ROUNDS):
            begin, count = time.perf_counter(), 0
            while time.perf_counter() - begin < _LEAST_SECONDS:
                request.infer()
                count += 1
            best = min(best, (time.perf_counter() - begin) / count)
    return best


def _properties(kind: str, columns: int) -> Iterator[dict[str, Any]]:
    fixed = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    if kind in ("channels", "groups"):
        yield fixed
        yield fixed | {"DYNAMIC_QUANTIZATION_GROUP_SIZE": columns}
    else:
        yield fixed


def _graph(kind: str, rows: int, columns: int, tokens: int) -> Any:
    chance = np.random.default_rng(0)
    x = ops.parameter([tokens, columns], ov.Type.f32)
    if kind == "float":
        weights = ops.constant(chance.standard_normal((rows, columns), np.float32))
        return ov.Model([ops.matmul(x, weights, False, True)], [x], kind)
    if kind == "groups":
        group = 32
        codes = chance.integers(-127, 128, (rows, columns // group, group), np.int8)
        scale = chance.uniform(0.001, 0.002, (rows, columns // group, 1)).astype(np.float32)
    else:
        codes = chance.integers(-127, 128, (rows, columns), np.int8)
        scale = chance.uniform(0.001, 0.002, (rows, 1)).astype(np.float32)
    values = ops.multiply(ops.convert(ops.constant(codes), ov.Type.f32), ops.constant(scale))
    if kind == "groups":
        values = ops.reshape(values, ops.constant(np.array([rows, columns])), False)
    if kind == "quantised":  # 8-bit inputs with a scale known in advance
        low, high = ops.constant(np.float32(-4)), ops.constant(np.float32(4))
        return ov.Model(
            [ops.matmul(ops.fake_quantize(x, low, high, low, high, _LEVELS), values, False, True)], [x], kind
        )
    return ov.Model([ops.matmul(x, values, False, True)], [x], kind)
