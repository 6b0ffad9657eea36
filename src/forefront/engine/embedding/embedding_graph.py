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
    """The reduction of a sequence's hidden states to one vector: the mean, the first token's, or the last token's."""

    MEAN = "mean"
    CLS = "cls"
    LAST = "last"


@dataclass(frozen=True, slots=True)
class InputEmbedding:
    """The inputs of the first layer: the embedding of each token, plus that of its position and of its segment in
    models that have such (matrices [positions, width] and [segments, width]). Segments that a model does not
    distinguish count as its last one."""

    tokens: Embed
    positions: Floats | None = None
    segments: Floats | None = None

    def __call__(
        self, tokens: npt.NDArray[np.int64], positions: npt.NDArray[np.int64], segments: npt.NDArray[np.int64]
    ) -> Floats:
        """[tokens, width]"""
        x = self.tokens(tokens)
        if self.positions is not None:
            # Padding may lie after the last position.
            x = x + self.positions[np.minimum(positions, len(self.positions) - 1)]
        if self.segments is not None:
            x = x + self.segments[np.minimum(segments, len(self.segments) - 1)]
        return x


@dataclass(frozen=True, slots=True)
class DenseLayer:
    """From vectors [sequences, inputs] to [sequences, outputs]: W x + b, with a tanh or without."""

    weight: Floats
    bias: Floats | None = None
    tanh: bool = False

    def __call__(self, x: Floats) -> Floats:
        """[sequences, outputs]"""
        y = x @ self.weight.T
        y = y if self.bias is None else y + self.bias
        return np.asarray(np.tanh(y) if self.tanh else y, np.float32)


@dataclass(frozen=True, slots=True)
class RankingHead:
    """From a pooled vector to a score. Of several outputs, the score is the probability of the first."""

    layers: tuple[DenseLayer, ...]

    def __call__(self, pooled: Floats) -> Floats:
        """Scores [sequences] of vectors [sequences, width]."""
        for layer in self.layers:
            pooled = layer(pooled)
        if pooled.shape[1] == 1:
            return pooled[:, 0]
        exponentials = np.exp(pooled - pooled.max(axis=1, keepdims=True))
        return np.asarray(exponentials[:, 0] / exponentials.sum(axis=1), np.float32)


@dataclass(frozen=True, slots=True)
class EmbeddingGraph:
    """`model`: one result, hidden states [rows, channels]. Its inputs are `embeddings` [tokens, channels],
    `position_ids` [tokens], `rows` (positions among all tokens) and `mask` (see `PaddedInputs`); without `embed` they
    are `input_ids` [sequences, length] and `rows`, and those that it has of `attention_mask`, `token_type_ids` and
    `position_ids`, of the same shape. `dense` are applied to pooled vectors, which have `width` channels then.
    `constants` must live as long as the compiled model. `ranking` is set for a model that scores
    pairs of texts.
    """

    model: ov.Model
    width: int
    vocabulary_size: int
    embed: InputEmbedding | None
    pooling: Pooling
    constants: Constants | None = None
    ranking: RankingHead | None = None
    dense: tuple[DenseLayer, ...] = ()
