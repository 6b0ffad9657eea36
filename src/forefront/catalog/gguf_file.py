"""A GGUF file as its conversion reads it beside OpenVINO: the metadata and the small tensors."""

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


class GgufFile:
    """Raises `ValueError`, or what the gguf library raises, for a file that it cannot make sense of."""

    def __init__(self, path: Path) -> None:
        self._reader = gguf.GGUFReader(path)
        self.architecture = self.value("general.architecture")

    def value(self, key: str, default: Any = None) -> Any:
        """The metadata under `key`; a key that begins with a dot is one of the architecture's own."""
        full = f"{self.architecture}{key}" if key.startswith(".") else key
        return self._reader.fields[full].contents() if full in self._reader.fields else default

    def values(self, prefix: str) -> dict[str, Any]:
        """The metadata whose keys begin with `prefix`."""
        return {key: field.contents() for key, field in self._reader.fields.items() if key.startswith(prefix)}

    def vectors(self) -> dict[str, Floats]:
        """The tensors of one dimension by name: norms, biases, factors of the rotary positions."""
        return {
            tensor.name: gguf.quants.dequantize(tensor.data, tensor.tensor_type)
            for tensor in self._reader.tensors
            if len(tensor.shape) == 1
        }
