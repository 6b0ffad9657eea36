"""The header of a GGUF file, read without its tensors, whose formats may be unsupported here."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forefront.graph.gguf.gguf_file import part_paths
from forefront.graph.gguf.header import TensorEntry, read_header
from forefront.graph.model_file import map_file


@dataclass(frozen=True, slots=True)
class ModelHeader:
    """`paths`: all parts of the file. `metadata`: of the first part. `tensors`: the table of all parts, by name."""

    paths: list[Path]
    metadata: Mapping[str, Any]
    tensors: Mapping[str, TensorEntry]


def read_model_header(path: Path) -> ModelHeader:
    """Read the headers of all parts of a model. Raises `ModelFileError` and `OSError`."""
    paths = part_paths(path)
    headers = []
    for part in paths:
        with map_file(part) as content:
            headers.append(read_header(content))
    tensors = {tensor.name: tensor for header in headers for tensor in header.tensors}
    return ModelHeader(paths, headers[0].metadata, tensors)
