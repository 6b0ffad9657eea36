"""The pooling of embedding models."""

from typing import Final

from forefront.engine.embedding.embedding_graph import Pooling
from forefront.graph.errors import ModelFileError
from forefront.graph.settings import Settings

# The numbers of GGUF's `pooling_type`. 4 is for models that score pairs of texts by their first token.
_NONE: Final = 0
_RANK: Final = 4
_POOLINGS: Final = {1: Pooling.MEAN, 2: Pooling.CLS, 3: Pooling.LAST, _RANK: Pooling.CLS}


def pooling_of(settings: Settings) -> Pooling | None:
    """The pooling that a file declares; None for a model that generates text. Raises `ModelFileError`."""
    number = settings.integer("pooling_type", _NONE)
    if number == _NONE:
        return None
    if number not in _POOLINGS:
        raise ModelFileError(f"its pooling_type is {number}; known are {', '.join(map(str, _POOLINGS))}")
    return _POOLINGS[number]


def ranks(settings: Settings) -> bool:
    """Whether the model scores pairs of texts."""
    return settings.integer("pooling_type", _NONE) == _RANK


def shortens(settings: Settings) -> bool:
    """Whether the first dimensions of a vector are a vector by themselves: the file lists dimensions that the model is
    trained for, or the model is a Qwen 3, all of whose embedding models are."""
    return settings.is_list("matryoshka_dimensions") or settings.architecture == "qwen3"
