"""The memory that a model takes in this process, from the metadata of its files."""

from pathlib import Path
from typing import Final

from forefront.catalog.loaders.prepared_model import context_length
from forefront.catalog.loading.loaded_model import LoadEstimate
from forefront.catalog.model_cache import read_json
from forefront.catalog.sources.known_models import PackageModel
from forefront.catalog.sources.source import ModelSource, SourceError
from forefront.engine.model.model import ModelOptions
from forefront.graph.architectures.gemma4 import cache_channels
from forefront.graph.architectures.lfm import convolution_channels
from forefront.graph.build import makes_embeddings
from forefront.graph.errors import ModelFileError
from forefront.graph.gguf.gguf_file import GgufFile
from forefront.graph.model_file import ModelFile, Tensor
from forefront.graph.packing.layout import BITS
from forefront.graph.packing.pack import Rounding, layout_of
from forefront.graph.settings import Settings

# OpenVINO's own structures, tokenizer and vocabulary, measured with models of 5 to 1000 MB.
_FIXED: Final = 48 * 2**20
_SHARE: Final = 0.08
_QUANTIZED: Final = {"": 0, "int8": 8, "int4": 4}
_KV_BYTES: Final = {"f32": 4, "f16": 2, "bf16": 2, "u8": 1}


def estimate_memory(source: ModelSource, options: ModelOptions, context: int | None = None) -> LoadEstimate:
    """Packed weights and KV cache. `context` is a smaller context than the model's. Raises `SourceError`."""
    try:
        if source.remote is not None and not source.path.exists():
            # Only the pulled files show size and context: the KV cache has its bound.
            weights = source.remote.file_bytes if isinstance(source.remote, PackageModel) else 0
            return LoadEstimate(int(weights * (1 + _SHARE)) + _FIXED + options.kv_cache_bytes)
        created = int(source.path.stat().st_mtime)
        if source.is_ir:
            size = _ir_bytes(source) + _FIXED + options.kv_cache_bytes
            return LoadEstimate(size, created, _ir_context(source, context))
        file = GgufFile(source.path) if source.is_gguf else _directory(source.path)
        longest = context_length(file.metadata)
        context = longest if context is None else min(context, longest)
        size = int(_weight_bytes(file, options) * (1 + _SHARE)) + _FIXED + _kv_cache_bytes(file, context, options)
        return LoadEstimate(size, created, context)
    except ModelFileError as error:
        raise SourceError(f"{source.path}: {error}") from None
    except OSError as error:
        raise SourceError(f"{source.path}: it cannot be read: {error.strerror}") from None


def _directory(path: Path) -> ModelFile:
    # Imported here because servers of GGUF files start sooner without it.
    from forefront.graph.hugging_face.model import HuggingFaceModel

    return HuggingFaceModel(path)


def _weight_bytes(file: ModelFile, options: ModelOptions) -> int:
    """All matrices as they are packed. Embeddings are read from the file, unless they are the output projection too."""
    rounding = Rounding(
        not options.quantize_activations,
        _QUANTIZED[options.quantize_weights],
        options.inference_precision,
        paged=not makes_embeddings(Settings(file.metadata)),
    )
    skipped = {"per_layer_token_embd.weight"}
    if "output.weight" in file.tensors:
        skipped.add("token_embd.weight")
    return sum(_packed_bytes(tensor, rounding) for name, tensor in file.tensors.items() if name not in skipped)


def _packed_bytes(tensor: Tensor, rounding: Rounding) -> int:
    count = 1
    for dimension in tensor.shape:
        count *= dimension
    if len(tensor.shape) < 2:
        return count * 4
    layout = layout_of(tensor, rounding)
    scales = 0 if not layout.group else count // layout.group * (8 if layout.has_minimum else 4)
    return count * BITS[layout.element] // 8 + scales


def _kv_cache_bytes(file: ModelFile, context: int, options: ModelOptions) -> int:
    settings = Settings(file.metadata)
    if makes_embeddings(settings):
        return 0
    layers = settings.layers
    heads = settings.per_layer("attention.head_count", layers)
    key_heads = settings.per_layer("attention.head_count_kv", layers, heads[0])
    width = settings.integer("embedding_length", at_least=1) // max(1, heads[0])
    keys = settings.integer("attention.key_length", width, at_least=1)
    values = settings.integer("attention.value_length", keys, at_least=1)
    channels = sum(key_heads) * (keys + values)
    if settings.architecture == "gemma4":
        channels = cache_channels(settings)
    if settings.architecture == "lfm2":
        channels += key_heads.count(0) * convolution_channels(settings.integer("embedding_length"))
    per_token = channels * max(_KV_BYTES[options.kv_precision], 2 if settings.architecture == "gemma2" else 1)
    return min(options.kv_cache_bytes, options.contexts * context * per_token)


def _ir_bytes(source: ModelSource) -> int:
    return sum(path.stat().st_size for path in source.path.glob("openvino_model*.bin"))


def _ir_context(source: ModelSource, context: int | None) -> int | None:
    longest = read_json(source.path / "config.json").get("max_position_embeddings")
    return context if type(longest) is not int else longest if context is None else min(context, longest)
