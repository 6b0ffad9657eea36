"""The metadata of a model's architecture, read with checks."""

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

from forefront.graph.errors import ModelFileError

_LARGEST = 1 << 31
# Settings that files have without the architecture's name.
_UNPREFIXED: Final = ("xielu.",)
# Names in files of Ollama's converter.
_ALIASES: Final = {
    "rope.global.freq_base": "rope.freq_base",
    "rope.local.freq_base": "rope.freq_base_swa",
    "rope.scaling.beta_fast": "rope.scaling.yarn_beta_fast",
    "rope.scaling.beta_slow": "rope.scaling.yarn_beta_slow",
    "rope.scaling.extrapolation_factor": "rope.scaling.yarn_ext_factor",
}


class Settings:
    """Metadata under `{architecture}.`, by the rest of their keys. Everything raises `ModelFileError`."""

    def __init__(self, metadata: Mapping[str, Any]) -> None:
        architecture = metadata.get("general.architecture")
        if not isinstance(architecture, str) or not architecture.isprintable():
            raise ModelFileError("its metadata does not name an architecture (general.architecture)")
        self.architecture = architecture
        start = f"{architecture[:40]}."
        found = {
            key.removeprefix(start): value for key, value in metadata.items() if key.startswith((start, *_UNPREFIXED))
        }
        self._values = {_ALIASES[key]: value for key, value in found.items() if key in _ALIASES} | {
            key: value for key, value in found.items() if key not in _ALIASES
        }

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
        return self.get(key) is not None

    def get(self, key: str) -> Any:
        """The value as it is; None if there is none."""
        return self._values.get(key)

    def numbers_per_layer(self, key: str, layers: int) -> list[float]:
        """A finite number for each layer: one for all in the file, or a list."""
        values = self.get(key)
        if not isinstance(values, list):
            return [self.number(key)] * layers
        if len(values) < layers or not all(type(n) in (int, float) and abs(n) < math.inf for n in values):
            raise self._unusable(key, values)
        return [float(n) for n in values[:layers]]

    def items(self) -> Iterator[tuple[str, Any]]:
        """All keys and values."""
        yield from self._values.items()

    def integer(self, key: str, default: int | None = None, at_least: int = 0) -> int:
        """A whole number; without a default it must be there."""
        value = self.get(key)
        value = default if value is None else value
        if value is None:
            raise ModelFileError(f"its metadata has no {self._full(key)}")
        if isinstance(value, bool) or not isinstance(value, int) or not at_least <= value < _LARGEST:
            raise self._unusable(key, value)
        return value

    def number(self, key: str, default: float | None = None, at_least: float = -math.inf) -> float:
        """A finite number; without a default it must be there."""
        value = self.get(key)
        value = default if value is None else value
        if value is None:
            raise ModelFileError(f"its metadata has no {self._full(key)}")
        if isinstance(value, bool) or not isinstance(value, int | float) or not at_least <= value < math.inf:
            raise self._unusable(key, value)
        return float(value)

    def flag(self, key: str, default: bool) -> bool:
        """True or False."""
        value = self.get(key)
        value = default if value is None else value
        if not isinstance(value, bool):
            raise self._unusable(key, value)
        return value

    def is_list(self, key: str) -> bool:
        """Whether the value is a list."""
        return isinstance(self.get(key), list)

    def text(self, key: str, default: str) -> str:
        """A string."""
        value = self.get(key)
        if value is not None and not isinstance(value, str):
            raise self._unusable(key, value)
        return default if value is None else value

    def texts(self, key: str) -> list[str]:
        """A list of strings, empty if there is none."""
        value = self.get(key)
        return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []

    def per_layer(self, key: str, layers: int, default: int | None = None) -> list[int]:
        """A whole number for each layer: one for all in the file, or a list."""
        value = self.get(key)
        if not isinstance(value, list):
            return [self.integer(key, default)] * layers
        if len(value) < layers or not all(isinstance(n, int) and 0 <= n < _LARGEST for n in value):
            raise self._unusable(key, value)
        return [int(n) for n in value[:layers]]

    def windowed(self, layers: int, usual_period: int) -> list[bool]:
        """Whether each layer sees a window of the context alone: in the file a list, or the number of layers of which
        the last does not."""
        key = "attention.sliding_window_pattern"
        if self.is_list(key):
            return [bool(n) for n in self.per_layer(key, layers)]
        period = self.integer(key, usual_period)
        return [period > 0 and n % period != period - 1 for n in range(layers)]

    def _full(self, key: str) -> str:
        return key if key.startswith(_UNPREFIXED) else f"{self.architecture[:40]}.{key}"

    def _unusable(self, key: str, value: object) -> ModelFileError:
        return ModelFileError(f"its metadata has the unusable value {repr(value)[:40]} for {self._full(key)}")
