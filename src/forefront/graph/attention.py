"""Paged attention: queries of the new tokens over the keys and values in the blocks of the KV cache."""

from dataclasses import dataclass

import numpy as np
from openvino.op import _PagedAttentionExtension

from forefront.engine.model.openvino_import import ops, ov
from forefront.engine.model.paged_graph import parameter
from forefront.graph.block_formats import Floats
from forefront.graph.operations import Node


@dataclass(frozen=True, slots=True)
class Heads:
    """Of one layer. `window`: how many tokens, itself included, a token sees; 0 for all. `sinks`: for each query head,
    the logit of a key without a value."""

    keys: int
    width: int
    scale: float
    window: int = 0
    sinks: Floats | None = None


class PagedInputs:
    """The inputs that a graph has for its batch and its KV cache."""

    def __init__(self) -> None:
        self.position_ids = parameter("position_ids", [-1], ov.Type.i64)
        self.rows = parameter("rows", [-1], ov.Type.i32)
        names = ("past_lens", "subsequence_begins", "block_indices", "block_indices_begins")
        self._batch = [parameter(name, [-1], ov.Type.i32) for name in names]
        self._longest = parameter("max_context_len", [], ov.Type.i32)
        self._caches: list[Node] = []

    def all(self) -> list[Node]:
        """Every input, in the order of the graph."""
        return [self.position_ids, self.rows, *self._batch, self._longest, *self._caches]

    def attend(self, query: Node, key: Node, value: Node, heads: Heads) -> Node:
        """[tokens, query heads * width], of query as such, and key and value [tokens, `heads.keys` * width]."""
        layer = len(self._caches) // 2
        # The plugin chooses type and shape of the caches (KV_CACHE_PRECISION).
        caches = [parameter(f"{kind}_cache.{layer}", [-1] * 4, ov.Type.dynamic) for kind in ("key", "value")]
        self._caches += caches
        no_integers, no_floats = ops.constant(np.zeros(0, np.int32)), ops.constant(np.zeros(0, np.float32))
        off = ops.constant(np.int32(0))
        sinks = np.zeros((0, 0, 0, 0), np.float32) if heads.sinks is None else heads.sinks.reshape(1, -1, 1, 1)
        inputs = [query, key, value, *caches, *self._batch]
        inputs += [
            ops.constant(np.float32(heads.scale)),
            ops.constant(np.int32(heads.window)),
            no_floats,
            self._longest,
        ]
        # Not used: aggregated scores, rotated blocks, sparse attention.
        inputs += [no_integers, no_integers, no_integers, no_floats, no_floats, off, off]
        inputs += [ops.constant(sinks), off, no_integers, no_integers, no_integers]
        # Not used: token types, quantised queries.
        inputs += [no_integers, ops.constant(np.zeros(0, np.uint8)), no_integers]
        node = _PagedAttentionExtension([node.output(0) for node in inputs])
        info = node.get_rt_info()  # the plugin derives the shapes of the caches from these
        info["num_k_heads"] = info["num_v_heads"] = heads.keys
        info["k_head_size"] = info["v_head_size"] = heads.width
        return ops.reshape(
            node.output(0), ops.constant(np.array([0, query.get_output_partial_shape(0)[1].get_length()])), True
        )
