"""A Hugging Face configuration (`config.json`), read with checks."""

from collections.abc import Mapping
from typing import Any, Final

from forefront.graph.errors import ModelFileError
from forefront.graph.hugging_face.families import FAMILIES, find_hf_family
from forefront.graph.hugging_face.family import HfFamily

CONFIG: Final = "config.json"
# The settings of a quantisation in a separate file: of early GPTQ programs, and of NVIDIA's Model Optimizer.
QUANTIZE_CONFIG: Final = "quantize_config.json"
MODEL_OPTIMIZER_CONFIG: Final = "hf_quant_config.json"
CONFIG_FILES: Final = (CONFIG, QUANTIZE_CONFIG, MODEL_OPTIMIZER_CONFIG)
_LAYERS: Final = ("num_hidden_layers", "num_layers")
_MAX_LAYERS: Final = 1024
_LARGEST: Final = 1 << 31


class HfConfig:
    """Checked access to a configuration. Everything raises `ModelFileError`."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        names = values.get("architectures")
        name = names[0] if isinstance(names, list) and len(names) == 1 else None
        if not isinstance(name, str):
            raise ModelFileError("its config.json does not name one architecture (architectures)")
        found = find_hf_family(name)
        if found is None:
            raise ModelFileError(
                f"its architecture {name[:60]!r} is not supported; supported are {', '.join(sorted(FAMILIES))}, "
                "and encoders of the kinds BERT, DistilBERT, RoBERTa, ModernBERT, EuroBERT, Nomic and Gemma 3. "
                "Another engine may be able to serve it"
            )
        self.family: HfFamily = found[0]
        self.use = found[1]
        text = values.get("text_config")  # of a model that sees images too
        self.is_multimodal = isinstance(text, dict)
        own = {**values, **text} if isinstance(text, dict) else values
        known = {**self.family.defaults, **{key: value for key, value in own.items() if value is not None}}
        aliases = {key: known[name] for key, name in self.family.aliases.items() if name in known}
        nulls = {key: value for key, value in self.family.nulls.items() if key in own}
        given = {key: value for key, value in {**own, **aliases}.items() if value is not None}
        self._values = {**self.family.defaults, **nulls, **given}
        self.layers = self.integer(*_LAYERS, at_least=1)
        if self.layers > _MAX_LAYERS:
            raise ModelFileError(f"its config.json declares {self.layers} layers, more than are supported")

    def get(self, key: str) -> Any:
        """The value as it is; None if there is none."""
        return self._values.get(key)

    def integer(self, *keys: str, default: int | None = None, at_least: int = 0) -> int:
        """A whole number under one of the keys; without a default it must be there."""
        key, value = self._first(keys, default)
        if type(value) is not int or not at_least <= value < _LARGEST:
            raise self.unusable(key, value)
        return value

    def number(self, *keys: str, default: float | None = None) -> float:
        """A finite number under one of the keys; without a default it must be there."""
        key, value = self._first(keys, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not -1e30 < value < 1e30:
            raise self.unusable(key, value)
        return float(value)

    def unusable(self, key: str, value: object) -> ModelFileError:
        """The error for a value that cannot be used."""
        return ModelFileError(f"its config.json has the unusable value {repr(value)[:60]} for {key}")

    def _first(self, keys: tuple[str, ...], default: Any) -> tuple[str, Any]:
        for key in keys:
            if self._values.get(key) is not None:
                return key, self._values[key]
        if default is None:
            raise ModelFileError(f"its config.json has no {keys[0]}")
        return keys[0], default
