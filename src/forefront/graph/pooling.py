"""The pooling of embedding models, and the layers after it."""

from typing import Final

from forefront.engine.embedding.embedding_graph import DenseLayer, Pooling, RankingHead
from forefront.graph.errors import ModelFileError
from forefront.graph.packing.weights import Weights
from forefront.graph.settings import Settings

# The numbers of GGUF's `pooling_type`. 4 is for models that score pairs of texts: encoders by their first token.
# Modules of Sentence Transformers: 0 is the transformer, 1 the pooling.
_FIRST_DENSE: Final = 2
_MAX_DENSE: Final = 8
# The classes of a model that answers whether a document is relevant.
_ANSWERS: Final = ["yes", "no"]
_NONE: Final = 0
_RANK: Final = 4
POOLINGS: Final = {1: Pooling.MEAN, 2: Pooling.CLS, 3: Pooling.LAST, _RANK: Pooling.CLS}


def pooling_of(settings: Settings) -> Pooling | None:
    """The pooling that a file declares; None for a model that generates text. Raises `ModelFileError`."""
    number = settings.integer("pooling_type", _NONE)
    if number == _NONE:
        return None
    if number not in POOLINGS:
        raise ModelFileError(f"its pooling_type is {number}; known are {', '.join(map(str, POOLINGS))}")
    return POOLINGS[number]


def ranks(settings: Settings) -> bool:
    """Whether the model scores pairs of texts."""
    return settings.integer("pooling_type", _NONE) == _RANK


def supports_shortening(settings: Settings) -> bool:
    """Whether the first dimensions of a vector are a vector by themselves: the file lists dimensions that the model is
    trained for, or the model is a Qwen 3, all of whose embedding models are."""
    return settings.is_list("matryoshka_dimensions") or settings.architecture == "qwen3"


def ranking_head(settings: Settings, weights: Weights, width: int) -> RankingHead:
    """From the pooled vector to the score of a pair: by one matrix, or after another one with a tanh. Raises
    `ModelFileError`."""
    layers = []
    if weights.has("cls.weight"):
        dense = weights.tensor("cls.weight", [width, width]).floats()
        layers.append(DenseLayer(dense, weights.optional_vector("cls.bias", width), tanh=True))
    output = weights.matrix_tensor("cls.output.weight", width).floats()
    if len(output) != 1 and settings.texts("classifier.output_labels") != _ANSWERS:
        raise ModelFileError(f"it sorts texts into {len(output)} classes; a model that scores pairs has one")
    layers.append(DenseLayer(output, weights.optional_vector("cls.output.bias", len(output))))
    return RankingHead(tuple(layers))


def dense_layers(settings: Settings, weights: Weights, width: int) -> tuple[DenseLayer, ...]:
    """The layers that pooled vectors pass through: `dense_2`, `dense_3` and so on."""
    layers: list[DenseLayer] = []
    for number in range(_FIRST_DENSE, _FIRST_DENSE + _MAX_DENSE):
        name = f"dense_{number}"
        if not weights.has(f"{name}.weight"):
            break
        weight = weights.matrix_tensor(f"{name}.weight", width).floats()
        width = len(weight)
        bias = weights.optional_vector(f"{name}.bias", width)
        layers.append(DenseLayer(weight, bias, tanh=settings.text(f"{name}.activation", "identity") == "tanh"))
    return tuple(layers)
