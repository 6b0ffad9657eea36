"""From a model's file to a graph."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from forefront.engine.embedding.embedding_graph import EmbeddingGraph
from forefront.engine.model.paged_graph import PagedGraph
from forefront.graph.architectures import ARCHITECTURES, ENCODERS
from forefront.graph.attention import AttentionInputs, PaddedInputs, PagedInputs
from forefront.graph.decoder import Decoder
from forefront.graph.errors import ModelFileError
from forefront.graph.model_file import ModelFile
from forefront.graph.packing.pack import Rounding
from forefront.graph.packing.weight_file import WeightFile
from forefront.graph.packing.weights import Weights
from forefront.graph.pooling import pooling_of
from forefront.graph.setting_check import unsupported_setting
from forefront.graph.settings import Settings

T = TypeVar("T")

# Incremented with every change of the packed layout: weight files of earlier versions are then ignored.
PACKING: Final = 3
_BITS: Final = {"": 0, "int8": 8, "int4": 4}
_LAYER: Final = re.compile(r"blk\.(\d{1,6})\.")
# A model uses one of two sets of factors.
_IGNORED: Final = {"rope_factors_long.weight", "rope_factors_short.weight", "rope_freqs.weight"}


@dataclass(frozen=True, slots=True)
class BuiltGraph:
    """`precision`: of the computation with the file's weights."""

    graph: PagedGraph
    precision: str


@dataclass(frozen=True, slots=True)
class BuiltEmbeddingGraph:
    """The same for a model that makes embeddings."""

    graph: EmbeddingGraph
    precision: str


def is_embedding_model(settings: Settings) -> bool:
    """Whether the model turns texts into vectors instead of generating text. Raises `ModelFileError`."""
    return settings.architecture in ENCODERS or pooling_of(settings) is not None


def find_family(settings: Settings) -> type[Decoder]:
    """The builder of the settings' architecture. Raises `ModelFileError` for an unsupported architecture, and for
    unsupported settings that change results."""
    family = ARCHITECTURES.get(settings.architecture) or ENCODERS.get(settings.architecture)
    if family is None:
        known = ", ".join(sorted([*ARCHITECTURES, *ENCODERS]))
        raise ModelFileError(
            f"its architecture {settings.architecture[:40]!r} is not supported; supported are {known}. "
            "Another engine may be able to serve it"
        )
    reason = unsupported_setting(settings, family, embeds=is_embedding_model(settings))
    if reason is not None:
        name = settings.architecture[:40]
        raise ModelFileError(
            f"it {reason}, which is not supported for its architecture {name!r}. Another engine may be able to serve it"
        )
    return family


def build_graph(file: ModelFile, cache: Path, *, exact: bool, quantize: str = "", precision: str = "f32") -> BuiltGraph:
    """The graph of the model in `file`, with its packed matrices in the folder `cache`, which are written there if they
    are not complete. `exact`: no quantised format is rounded anew for speed. `quantize`: "int8" or "int4" for matrices
    of plain numbers. `precision`: of computation, "f32" or "bf16". Raises `ModelFileError` and `OSError`.
    """
    rounding = Rounding(exact, _BITS[quantize], precision)
    return BuiltGraph(*_build(file, cache, rounding, PagedInputs(), lambda decoder: decoder.build()))


def build_embedding_graph(
    file: ModelFile, cache: Path, *, exact: bool, quantize: str = "", precision: str = "f32"
) -> BuiltEmbeddingGraph:
    """The same for a model that makes embeddings."""
    settings = Settings(file.metadata)
    inputs = PaddedInputs(causal=settings.flag("attention.causal", settings.architecture not in ENCODERS))
    rounding = Rounding(exact, _BITS[quantize], precision, paged=False)
    return BuiltEmbeddingGraph(*_build(file, cache, rounding, inputs, lambda decoder: decoder.build_embedding()))


def _build(
    file: ModelFile, cache: Path, rounding: Rounding, inputs: AttentionInputs, build: Callable[[Decoder], T]
) -> tuple[T, str]:
    """What `build` makes of the family's builder, and the precision of the weights."""
    settings = Settings(file.metadata)
    family = find_family(settings)
    with WeightFile(cache) as weight_file:
        weights = Weights(file, weight_file, rounding)
        graph = build(family(settings, weights, inputs))
        # An unused tensor indicates a variant that would be computed incorrectly.
        if unused := sorted(name for name in weights.unused() - _IGNORED if not _predicts_further(name, settings)):
            raise ModelFileError(
                f"it has {len(unused)} tensors that its architecture {settings.architecture!r} does not use, "
                f"such as {unused[0][:80]!r}"
            )
        weight_file.finish()
    file.release()  # packed tensors are not read again
    return graph, ", ".join(["weights as stored", *_rounded(weights.rounded)])


def _predicts_further(name: str, settings: Settings) -> bool:
    """Whether a tensor belongs to a layer after the model's own, which predicts further tokens and is not used."""
    match = _LAYER.match(name)
    return match is not None and settings.layers <= int(match[1]) < settings.integer("block_count")


def _rounded(rounded: Mapping[int, set[str]]) -> list[str]:
    return [f"{', '.join(sorted(names))} rounded to {bits} bits" for bits, names in sorted(rounded.items())]
