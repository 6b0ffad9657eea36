"""A Hugging Face directory (`config.json`, `*.safetensors`) under GGUF's keys and names."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from forefront.graph.block_formats import FORMATS, Floats
from forefront.graph.errors import ModelFileError
from forefront.graph.hugging_face.config import CONFIG, CONFIG_FILES, MODEL_OPTIMIZER_CONFIG, QUANTIZE_CONFIG, HfConfig
from forefront.graph.hugging_face.grouped_rows import ungrouped
from forefront.graph.hugging_face.layer_settings import split_activations
from forefront.graph.hugging_face.metadata import first_position, read_metadata
from forefront.graph.hugging_face.quantization.quantized import assemble_quantized
from forefront.graph.hugging_face.safetensors_file import read_object, read_tensors, safetensors_paths
from forefront.graph.hugging_face.sentence_transformers import SentenceModules, read_modules
from forefront.graph.model_file import Tensor, release_pages

_F32: Final = FORMATS[0]
_MEAN, _LAST, _RANK = 1, 3, 4  # GGUF's numbers of poolings
_WRAPPER: Final = "model."
_HEADS: Final = ("lm_head.", "output.", "score.")
_JOINED: Final = ".attn_qkv."
_CONVOLUTION: Final = ".shortconv.conv.weight"
# Tensors that the configuration implies, and the parts for images and sound of a multimodal model.
_IGNORED: Final = re.compile(
    r".*\.rotary_emb\.inv_freq|"
    r"(model\.)?(vision_tower|audio_tower|embed_vision|embed_audio|multi_modal_projector|visual)\..*"
)
_FACTOR: Final = ".layer_scalar"  # Gemma 4's, a tensor without a module
_LAYER: Final = re.compile(r"(\d{1,4})\.(.+)")
_HEAD_NORM: Final = re.compile(r"(.+\.self_attn\.[qk])_layernorm\.norms\.(\d{1,4})\.weight")


class HuggingFaceModel:
    """The model in `directory`. Raises `ModelFileError`, and `OSError` for files that cannot be read.

    `paths`: the files that it is made of. `metadata`, `tensors`: as GGUF has them.
    """

    def __init__(self, directory: Path) -> None:
        config = HfConfig(read_object(directory / CONFIG))
        self.metadata, rope = read_metadata(config)
        shards = safetensors_paths(directory)
        settings = [path for name in CONFIG_FILES if (path := directory / name).is_file()]
        self.paths = [*settings, *shards]
        stored, self._maps = read_tensors(directory, shards)
        if (quantization := _quantization(config, directory)) is not None:
            stored = assemble_quantized(quantization, stored)
        stored = _text_model(stored) if config.is_multimodal else stored
        stored, activations = split_activations(config, stored)
        modules = read_modules(directory)
        pooling = _pooling(config, modules)
        self.tensors = _renamed(config, _head_norms(_unwrapped(config, stored)), generates=pooling is None)
        self.tensors |= modules.tensors
        self.paths += modules.paths
        fields = modules.fields if pooling is None else modules.fields | {"pooling_type": pooling}
        self.metadata |= {f"{config.family.architecture}.{key}": value for key, value in fields.items()} | activations
        for key, values in rope.tensors.items():
            self.tensors[key] = _tensor(key, values)
        if (positions := self.tensors.get("position_embd.weight")) is not None and (first := first_position(config)):
            self.tensors["position_embd.weight"] = _tensor(positions.name, positions.floats()[first:])

    def release(self) -> None:
        """See `ModelFile.release`."""
        release_pages(self._maps)


def _quantization(config: HfConfig, directory: Path) -> dict[str, Any] | None:
    """The quantisation of the weights: a part of the configuration, or a file beside it. Raises `ModelFileError`."""
    # The names of MLX, and of the first version of compressed-tensors.
    names = ("quantization_config", "quantization", "compression_config")
    found = next((config.get(name) for name in names if config.get(name) is not None), None)
    if found is None and (directory / QUANTIZE_CONFIG).is_file():
        found = read_object(directory / QUANTIZE_CONFIG)
    if found is None and (directory / MODEL_OPTIMIZER_CONFIG).is_file():
        found = read_object(directory / MODEL_OPTIMIZER_CONFIG).get("quantization")
        found = found | {"quant_method": "modelopt"} if isinstance(found, dict) else found
    if found is not None and not isinstance(found, dict):
        raise config.unusable("quantization_config", found)
    return found


def _pooling(config: HfConfig, modules: SentenceModules) -> int | None:
    """GGUF's number of the pooling; None for a model that generates text."""
    if config.use == "score":
        return _RANK
    default = None if config.use == "text" else _MEAN if config.family.is_encoder else _LAST
    pooling: int | None = modules.fields.get("pooling_type", default)
    return pooling


def _renamed(config: HfConfig, stored: Mapping[str, Tensor], *, generates: bool) -> dict[str, Tensor]:
    """The tensors under GGUF's names; those without one keep theirs. `generates`: it has an output projection. Raises
    `ModelFileError`."""
    tensors: dict[str, Tensor] = {}
    ignored = re.compile(config.family.ignored) if config.family.ignored else None
    for name, tensor in stored.items():
        if _IGNORED.fullmatch(name) or (ignored is not None and ignored.fullmatch(name)):
            continue
        new = _gguf_name(config, name)
        if new.endswith(_CONVOLUTION) and len(tensor.shape) == 3 and 1 in tensor.shape[1:]:
            tensor = _squeezed(tensor)
        if config.family.grouped and _JOINED in new:
            tensor = ungrouped(config, tensor)
        if new in tensors:
            raise ModelFileError(f"its tensors {name[:80]!r} and {tensors[new].name[:80]!r} are one and the same")
        is_norm = new.endswith("norm.weight")
        tensors[new] = _tensor(name, tensor.floats() + 1) if is_norm and config.family.plus_one else tensor
    tied = config.get("tie_word_embeddings")
    if tied is True or not generates:
        tensors.pop("output.weight", None)
    elif tied is False and "output.weight" not in tensors:
        raise ModelFileError("it has no tensor 'lm_head.weight', and its word embeddings are not tied")
    return tensors


def _squeezed(tensor: Tensor) -> Tensor:
    """Weights of a convolution [channels, 1, taps], or [channels, taps, 1] in MLX, as [channels, taps]."""
    return _tensor(tensor.name, tensor.floats().reshape(tensor.shape[0], -1))


def _unwrapped(config: HfConfig, stored: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The tensors as the family names them: a class names those of the model within it with a prefix, or without."""
    family = config.family
    if family.prefix:
        return {_new_name(name.removeprefix(family.prefix)): tensor for name, tensor in stored.items()}
    if not family.layers.startswith(_WRAPPER) or any(name.startswith(_WRAPPER) for name in stored):
        return stored
    return {name if name.startswith(_HEADS) else _WRAPPER + name: tensor for name, tensor in stored.items()}


def _new_name(name: str) -> str:
    """The name of a tensor in place of that of the first BERT checkpoints."""
    for old, new in ((".gamma", ".weight"), (".beta", ".bias")):
        if name.endswith(f"LayerNorm{old}"):
            return name.removesuffix(old) + new
    return name


def _gguf_name(config: HfConfig, name: str) -> str:
    module, _, kind = (f"{name}.weight" if name.endswith(_FACTOR) else name).rpartition(".")
    names, prefix = config.family.model_names, ""
    if name.startswith(config.family.layers) and (match := _LAYER.fullmatch(module[len(config.family.layers) :])):
        names, prefix, module = config.family.layer_names, f"blk.{int(match[1])}.", match[2]
    return f"{prefix}{names[module]}.{kind}" if module in names else name


def _text_model(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of the text part of a vision model, named as in a text model. Raises `ModelFileError`."""
    names = {name: re.sub(r"^(model\.)?language_model\.(model\.)?", "model.", name) for name in stored}
    if len(set(names.values())) != len(names):
        raise ModelFileError("it has tensors of two language models")
    return {new.replace("model.lm_head", "lm_head"): stored[name] for name, new in names.items()}


def _head_norms(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Norms of single heads (StableLM) as one tensor [heads, channels]."""
    heads: dict[str, dict[int, Tensor]] = {}
    others = {}
    for name, tensor in stored.items():
        if match := _HEAD_NORM.fullmatch(name):
            heads.setdefault(f"{match[1]}_norm.weight", {})[int(match[2])] = tensor
        else:
            others[name] = tensor
    for name, norms in heads.items():
        rows = [norms[n].floats() for n in sorted(norms)]
        if len({row.shape for row in rows}) != 1 or sorted(norms) != list(range(len(norms))):
            raise ModelFileError(f"its norms {name[:80]!r} of single heads do not fit each other")
        others[name] = _tensor(name, np.stack(rows))
    return others


def _tensor(name: str, values: Floats | Any) -> Tensor:
    """A copy of a tensor."""
    array = np.ascontiguousarray(values, np.float32)
    return Tensor(name, array.shape, _F32, array.reshape(-1, array.shape[-1]).view(np.uint8))
