"""A GGUF file as its conversion reads it beside OpenVINO: the metadata and the small tensors."""

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import numpy.typing as npt

from forefront.catalog.gguf_header import HeaderError, read_header

Floats = npt.NDArray[np.float32]


class GgufFile:
    """Raises `HeaderError` for a file that cannot be what it says."""

    def __init__(self, path: Path) -> None:
        self._path = path
        header = read_header(path)
        self._values = header.values
        self.tensors = {tensor.name: tensor for tensor in header.tensors}
        self.architecture = self.text("general.architecture")

    def value(self, key: str, default: Any = None) -> Any:
        """The metadata under `key`; a key that begins with a dot is one of the architecture's own."""
        return self._values.get(f"{self.architecture}{key}" if key.startswith(".") else key, default)

    def text(self, key: str, default: str | None = None) -> str:
        """The text under `key`. Raises `HeaderError` if it is no text, or missing without a default."""
        value = self.value(key, default)
        if not isinstance(value, str):
            raise HeaderError(f"its {key.lstrip('.')} is {value!r:.80}; it must be a text")
        return value

    def integer(self, key: str, least: int, most: int, default: int | None = None) -> int:
        """The whole number under `key`. Raises `HeaderError` beyond the bounds, or without value and default."""
        value = self.value(key, default)
        if type(value) is not int or not least <= value <= most:
            text = f"its {key.lstrip('.')} is {value!r:.80}; it must be a whole number from {least} to {most}"
            raise HeaderError(text)
        return value

    def number(self, key: str, default: float) -> float:
        """The number under `key`, which may be infinite or none. Raises `HeaderError` for what is no number."""
        value = self.value(key, default)
        if type(value) not in (int, float):
            raise HeaderError(f"its {key.lstrip('.')} is {value!r:.80}; it must be a number")
        return float(value)

    def vectors(self) -> dict[str, Floats]:
        """The tensors of one dimension by name: norms, biases, factors of the rotary positions."""
        content = np.memmap(self._path, mode="r")
        return {
            tensor.name: gguf.quants.dequantize(content[tensor.start : tensor.start + tensor.size], tensor.kind)
            for tensor in self.tensors.values()
            if len(tensor.shape) == 1
        }
