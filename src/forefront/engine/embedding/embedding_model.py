"""The compiled graph of an embedding model: one forward pass over whole sequences."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from forefront.engine.embedding.batch_size import padded_count, padded_length
from forefront.engine.embedding.embedding_graph import EmbeddingGraph, Floats, Pooling
from forefront.engine.model.compilation import compile_graph
from forefront.engine.model.constants import released_constants
from forefront.engine.model.device import find_device
from forefront.engine.model.model import ModelOptions, compile_properties
from forefront.engine.model.openvino_import import ov

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class EmbeddingInput:
    """The tokens of one sequence. From the token `second_segment` on they belong to the second segment.

    They are kept as 32-bit numbers: a request has up to half a million, and an `int` takes 28 bytes more.
    """

    tokens: Sequence[int]
    second_segment: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "tokens", array("i", self.tokens))


@dataclass(frozen=True, slots=True)
class EmbeddingShape:
    """`context_length`: tokens of one sequence, at most. `vocabulary_size`: rows of the matrix of embeddings. `width`:
    channels of a vector. `ranks`: the model scores pairs of texts, so vectors have one number."""

    context_length: int
    vocabulary_size: int
    width: int
    ranks: bool = False


class EmbeddingModel:
    """An embedding model on a device. Not thread-safe: one thread owns it.

    `shape` has its sizes. Raises `DeviceError` if there is no such device, and `RuntimeError` if OpenVINO cannot
    compile the model.
    """

    def __init__(self, graph: EmbeddingGraph, context_length: int, options: ModelOptions | None = None) -> None:
        options = options or ModelOptions()
        ranks = graph.ranking is not None
        self.shape = EmbeddingShape(context_length, graph.vocabulary_size, 1 if ranks else graph.width, ranks)
        self._embed, self._pooling, self._dense, self._ranking = graph.embed, graph.pooling, graph.dense, graph.ranking
        self._inputs = {name for port in graph.model.inputs for name in port.get_names()}
        self._constants = graph.constants
        device = find_device(options.device)
        compiled = compile_graph(ov.Core(), graph.model, device, compile_properties(options, device))
        self._request: Any = compiled.create_infer_request()
        with released_constants(graph.constants):
            self.run([EmbeddingInput([0])])  # copies the weights into the layouts of the kernels

    def run(self, batch: Sequence[EmbeddingInput]) -> Floats:
        """The pooled vectors [sequences, width], not normalised, of sequences that have tokens."""
        # Rows beyond the batch have one token each: a softmax over nothing is not a number.
        lengths = np.ones(padded_count(len(batch)), np.int64)
        lengths[: len(batch)] = [len(entry.tokens) for entry in batch]
        length = padded_length(int(lengths.max()))
        tokens = np.zeros((len(lengths), length), np.int64)
        segments = np.zeros_like(tokens)
        for row, entry in enumerate(batch):
            tokens[row, : lengths[row]] = entry.tokens
            if entry.second_segment is not None:
                segments[row, entry.second_segment : lengths[row]] = 1
        hidden = self._hidden_states(tokens, segments, lengths, self._rows(lengths, length).astype(np.int32))
        pooled = self._pooled(hidden, lengths, length)[: len(batch)]
        for layer in self._dense:
            pooled = layer(pooled)
        return pooled if self._ranking is None else self._ranking(pooled)[:, None]

    def close(self) -> None:
        """Free the model. Nothing may be computed after that."""
        self._request = self._constants = self._embed = self._ranking = None

    def _hidden_states(
        self, tokens: Integers, segments: Integers, lengths: Integers, rows: npt.NDArray[np.int32]
    ) -> Floats:
        """Of the tokens `rows` [rows], of a padded batch [sequences, length]."""
        count, length = tokens.shape
        padding = np.arange(length)[None, :] >= lengths[:, None]
        positions = np.tile(np.arange(length, dtype=np.int64), count)
        if self._embed is not None:
            mask = np.where(padding, -np.inf, 0).astype(np.float32)[:, None, None, :]
            embeddings = self._embed(tokens.ravel(), positions, segments.ravel())
            return self._infer(embeddings=embeddings, position_ids=positions, rows=rows, mask=mask)
        values = {
            "attention_mask": (~padding).astype(np.int64),
            "token_type_ids": segments,
            "position_ids": positions.reshape(count, length),
        }
        others = {name: value for name, value in values.items() if name in self._inputs}
        return self._infer(input_ids=tokens, rows=rows, **others)

    def _rows(self, lengths: Integers, length: int) -> Integers:
        """The tokens whose hidden states the pooling takes, of the padded batch."""
        begins = np.arange(0, len(lengths) * length, length)
        match self._pooling:
            case Pooling.CLS:
                return begins
            case Pooling.LAST:
                return begins + lengths - 1
            case Pooling.MEAN:  # all of them, because each number of rows is another compiled size
                return np.arange(len(lengths) * length)

    def _pooled(self, hidden: Floats, lengths: Integers, length: int) -> Floats:
        if self._pooling is not Pooling.MEAN:
            return hidden
        weights = (np.arange(length) < lengths[:, None]) / lengths[:, None].astype(np.float32)
        return np.asarray(weights[:, None] @ hidden.reshape(len(lengths), length, -1), np.float32)[:, 0]

    def _infer(self, **inputs: npt.NDArray[Any]) -> Floats:
        self._request.infer({name: ov.Tensor(np.ascontiguousarray(value)) for name, value in inputs.items()})
        return np.array(self._request.get_output_tensor(0).data, np.float32)
