"""The choice of a model's files in a repository."""

from collections.abc import Callable
from typing import Final

from forefront.catalog.pull.hub.gguf_variant import GgufVariant, find_projector, gguf_variants
from forefront.catalog.pull.hub.repository import Repository, RepositoryFile, Selection
from forefront.graph.hugging_face.config import CONFIG_FILES

# Names of quantisations, best first. 16 and 32 bits come last: they are slower and hardly better than 8 bits.
_PREFERRED: Final = (
    *("Q8_0", "Q6_K_L", "Q6_K", "Q5_K_L", "Q5_K_M", "Q5_K_S", "Q5_1", "Q5_0"),
    *("MXFP4", "Q4_K_L", "Q4_K_M", "Q4_K_S", "Q4_1", "IQ4_NL", "IQ4_XS", "Q4_0", "Q4"),
    *("Q3_K_L", "Q3_K_M", "Q3_K_S", "Q2_K", "BF16", "F16", "F32"),
)
# A model needs memory of `_FACTOR` times its files, since some formats are packed wider, and `_RESERVE` bytes for its
# KV cache and the program.
_FACTOR: Final = 1.5
_RESERVE: Final = 2 * 2**30
_SETTINGS: Final = frozenset(
    {
        *(*CONFIG_FILES, "generation_config.json", "chat_template.jinja", "chat_template.json"),
        *("tokenizer.json", "tokenizer_config.json", "tokenizer.model", "tekken.json"),
        *("vocab.json", "merges.txt"),
        *("special_tokens_map.json", "added_tokens.json", "preprocessor_config.json", "processor_config.json"),
    }
)
_INDEX: Final = "model.safetensors.index.json"
_LISTED: Final = 30


class SelectionError(Exception):
    """No file, or no single file, fits a reference. The text is a reason."""


def select(repository: Repository, wanted: str, memory: int) -> Selection:
    """The files of the model that `wanted` names: a path, a quantisation, or "" for the best one that fits `memory`
    bytes. Raises `SelectionError`.

    GGUF files come before safetensors. A variant in several parts is selected as a whole, a projector with its model.
    """
    variants = gguf_variants(repository.files)
    if wanted:
        return _with_projector(repository, _named(repository, variants, wanted))
    if variants:
        return _with_projector(repository, _best(repository, variants, memory))
    return _safetensors(repository)


def fits_memory(size: int, memory: int) -> bool:
    """Whether a model whose files have `size` bytes can be served with `memory` bytes."""
    return size * _FACTOR + _RESERVE <= memory


def _named(repository: Repository, variants: list[GgufVariant], wanted: str) -> GgufVariant:
    found = [variant for variant in variants if any(file.path == wanted for file in variant.files)]
    found = found or [variant for variant in variants if any(file.name == wanted for file in variant.files)]
    found = found or [variant for variant in variants if variant.quantization == wanted.upper()]
    if len(found) == 1:
        _check_parts(found[0])
        return found[0]
    if found:
        raise SelectionError(f"{wanted} is the quantisation of several files: {_choices(repository, found)}")
    if not variants:
        raise SelectionError(f"it has no file or quantisation {wanted}: it has no GGUF files")
    raise SelectionError(f"it has no file or quantisation {wanted}; there are {_choices(repository, variants)}")


def _best(repository: Repository, variants: list[GgufVariant], memory: int) -> GgufVariant:
    """The first in the order of preference that fits."""
    usable = [variant for variant in variants if variant.quantization in _PREFERRED and not variant.missing_parts]
    usable.sort(key=lambda variant: _PREFERRED.index(variant.quantization))
    if not usable and len(variants) == 1:
        _check_parts(variants[0])
        return variants[0]
    if not usable:
        raise SelectionError(f"name one of its files: {_choices(repository, variants)}")
    for variant in usable:
        if fits_memory(variant.size, memory):
            same = [other for other in usable if other.quantization == variant.quantization]
            if len(same) > 1:
                raise SelectionError(f"it has several models; name a file: {_choices(repository, same)}")
            return variant
    text = f"no quantisation fits the {memory / 2**30:.1f} GiB of memory of this machine"
    raise SelectionError(f"{text}; name one to pull it nevertheless: {_choices(repository, variants)}")


def _with_projector(repository: Repository, variant: GgufVariant) -> Selection:
    projector = find_projector(repository.files)
    main = variant.files[0].path
    if projector is None or projector in variant.files:
        return Selection(variant.files, main)
    return Selection((*variant.files, projector), main, projector.path)


def _check_parts(variant: GgufVariant) -> None:
    if variant.missing_parts:
        raise SelectionError(
            f"{variant.files[0].path} has {variant.parts} parts, of which {variant.missing_parts} are missing"
        )


def _safetensors(repository: Repository) -> Selection:
    files = {file.path: file for file in repository.files if "/" not in file.path}
    weights = [file for path, file in files.items() if path.endswith(".safetensors")]
    if "adapter_config.json" in files:
        raise SelectionError("it is an adapter of another model (LoRA), which is not supported")
    if not weights and any(path.endswith((".bin", ".pt", ".pth", ".ckpt")) for path in files):
        raise SelectionError(
            "its weights are pickled (.bin, .pt), which is not supported for safety; it has no safetensors"
        )
    if not weights or "config.json" not in files:
        raise SelectionError("it has neither GGUF files nor config.json with *.safetensors")
    chosen = [file for file in files.values() if file.path in _SETTINGS or file.path == _INDEX]
    return Selection((*chosen, *_shards(weights)))


def _shards(weights: list[RepositoryFile]) -> list[RepositoryFile]:
    """`model.safetensors`, or its shards; other names only if there is neither. Some repositories hold the same weights
    a second time as `consolidated.safetensors`."""
    tests: tuple[Callable[[str], bool], ...] = (
        lambda path: path.startswith("model-") and "-of-" in path,
        lambda path: path == "model.safetensors",
        lambda path: not path.startswith("consolidated"),
    )
    for test in tests:
        if found := [file for file in weights if test(file.path)]:
            return found
    return weights


def _choices(repository: Repository, variants: list[GgufVariant]) -> str:
    """References of the variants, with their sizes."""
    counts = [variant.quantization for variant in variants]
    shown = []
    for variant in sorted(variants, key=lambda variant: variant.size)[:_LISTED]:
        by_name = variant.quantization and counts.count(variant.quantization) == 1
        wanted = variant.quantization if by_name else variant.files[0].path
        shown.append(f"hf:{repository.name}:{wanted} ({variant.size / 1e9:.2g} GB)")
    more = f" and {len(variants) - _LISTED} more" if len(variants) > _LISTED else ""
    return ", ".join(shown) + more
