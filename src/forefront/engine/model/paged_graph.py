"""The graph of a decoder with paged attention, up to the logits of selected rows."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from forefront.engine.model.constants import Constants
from forefront.engine.model.openvino_import import ops, ov, paged_attention_transformation

# Token ids [tokens] to rows of the embedding matrix [tokens, width].
Embed = Callable[[npt.NDArray[np.int64]], npt.NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class PagedGraph:
    """`model`: one result, logits [rows, vocabulary]. Its inputs are `rows` (i32, positions among all new tokens),
    those named by `paged_attention_transformation`, and the new tokens: `embeddings` [tokens, width] with `embed`, else
    `input_ids`. `constants` must live as long as the compiled model. `reads_cache`: it reads the KV cache by itself,
    which must have no codes and the layout of the CPU.
    """

    model: ov.Model
    vocabulary_size: int
    embed: Embed | None = None
    constants: Constants | None = None
    reads_cache: bool = False


def read_ir(xml: Path) -> PagedGraph:
    """The graph of a decoder in OpenVINO's IR format. Raises `RuntimeError`."""
    model = ov.Core().read_model(xml)
    paged_attention_transformation(model)
    result = model.get_results()[0]
    projection = result.input_value(0).get_node()
    while projection.get_type_name() != "MatMul":
        projection = projection.input_value(0).get_node()
    rows = parameter("rows", [-1], ov.Type.i32)
    # A gather before the output projection: logits are computed for the selected rows alone.
    selected = ops.gather(projection.input_value(0), rows, ops.constant(np.int64(0)))
    projection.input(0).replace_source_output(selected.output(0))
    vocabulary = result.input_value(0).get_partial_shape()[-1].get_length()
    shape = ops.constant(np.array([-1, vocabulary], np.int64))
    logits = ops.reshape(ops.convert(result.input_value(0), ov.Type.f32), shape, False)
    return PagedGraph(ov.Model([ops.result(logits)], [*model.get_parameters(), rows], "paged"), vocabulary)


def parameter(name: str, shape: list[int], kind: ov.Type) -> ov.Node:
    """A named input of a graph."""
    node = ops.parameter(shape, kind, name=name)
    node.output(0).get_tensor().set_names({name})
    return node
