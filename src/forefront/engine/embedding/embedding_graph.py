"""The graph of a model that turns sequences into vectors."""

from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt

from forefront.engine.model.constants import Constants
from forefront.engine.model.openvino_import import ov
from forefront.engine.model.paged_graph import Embed

Floats = npt.NDArray[np.float32]


class Pooling(Enum):
    """From the hidden states of a sequence to one vector: their mean, that of the first token, or of the last."""

    MEAN = "mean"
    CLS = "cls"
    LAST = "last"


@dataclass(frozen=True, slots=True)
class InputEmbedding:
    """The inputs of the first layer: the embedding of each token, plus that of its position and of its segment in
    models that have such (matrices [positions, width] and [segments, width])."""

    tokens: Embed
    vocabulary_size: int
    positions: Floats | None = None
    segments: Floats | None = None

    def __call__(
        self, tokens: npt.NDArray[np.int64], positions: npt.NDArray[np.int64], segments: npt.NDArray[np.int64]
    ) -> Floats:
        """[tokens, width]"""
        x = self.tokens(tokens)
        if self.positions is not None:
            x = x + self.positions[positions]
        return x if self.segments is None else x + self.segments[segments]


@dataclass(frozen=True, slots=True)
class RankingHead:
    """From a pooled vector to a score: tanh(W x + b), where the model has W, then one output."""

    output: Floats
    output_bias: Floats
    dense: Floats | None = None
    dense_bias: Floats | None = None

    def __call__(self, pooled: Floats) -> Floats:
        """Scores [sequences] of vectors [sequences, width]."""
        if self.dense is not None and self.dense_bias is not None:
            pooled = np.tanh(pooled @ self.dense.T + self.dense_bias)
        return np.asarray((pooled @ self.output.T + self.output_bias)[:, 0], np.float32)


@dataclass(frozen=True, slots=True)
class EmbeddingGraph:
    """`model`: one result, hidden states [rows, width]. Its inputs are `embeddings` [tokens, width], `position_ids`
    [tokens], `rows` (positions among all tokens) and `mask` (see `PaddedInputs`). `constants` must live as long as the
    compiled model. `ranking` is set for a model that scores pairs of texts.
    """

    model: ov.Model
    width: int
    embed: InputEmbedding
    pooling: Pooling
    constants: Constants | None = None
    ranking: RankingHead | None = None
