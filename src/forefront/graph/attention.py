"""Attention: over the KV cache for generation, over whole sequences for embeddings."""

from dataclasses import dataclass, replace
from typing import Final, Protocol

import numpy as np
from openvino.op import _PagedAttentionExtension

from forefront.engine.model.openvino_import import ops, ov
from forefront.engine.model.paged_graph import parameter
from forefront.graph.block_formats import Floats
from forefront.graph.capped_attention import CappedHeads, capped_attention
from forefront.graph.errors import ModelFileError
from forefront.graph.operations import Node, integers, number, reshape
from forefront.graph.settings import Settings

# The logit of a token outside the window. Padding has -inf.
_OUTSIDE: Final = -1e30


@dataclass(frozen=True, slots=True)
class Heads:
    """Of one layer. `keys`: heads of keys and values. `width`: channels of a query or key. `window`: how many tokens,
    itself included, a token sees; 0 for all. `sinks`: for each query head, the logit of a key without a value. `cap`: a
    logit x becomes cap * tanh(x / cap); 0 for none. `cache`: the number of the call with the same keys and values,
    whose part of the KV cache serves this one too; None for an own part."""

    keys: int
    width: int
    scale: float
    window: int = 0
    sinks: Floats | None = None
    cap: float = 0.0
    cache: int | None = None


def cache_channels(settings: Settings) -> int:
    """Channels of keys and values in the KV cache, per token, over all layers. Raises `ModelFileError`."""
    layers = settings.layers
    heads = settings.per_layer("attention.head_count", layers)
    key_heads = settings.per_layer("attention.head_count_kv", layers, heads[0])
    width = settings.integer("embedding_length", at_least=1) // max(1, heads[0])
    keys = settings.integer("attention.key_length", width, at_least=1)
    values = settings.integer("attention.value_length", keys, at_least=1)
    return sum(key_heads) * (keys + values)


class AttentionInputs(Protocol):
    """The inputs of a graph beside the embeddings of its tokens, and the attention over them."""

    position_ids: Node
    rows: Node

    def all(self) -> list[Node]:
        """Every input, in the order of the graph."""

    def attend(self, query: Node, key: Node, value: Node, heads: Heads) -> Node:
        """[tokens, query heads * width of a value], of query [tokens, query heads * width], key [tokens, `heads.keys` *
        width] and value [tokens, `heads.keys` * width of a value]."""


class PagedInputs:
    """The inputs for a batch and the KV cache: new tokens attend to the keys and values in the cache's blocks."""

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
        """See `AttentionInputs`."""
        if not heads.cap:
            return self._attend(query, key, value, heads)
        # The shortest window: only the written keys and values matter.
        written = self._attend(query, key, value, replace(heads, window=1))
        count = _width(query) // heads.width
        capped = CappedHeads(count, heads.keys, heads.width, heads.scale, heads.cap, heads.window)
        return capped_attention(query, self._caches[-2:], self._batch, written, capped)

    def _attend(self, query: Node, key: Node, value: Node, heads: Heads) -> Node:
        caches = self._own_caches() if heads.cache is None else self._caches[2 * heads.cache : 2 * heads.cache + 2]
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
        info["k_head_size"] = heads.width
        info["v_head_size"] = _width(value) // heads.keys
        return reshape(node.output(0), 0, _width(query) // heads.width * (_width(value) // heads.keys))

    def _own_caches(self) -> list[Node]:
        """Of keys and of values. The plugin chooses their type and shape (KV_CACHE_PRECISION)."""
        layer = len(self._caches) // 2
        caches = [parameter(f"{kind}_cache.{layer}", [-1] * 4, ov.Type.dynamic) for kind in ("key", "value")]
        self._caches += caches
        return caches


def _width(x: Node) -> int:
    """Channels of all heads."""
    return int(x.get_output_partial_shape(0)[1].get_length())


class PaddedInputs:
    """The inputs for a batch of whole sequences, padded on the right to one length, without a KV cache.

    `causal`: a token attends to those before it; else to all of its sequence, and `mask` [sequences, 1, 1, length] is
    added to the logits of keys: 0, or -inf for padding. Causal attention needs no mask, since padding comes last. A
    window of n tokens ends at the token itself in causal attention, and else has it in its middle.
    """

    def __init__(self, *, causal: bool) -> None:
        self.position_ids = parameter("position_ids", [-1], ov.Type.i64)
        self.rows = parameter("rows", [-1], ov.Type.i32)
        self._mask = parameter("mask", [-1, 1, 1, -1], ov.Type.f32)
        self._causal = causal
        self._sequences = ops.slice(ops.shape_of(self._mask), *map(integers, (0, 1, 1)))
        self._window_masks: dict[int, Node] = {}

    def all(self) -> list[Node]:
        """Every input, in the order of the graph."""
        return [self.position_ids, self.rows, self._mask]

    def attend(self, query: Node, key: Node, value: Node, heads: Heads) -> Node:
        """See `AttentionInputs`. Raises `ModelFileError` for sinks and caps."""
        if heads.sinks is not None or heads.cap:
            raise ModelFileError("its attention has sinks or a soft cap, which embeddings do not support")
        width = query.get_output_partial_shape(0)[1].get_length()
        groups = width // heads.width // heads.keys
        inputs = [self._by_head(query, heads.width), *(self._by_head(x, heads.width, groups) for x in (key, value))]
        if self._causal and not heads.window:
            node = ops.scaled_dot_product_attention(*inputs, scale=number(heads.scale), causal=True)
        else:
            mask = self._window_mask(heads.window) if heads.window else self._mask
            node = ops.scaled_dot_product_attention(*inputs, mask, number(heads.scale))
        return reshape(ops.transpose(node, integers(0, 2, 1, 3)), -1, width)

    def _window_mask(self, window: int) -> Node:
        """The mask of layers with that window: [sequences, 1, length, length]."""
        if window not in self._window_masks:
            length = ops.squeeze(ops.slice(ops.shape_of(self._mask), *map(integers, (3, 4, 1))), integers(0))
            places = ops.range(ops.constant(np.int64(0)), length, ops.constant(np.int64(1)), "i64")
            ahead = ops.subtract(ops.unsqueeze(places, integers(0)), ops.unsqueeze(places, integers(1)))
            first, last = (1 - window, 0) if self._causal else (-(window // 2), window // 2)
            outside = ops.logical_or(ops.less(ahead, integers(first)), ops.greater(ahead, integers(last)))
            # Finite, because a padding row without other keys would become NaN and spoil the next layer's values.
            far = ops.select(outside, number(_OUTSIDE), number(0.0))
            self._window_masks[window] = ops.add(self._mask, ops.unsqueeze(far, integers(0, 1)))
        return self._window_masks[window]

    def _by_head(self, x: Node, width: int, groups: int = 1) -> Node:
        """[tokens, heads * width] to [sequences, heads * groups, length, width]: each head for a group of queries."""
        heads = x.get_output_partial_shape(0)[1].get_length() // width
        x = ops.reshape(x, ops.concat([self._sequences, integers(-1, heads, width)], 0), False)
        x = ops.transpose(x, integers(0, 2, 1, 3))
        if groups == 1:
            return x
        repeated = ops.tile(ops.unsqueeze(x, integers(2)), integers(1, 1, groups, 1, 1))
        return reshape(repeated, 0, heads * groups, -1, width)
