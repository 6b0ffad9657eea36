"""Safetensors: a model's tensors in one file or several, mapped into memory.

Format: https://github.com/huggingface/safetensors#format. A file is the length of its header, the header in JSON, and
the tensors' data. Every offset, shape and type is compared with the file's size before a tensor is made.
"""

import json
import math
import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from forefront.graph.block_formats import FORMATS, BlockFormat
from forefront.graph.errors import ModelFileError
from forefront.graph.model_file import Tensor, map_file

INDEX: Final = "model.safetensors.index.json"
_SINGLE: Final = "model.safetensors"
# Bytes of a header or index, which has about 100 for each tensor; the format's own limit.
_MAX_JSON: Final = 100_000_000
_MAX_DIMENSION: Final = 1 << 40
_DIMENSIONS: Final = 8
_PARTS: Final = 1000
_BY_NAME: Final = {kind.name: kind for kind in FORMATS.values()} | {"U8": BlockFormat("U8", 1, 1)}
_TYPES: Final = {name: _BY_NAME[name] for name in ("F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8")} | {
    # Formats of which only the size is known.
    "BOOL": BlockFormat("BOOL", 1, 1),
    "F8_E4M3": BlockFormat("F8_E4M3", 1, 1),
    "F8_E5M2": BlockFormat("F8_E5M2", 1, 1),
    "F8_E8M0": BlockFormat("F8_E8M0", 1, 1),
    "U16": BlockFormat("U16", 1, 2),
    "U32": BlockFormat("U32", 1, 4),
    "U64": BlockFormat("U64", 1, 8),
}


def safetensors_paths(directory: Path) -> list[Path]:
    """The files of the model in `directory`, in order. Raises `ModelFileError`, and `OSError`."""
    if (directory / INDEX).is_file():
        return [directory / name for name in sorted(set(_weight_map(directory).values()))]
    found = sorted(directory.glob("*.safetensors"))
    if (directory / _SINGLE) in found:
        return [directory / _SINGLE]
    if len(found) != 1:
        raise ModelFileError(f"it has {len(found)} files *.safetensors, but neither {_SINGLE} nor {INDEX}")
    return found


def read_tensors(directory: Path, paths: list[Path]) -> tuple[dict[str, Tensor], list[mmap.mmap]]:
    """The tensors of the files `paths` by name, read-only views into the mapped files, and the mappings. Raises
    `ModelFileError`, and `OSError`."""
    tensors: dict[str, Tensor] = {}
    maps: list[mmap.mmap] = []
    for path in paths:
        try:
            maps.append(map_file(path))
            for tensor in _tensors(maps[-1]):
                if tensor.name in tensors:
                    raise ModelFileError(f"it has the tensor {tensor.name[:80]!r} in another file too")
                tensors[tensor.name] = tensor
        except ModelFileError as error:
            raise ModelFileError(f"{path.name}: {error}") from None
    if (directory / INDEX).is_file():
        for name, file in _weight_map(directory).items():
            if name not in tensors:
                raise ModelFileError(
                    f"{INDEX}: it places the tensor {name[:80]!r} in {file[:80]!r}, which does not contain it"
                )
    return tensors, maps


def read_object(path: Path) -> dict[str, Any]:
    """A JSON object from a file. Raises `ModelFileError`, and `OSError`."""
    if path.stat().st_size > _MAX_JSON:
        raise ModelFileError(f"{path.name}: it is larger than {_MAX_JSON} bytes")
    try:
        return _parse(path.read_bytes())
    except ModelFileError as error:
        raise ModelFileError(f"{path.name}: {error}") from None


def _parse(content: bytes) -> dict[str, Any]:
    try:
        value = json.loads(content, object_pairs_hook=_unique)
    except ModelFileError:
        raise
    except (ValueError, RecursionError):
        raise ModelFileError("it is not JSON: the file is cut off or damaged") from None
    if not isinstance(value, dict):
        raise ModelFileError("it is not a JSON object")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ModelFileError("it has the same name twice in one object")
    return found


def _weight_map(directory: Path) -> dict[str, str]:
    """The file of each tensor. Raises `ModelFileError`."""
    found = read_object(directory / INDEX).get("weight_map")
    if not isinstance(found, dict) or not found or not all(isinstance(name, str) for name in found.values()):
        raise ModelFileError(f"{INDEX}: it has no weight_map of tensors to files")
    files = set(found.values())
    if len(files) > _PARTS:
        raise ModelFileError(f"{INDEX}: it names {len(files)} files, more than are supported")
    for name in sorted(files):
        if not name.endswith(".safetensors") or Path(name).name != name or "\0" in name:
            raise ModelFileError(f"{INDEX}: it names {name[:80]!r}, which is no safetensors file beside it")
        if not (directory / name).is_file():
            raise ModelFileError(f"{INDEX}: it names {name[:80]!r}, which is missing beside it")
    return found


def _tensors(mapped: mmap.mmap) -> Iterator[Tensor]:
    content = np.frombuffer(mapped, np.uint8)
    length = int.from_bytes(content[:8].tobytes(), "little")
    if len(content) < 8 or not 2 <= length <= len(content) - 8:
        raise ModelFileError("it is not a safetensors file, or it is cut off")
    if length > _MAX_JSON:
        raise ModelFileError(f"its header has {length} bytes, more than the format permits")
    data = content[8 + length :]
    header = _parse(content[8 : 8 + length].tobytes())
    header.pop("__metadata__", None)
    places = [(*_place(name, entry), name) for name, entry in header.items()]
    ends = 0
    for start, end, shape, kind, name in sorted(places, key=lambda place: place[:2]):
        if start < ends:
            raise ModelFileError(f"its tensor {name[:80]!r} overlaps another one")
        if end > len(data):
            raise ModelFileError(f"its tensor {name[:80]!r} reaches past its end: the file is cut off or damaged")
        rows = math.prod(shape[:-1])
        yield Tensor(name, shape, kind, data[start:end].reshape(rows, shape[-1] * kind.bytes))
        ends = end


def _place(name: str, entry: Any) -> tuple[int, int, tuple[int, ...], BlockFormat]:
    """Start and end in the data, shape and format of a header's entry."""
    if not isinstance(entry, dict):
        raise ModelFileError(f"its header has no description of the tensor {name[:80]!r}")
    kind = _TYPES.get(str(entry.get("dtype")))
    if kind is None:
        raise ModelFileError(f"its tensor {name[:80]!r} is of the unknown type {str(entry.get('dtype'))[:20]!r}")
    shape = _sizes(entry.get("shape"), _MAX_DIMENSION)
    offsets = _sizes(entry.get("data_offsets"), 1 << 62)
    if shape is None or len(shape) > _DIMENSIONS or offsets is None or len(offsets) != 2:
        raise ModelFileError(f"its tensor {name[:80]!r} has an unusable shape or place")
    # A single number has no dimensions.
    shape = shape or (1,)
    if min(shape) < 1 or offsets[1] - offsets[0] != math.prod(shape) * kind.bytes:
        shown = " x ".join(map(str, shape))
        raise ModelFileError(f"its tensor {name[:80]!r} of {shown} values does not fit the place of its data")
    return *offsets, shape, kind


def _sizes(value: Any, limit: int) -> tuple[int, ...] | None:
    if isinstance(value, list) and all(type(size) is int and 0 <= size < limit for size in value):
        return tuple(value)
    return None
