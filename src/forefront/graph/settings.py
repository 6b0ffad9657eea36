"""The metadata of a model's architecture, read with checks."""

import math
from collections.abc import Mapping
from typing import Any

from forefront.graph.errors import ModelFileError

_LARGEST = 1 << 31


class Settings:
    """Metadata under `{architecture}.`, by the rest of its key. Everything raises `ModelFileError`."""

    def __init__(self, metadata: Mapping[str, Any]) -> None:
        self._metadata = metadata
        architecture = metadata.get("general.architecture")
        if not isinstance(architecture, str) or not architecture.isprintable():
            raise ModelFileError("its metadata does not name an architecture (general.architecture)")
        self.architecture = architecture

    @property
    def context_length(self) -> int:
        """Tokens."""
        return self.integer("context_length", at_least=1)

    @property
    def layers(self) -> int:
        """Layers of the model itself: a file counts those that predict further tokens too, which are the last."""
        count, others = self.integer("block_count", at_least=1), self.integer("nextn_predict_layers", 0)
        if others >= count:
            raise ModelFileError(f"its nextn_predict_layers is {others}, but its block_count is {count}")
        return count - others

    def has(self, key: str) -> bool:
        """Whether there is such a value."""
        return self._value(key) is not None

    def integer(self, key: str, default: int | None = None, at_least: int = 0) -> int:
        """A whole number; without a default it must be there."""
        value = self._value(key)
        value = default if value is None else value
        if value is None:
            raise ModelFileError(f"its metadata has no {self._full(key)}")
        if isinstance(value, bool) or not isinstance(value, int) or not at_least <= value < _LARGEST:
            raise self._unusable(key, value)
        return value

    def number(self, key: str, default: float | None = None, at_least: float = -math.inf) -> float:
        """A finite number; without a default it must be there."""
        value = self._value(key)
        value = default if value is None else value
        if value is None:
            raise ModelFileError(f"its metadata has no {self._full(key)}")
        if isinstance(value, bool) or not isinstance(value, int | float) or not at_least <= value < math.inf:
            raise self._unusable(key, value)
        return float(value)

    def flag(self, key: str, default: bool) -> bool:
        """True or False."""
        value = self._value(key)
        value = default if value is None else value
        if not isinstance(value, bool):
            raise self._unusable(key, value)
        return value

    def is_list(self, key: str) -> bool:
        """Whether the value is a list."""
        return isinstance(self._value(key), list)

    def text(self, key: str, default: str) -> str:
        """A string."""
        value = self._value(key)
        if value is not None and not isinstance(value, str):
            raise self._unusable(key, value)
        return default if value is None else value

    def texts(self, key: str) -> list[str]:
        """A list of strings, empty if there is none."""
        value = self._value(key)
        return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []

    def per_layer(self, key: str, layers: int, default: int | None = None) -> list[int]:
        """A whole number for each layer: one for all in the file, or a list."""
        value = self._value(key)
        if not isinstance(value, list):
            return [self.integer(key, default)] * layers
        if len(value) < layers or not all(isinstance(n, int) and 0 <= n < _LARGEST for n in value):
            raise self._unusable(key, value)
        return [int(n) for n in value[:layers]]

    def _value(self, key: str) -> Any:
        return self._metadata.get(self._full(key))

    def _full(self, key: str) -> str:
        return f"{self.architecture[:40]}.{key}"

    def _unusable(self, key: str, value: object) -> ModelFileError:
        return ModelFileError(f"its metadata has the unusable value {repr(value)[:40]} for {self._full(key)}")
