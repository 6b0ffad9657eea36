"""The graph of an embedding model in OpenVINO's IR format, as optimum-intel exports it."""

from pathlib import Path
from typing import Final

import numpy as np

from forefront.engine.embedding.embedding_graph import EmbeddingGraph, Pooling
from forefront.engine.model.openvino_import import ops, ov
from forefront.engine.model.paged_graph import parameter

# Outputs with hidden states [sequences, length, channels], by the exports that name them so.
_HIDDEN: Final = ("last_hidden_state", "token_embeddings")
_INPUTS: Final = frozenset({"input_ids", "attention_mask", "token_type_ids", "position_ids"})


class GraphError(Exception):
    """A graph cannot be used; the message gives the reason."""


def outputs_hidden_states(xml: Path) -> bool:
    """Whether the graph of a file gives hidden states in place of logits. Raises `RuntimeError`."""
    return _hidden_output(ov.Core().read_model(xml)) is not None


def read_embedding_ir(xml: Path, pooling: Pooling, vocabulary_size: int) -> EmbeddingGraph:
    """The graph up to the hidden states of selected rows. Raises `GraphError`, and `RuntimeError`."""
    model = ov.Core().read_model(xml)
    names = {name for port in model.inputs for name in port.get_names()}
    if "input_ids" not in names or any(not port.get_names() & _INPUTS for port in model.inputs):
        raise GraphError(f"its graph has the inputs {', '.join(sorted(names))[:120]}")
    hidden = _hidden_output(model)
    if hidden is None:
        raise GraphError("its graph has no hidden states")
    source = hidden.get_node().input_value(0)
    width = source.get_partial_shape()[-1]
    if width.is_dynamic:
        raise GraphError("its hidden states have no fixed width")
    rows = parameter("rows", [-1], ov.Type.i32)
    flat = ops.reshape(
        ops.convert(source, ov.Type.f32), ops.constant(np.array([-1, width.get_length()], np.int64)), False
    )
    selected = ops.gather(flat, rows, ops.constant(np.int64(0)))
    graph = ov.Model([ops.result(selected)], [*model.get_parameters(), rows], "embeddings")
    return EmbeddingGraph(graph, width.get_length(), vocabulary_size, None, pooling)


def _hidden_output(model: ov.Model) -> ov.Output | None:
    return next((port for port in model.outputs if port.get_names() & set(_HIDDEN)), None)
