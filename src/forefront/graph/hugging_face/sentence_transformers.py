"""The modules of Sentence Transformers beside a model: its pooling, and the layers that pooled vectors pass through.

`modules.json` lists them, each with its folder. Formats: sentence-transformers, `models/Pooling.py` and
`models/Dense.py`.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from forefront.graph.errors import ModelFileError
from forefront.graph.hugging_face.safetensors_file import read_object, read_tensors, safetensors_paths
from forefront.graph.model_file import Tensor

MODULES: Final = "modules.json"
# GGUF's numbers of poolings, by the names of Sentence Transformers.
_POOLINGS: Final = {
    "pooling_mode_mean_tokens": 1,
    "pooling_mode_cls_token": 2,
    "pooling_mode_lasttoken": 3,
    "mean": 1,
    "cls": 2,
    "lasttoken": 3,
}
_OTHER_MODES: Final = (
    "pooling_mode_max_tokens",
    "pooling_mode_mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens",
)
_ACTIVATIONS: Final = {
    "torch.nn.modules.linear.Identity": "identity",
    "torch.nn.modules.activation.Tanh": "tanh",
}
_MAX_MODULES: Final = 8


@dataclass(frozen=True, slots=True)
class SentenceModules:
    """The modules after the transformer: metadata (without the architecture's prefix) and tensors under GGUF's names.
    `paths`: their files."""

    fields: dict[str, Any] = field(default_factory=dict)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    paths: list[Path] = field(default_factory=list)


def read_modules(directory: Path) -> SentenceModules:
    """The modules of `directory`, none if it has no `modules.json`. Raises `ModelFileError`, and `OSError`."""
    path = directory / MODULES
    found = SentenceModules()
    if not path.is_file():
        return found
    found.paths.append(path)
    for kind, folder in _modules(path):
        match kind.rpartition(".")[2]:
            case "Pooling":
                config = read_object(_inside(directory, folder) / "config.json")
                found.paths.append(directory / folder / "config.json")
                found.fields["pooling_type"] = _pooling(config)
            case "Dense":
                _add_dense(found, _inside(directory, folder))
            case "Transformer" | "Normalize":  # vectors are normalised always
                pass
            case name:
                raise ModelFileError(f"its {MODULES} has a module {name[:40]!r}, which is not supported")
    return found


def _modules(path: Path) -> list[tuple[str, str]]:
    """Class and folder of each module, in order."""
    try:
        listed: Any = msgspec.json.decode(path.read_bytes())
    except msgspec.DecodeError:
        raise ModelFileError(f"its {MODULES} is not JSON") from None
    if not isinstance(listed, list) or len(listed) > _MAX_MODULES:
        raise ModelFileError(f"its {MODULES} is not a list of at most {_MAX_MODULES} modules")
    modules = []
    for entry in listed:
        kind, folder = (entry.get(key) if isinstance(entry, dict) else None for key in ("type", "path"))
        if not isinstance(kind, str) or not isinstance(folder, str):
            raise ModelFileError(f"its {MODULES} has a module without a type and a path")
        modules.append((kind, folder))
    return modules


def _inside(directory: Path, folder: str) -> Path:
    """The folder of a module: one within the directory."""
    path = directory / folder
    if not path.resolve().is_relative_to(directory.resolve()):
        raise ModelFileError(f"its {MODULES} names a folder outside of the model, {folder[:60]!r}")
    return path


def _pooling(config: dict[str, Any]) -> int:
    modes = [name for name in (*_POOLINGS, *_OTHER_MODES) if config.get(name) is True]
    if isinstance(config.get("pooling_mode"), str):
        modes.append(config["pooling_mode"])
    if len(modes) != 1 or modes[0] not in _POOLINGS:
        names = ", ".join(modes)[:80] or "none"
        raise ModelFileError(f"its pooling is {names}; the mean, the first token and the last one are supported")
    return _POOLINGS[modes[0]]


def _add_dense(found: SentenceModules, folder: Path) -> None:
    config, paths = read_object(folder / "config.json"), safetensors_paths(folder)
    activation = _ACTIVATIONS.get(str(config.get("activation_function")))
    if activation is None:
        text = str(config.get("activation_function"))[:60]
        raise ModelFileError(f"a dense module has the activation {text!r}, which is not supported")
    stored, _ = read_tensors(folder, paths)
    name = f"dense_{2 + sum(key.endswith('.activation') for key in found.fields)}"
    found.fields[f"{name}.activation"] = activation
    for kind in ("weight", "bias"):
        if (tensor := stored.pop(f"linear.{kind}", None)) is not None:
            found.tensors[f"{name}.{kind}"] = tensor
    if stored or f"{name}.weight" not in found.tensors:
        raise ModelFileError(f"the dense module {folder.name[:40]!r} has other tensors than its matrix and its bias")
    found.paths.extend([folder / "config.json", *paths])
