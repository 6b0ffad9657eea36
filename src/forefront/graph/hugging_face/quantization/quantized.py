"""Checkpoints whose matrices are quantised: GPTQ, AWQ, compressed-tensors, MLX, bitsandbytes and FP8.

Each module has several tensors in place of its weight: codes of four or eight bits, most of them packed in words of 32
bits, with a scale and a zero point for each group of inputs. Their rows are put together when they are packed.
Layouts: AutoGPTQ's `qlinear_cuda.py`, AutoAWQ's `gemm.py`, compressed-tensors' `pack_quantized.py`, MLX's
`mlx.core.quantize`.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import numpy as np

from forefront.graph.errors import ModelFileError
from forefront.graph.hugging_face.quantization.bits_and_bytes import assemble_bits_and_bytes
from forefront.graph.hugging_face.quantization.float8 import float8_tensor, is_float8
from forefront.graph.hugging_face.quantization.packed_codes import (
    Array,
    Rows,
    as_matrix,
    module_error,
    read_scales,
    read_words,
    transposed_columns,
    unpack,
    unpack_outputs,
)
from forefront.graph.hugging_face.quantization.packed_matrix import PackedMatrix, packed_tensor
from forefront.graph.model_file import Tensor

# Output i of eight neighbours is in the four bits at this place of an AWQ word.
_AWQ_PLACES: Final = np.array([0, 4, 1, 5, 2, 6, 3, 7])
_COMPRESSED_FORMATS: Final = ("pack-quantized", "int-quantized", "float-quantized", "naive-quantized")
_PARTS: Final = frozenset(
    {
        *("qweight", "qzeros", "scales", "g_idx", "biases"),
        *("weight_packed", "weight", "weight_scale", "weight_zero_point", "weight_shape", "weight_g_idx"),
        "weight_scale_inv",
    }
)
# Scales of activations and of the KV cache, which are computed with more bits here.
_UNUSED: Final = (
    *("input_scale", "input_zero_point", "output_scale", "output_zero_point", "k_scale", "v_scale", "q_scale"),
    *("kv_scale", "input_scale_ub", "activation_scale"),
)


def assemble_quantized(config: Mapping[str, Any], stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a checkpoint with one matrix in place of the parts of each quantised module. `config`: its
    `quantization_config`. Raises `ModelFileError`."""
    method = str(config.get("quant_method") or _unnamed_method(config, stored)).lower()
    if "auto-round" in method:
        method = _AUTO_ROUND_FORMATS.get(str(config.get("packing_format")), method)
    if method == "bitsandbytes":
        return assemble_bits_and_bytes(stored)
    read = _METHODS.get(method)
    if read is None:
        known = (
            "GPTQ, AWQ, AutoRound in the layouts of these, MLX, bitsandbytes, FP8, and compressed-tensors with "
            "integers or FP8"
        )
        raise ModelFileError(f"its weights are quantised by {method[:40]!r}, which is not supported; {known} are")
    tensors: dict[str, Tensor] = {}
    modules: dict[str, dict[str, Tensor]] = {}
    for name, tensor in stored.items():
        module, _, part = name.rpartition(".")
        if part in _PARTS:
            modules.setdefault(module, {})[part] = tensor
        elif part not in _UNUSED:
            tensors[name] = tensor
    for module, parts in modules.items():
        if set(parts) == {"weight"}:
            tensors[f"{module}.weight"] = parts["weight"]
        else:
            matrix = read(config, module, parts)
            tensors[f"{module}.weight"] = matrix if isinstance(matrix, Tensor) else packed_tensor(matrix)
    return tensors


def _unnamed_method(config: Mapping[str, Any], stored: Mapping[str, Tensor]) -> str:
    """The method of a configuration that does not name it."""
    if config.get("load_in_8bit") or config.get("load_in_4bit"):
        return "bitsandbytes"
    if "bits" not in config:
        return "an unknown method"
    return "mlx" if any(name.endswith(".biases") for name in stored) else "gptq"


def _mlx(config: Mapping[str, Any], name: str, parts: Mapping[str, Tensor]) -> PackedMatrix:
    """Words hold neighbouring inputs of one output; the biases are the values of code 0."""
    own = config.get(name)
    settings = {**config, **own} if isinstance(own, dict) else config
    mode, size, bits = (
        settings.get(key, usual) for key, usual in (("mode", "affine"), ("group_size", 64), ("bits", 4))
    )
    if mode != "affine" or bits not in (4, 8) or type(size) is not int or size < 1:
        raise ModelFileError(
            f"its MLX weights are in the mode {str(mode)[:20]!r} with {str(bits)[:10]} bits in groups of "
            f"{str(size)[:10]}; 'affine' with 4 and 8 is supported"
        )
    words = read_words(name, parts, "weight")
    scales, biases = (read_scales(name, parts, part) for part in ("scales", "biases"))
    inputs = words.shape[1] * 32 // bits
    if len(words) != len(scales) or scales.shape != biases.shape or scales.shape[1] * size != inputs:
        raise module_error(name, "tensors of different shapes")
    return PackedMatrix(
        name,
        bits,
        (len(words), inputs),
        scales.shape[1],
        lambda rows: unpack(words[rows], bits),
        lambda rows: scales[rows],
        minimums=lambda rows: biases[rows],
    )


def _gptq(config: Mapping[str, Any], name: str, parts: Mapping[str, Tensor]) -> PackedMatrix:
    """Words hold neighbouring inputs of one output, and zero points of neighbouring outputs."""
    stored = config.get("checkpoint_format") or "gptq"
    if stored not in ("gptq", "gptq_v2") or config.get("is_marlin_format"):
        raise ModelFileError(f"its GPTQ weights are in the format {str(stored)[:40]!r}, which is not supported")
    words, packed_zeros, scales = (
        read_words(name, parts, "qweight"),
        read_words(name, parts, "qzeros"),
        read_scales(name, parts),
    )
    bits = config.get("bits")
    groups, outputs = scales.shape
    input_groups = read_words(name, parts, "g_idx").ravel() if "g_idx" in parts else None
    if input_groups is not None:
        bits = 32 * len(words) / len(input_groups)
    if bits not in (4, 8):
        raise ModelFileError(f"its GPTQ weights have {str(bits)[:10]} bits; 4 and 8 are supported")
    bits = int(bits)
    each = 32 // bits
    if words.shape[1] != outputs or packed_zeros.shape != (groups, outputs // each) or outputs % each:
        raise module_error(name, "tensors of different shapes")
    offset = 1 if stored == "gptq" else 0  # the first format stores zero points less one
    middle = (1 << (bits - 1)) - offset
    is_symmetric = (packed_zeros == sum(middle << (bits * place) for place in range(each))).all()
    return PackedMatrix(
        name,
        bits,
        (outputs, len(words) * each),
        groups,
        lambda rows: unpack(transposed_columns(words, rows), bits),
        lambda rows: transposed_columns(scales, rows),
        None if is_symmetric else lambda rows: unpack_outputs(packed_zeros, rows, bits) + offset,
        None if input_groups is None else input_groups.view(np.int32),
    )


def _awq(config: Mapping[str, Any], name: str, parts: Mapping[str, Tensor]) -> PackedMatrix:
    """Words hold eight outputs of one input, in a special order."""
    version = str(config.get("version") or "gemm").lower()
    if version != "gemm" or config.get("bits", 4) != 4:
        kind = f"{version[:40]!r} with {str(config.get('bits'))[:10]} bits"
        raise ModelFileError(f"its AWQ weights are in the format {kind}; 'gemm' with 4 is supported")
    words, scales = read_words(name, parts, "qweight"), read_scales(name, parts)
    groups, outputs = scales.shape
    packed_zeros = read_words(name, parts, "qzeros") if "qzeros" in parts else None
    if words.shape[1] * 8 != outputs or (packed_zeros is not None and packed_zeros.shape != (groups, outputs // 8)):
        raise module_error(name, "tensors of different shapes")
    return PackedMatrix(
        name,
        4,
        (outputs, len(words)),
        groups,
        lambda rows: unpack_outputs(words, rows, 4, _AWQ_PLACES),
        lambda rows: transposed_columns(scales, rows),
        None if packed_zeros is None else lambda rows: unpack_outputs(packed_zeros, rows, 4, _AWQ_PLACES),
    )


def _compressed(config: Mapping[str, Any], name: str, parts: Mapping[str, Tensor]) -> PackedMatrix | Tensor:
    """Rows of codes as they are or in words of neighbouring inputs, and zero points of neighbouring outputs; or numbers
    of eight bits."""
    _check_compressed(config)
    if is_float8(parts.get("weight")):
        return float8_tensor(config, name, parts)
    scales = read_scales(name, parts, "weight_scale")
    if "weight_packed" not in parts:
        return _integers(name, parts, scales)
    words = read_words(name, parts, "weight_packed")
    shape = parts.get("weight_shape")
    sizes = np.zeros(2) if shape is None else np.frombuffer(shape.data[:].tobytes(), f"<i{shape.format.bytes}")
    outputs, groups = scales.shape
    bits = 32 * words.shape[1] // max(1, int(sizes[-1]))
    if bits not in (4, 8) or tuple(sizes) != (outputs, words.shape[1] * 32 // bits) or len(words) != outputs:
        raise module_error(name, "tensors of different shapes, or codes of neither 4 nor 8 bits")
    return PackedMatrix(
        name,
        bits,
        (outputs, int(sizes[1])),
        groups,
        lambda rows: unpack(words[rows], bits),
        lambda rows: scales[rows],
        _compressed_zeros(name, parts, scales.shape, bits),
        read_words(name, parts, "weight_g_idx").ravel().view(np.int32) if "weight_g_idx" in parts else None,
    )


def _integers(name: str, parts: Mapping[str, Tensor], scales: Array) -> PackedMatrix:
    """A byte for each code, from -128 to 127."""
    weight = parts.get("weight")
    if weight is None or len(weight.shape) != 2 or weight.format.name != "I8":
        raise module_error(name, "a scale, but no weight of integers")
    outputs, inputs = weight.shape
    if scales.size == 1:  # of the whole matrix
        scales = np.broadcast_to(scales.reshape(1, 1), (outputs, 1))
    if len(scales) != outputs:
        raise module_error(name, "tensors of different shapes")
    return PackedMatrix(
        name,
        8,
        (outputs, inputs),
        scales.shape[1],
        lambda rows: weight.data[rows] ^ np.uint8(128),
        lambda rows: scales[rows],
        _compressed_zeros(name, parts, scales.shape, 8),
    )


def _compressed_zeros(
    name: str, parts: Mapping[str, Tensor], shape: tuple[int, ...], bits: int
) -> Callable[[Rows], Array] | None:
    """Zero points [outputs, groups]: signed bytes, or words of neighbouring outputs. None if there are none."""
    tensor = parts.get("weight_zero_point")
    if tensor is None:
        return None
    if tensor.format.name == "I8" and tensor.data[:].size in (1, shape[0] * shape[1]):
        stored = as_matrix(tensor, np.int8)
        signed = np.broadcast_to(stored if stored.size == 1 else stored.reshape(shape), shape)
        return (lambda rows: signed[rows].astype(np.int64) + (1 << (bits - 1))) if signed.any() else None
    words = read_words(name, parts, "weight_zero_point")
    if words.shape != (-(-shape[0] * bits // 32), shape[1]):
        raise module_error(name, "zero points of another shape")
    return lambda rows: unpack_outputs(words.T, rows, bits)


def _model_optimizer(config: Mapping[str, Any], name: str, parts: Mapping[str, Tensor]) -> Tensor:
    """NVIDIA's Model Optimizer."""
    algorithm = str(config.get("quant_algo"))
    if algorithm != "FP8":
        raise ModelFileError(f"its weights are in Model Optimizer's format {algorithm[:40]!r}; FP8 is supported")
    return float8_tensor(config, name, parts)


def _check_compressed(config: Mapping[str, Any]) -> None:
    """Raises `ModelFileError` for formats of compressed-tensors that are not read."""
    groups = config.get("config_groups")
    formats = [config.get("format"), *(group.get("format") for group in _objects(groups))]
    for found in formats:
        if found not in (None, "mixed-precision", *_COMPRESSED_FORMATS):
            known = ", ".join(_COMPRESSED_FORMATS)
            raise ModelFileError(
                f"its weights are in the format {str(found)[:40]!r} of compressed-tensors, which is not supported; "
                f"{known} are"
            )
    sparsity = config.get("sparsity_config")
    if isinstance(sparsity, dict) and sparsity.get("format") not in (None, "dense"):
        raise ModelFileError("its weights are sparse in compressed-tensors' way, which is not supported")
    if config.get("transform_config"):
        raise ModelFileError("its activations are transformed in compressed-tensors' way, which is not supported")


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield from (entry for entry in value.values() if isinstance(entry, dict))


_AUTO_ROUND_FORMATS: Final = {"auto_round:auto_gptq": "gptq", "auto_round:auto_awq": "awq"}
_METHODS: Final[dict[str, Callable[[Mapping[str, Any], str, Mapping[str, Tensor]], PackedMatrix | Tensor]]] = {
    "gptq": _gptq,
    "awq": _awq,
    "mlx": _mlx,
    "compressed-tensors": _compressed,
    "fp8": float8_tensor,
    "fbgemm_fp8": float8_tensor,
    "modelopt": _model_optimizer,
}
