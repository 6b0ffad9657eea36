"""Attention with a soft cap over the KV cache: a logit x becomes cap * tanh(x / cap), as in Gemma 2.

OpenVINO's paged attention has no input for a cap. Here it only writes keys and values into the cache. The blocks of all
sequences are read as they lie there, and a loop over the sequences computes with those of each in plain operations.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from forefront.engine.model.openvino_import import ops, ov
from forefront.graph.operations import Node, integers, number, reshape

# The logit of a token outside the window.
_OUTSIDE: Final = -1e30


@dataclass(frozen=True, slots=True)
class CappedHeads:
    """Of one layer: heads of queries and of keys, channels of one, factor and cap of logits, and the window; 0 for
    all."""

    queries: int
    keys: int
    width: int
    scale: float
    cap: float
    window: int


def capped_attention(
    query: Node, caches: Sequence[Node], batch: Sequence[Node], written: Node, heads: CappedHeads
) -> Node:
    """[tokens, heads * width], of queries in that shape. `caches`: keys and values [blocks, heads, tokens of a block,
    width]. `batch`: `past_lens`, `subsequence_begins`, `block_indices`, `block_indices_begins`. `written`: the output
    of the operation that writes the new tokens' keys and values."""
    past, begins, blocks, block_begins = batch
    # Reading must follow writing: a comparison that is never true makes the block indices depend on the output of the
    # write.
    first = ops.slice(reshape(written, -1), integers(0), integers(1), integers(1), integers(0))
    blocks = ops.add(blocks, ops.convert(ops.less(first, number(-np.inf)), ov.Type.i32))
    # Outside the loop, which would copy whole caches as its inputs.
    used = [ops.gather(cache, blocks, _integer(0)) for cache in caches]
    inputs = [query, *used, past, begins, block_begins]
    parameters = [ops.parameter(node.get_output_partial_shape(0), node.get_output_element_type(0)) for node in inputs]
    sequence = ops.parameter([], ov.Type.i32)
    before = ops.parameter([-1, heads.queries * heads.width], ov.Type.f32)
    after = ops.concat([before, _of_sequence(sequence, parameters, heads)], 0)
    always = ops.constant(np.array(True))
    body = ov.Model([after, always], [sequence, *parameters, before], "sequence")
    loop = ops.loop(ops.squeeze(ops.shape_of(past, "i32"), integers(0)), always)
    loop.set_function(body)
    loop.set_special_body_ports([0, 1])
    for parameter, node in zip(parameters, inputs, strict=True):
        loop.set_invariant_input(parameter, node.output(0))
    nothing = ops.constant(np.zeros((0, heads.queries * heads.width), np.float32))
    loop.set_merged_input(before, nothing.output(0), after.output(0))
    return reshape(ops.add(loop.get_iter_value(after.output(0), -1), number(0.0)), -1, heads.queries * heads.width)


def _of_sequence(sequence: Node, inputs: Sequence[Node], heads: CappedHeads) -> Node:
    """The attention of one sequence's new tokens."""
    query, keys, values, past, begins, block_begins = inputs
    key, value = (_by_head(_part(blocks, block_begins, sequence), heads) for blocks in (keys, values))
    own = reshape(_part(query, begins, sequence), -1, heads.keys, heads.queries // heads.keys, heads.width)
    count, length = _size(own, 0), _size(key, 1)
    own = reshape(ops.transpose(own, integers(1, 2, 0, 3)), heads.keys, -1, heads.width)
    logits = ops.tanh(ops.matmul(ops.multiply(own, number(heads.scale / heads.cap)), key, False, True))
    logits = _reshaped(ops.multiply(logits, number(heads.cap)), [heads.keys, -1], count, length)
    places = ops.add(_up_to(count), _at(past, sequence))
    ahead = ops.subtract(ops.unsqueeze(_up_to(length), integers(0)), ops.unsqueeze(places, integers(1)))
    hidden = ops.greater(ahead, _integer(0))
    if heads.window:
        hidden = ops.logical_or(hidden, ops.less_equal(ahead, _integer(-heads.window)))
    # After the last token, blocks contain stale memory, possibly NaN.
    weights = ops.softmax(ops.select(hidden, number(_OUTSIDE), logits), -1)
    is_unused = ops.greater(_up_to(length), _at(places, _integer(-1)))
    value = ops.select(ops.unsqueeze(is_unused, integers(1)), number(0.0), value)
    mixed = ops.matmul(_reshaped(weights, [heads.keys, -1], length), value, False, False)
    mixed = _reshaped(mixed, [heads.keys, heads.queries // heads.keys, -1], _vector(heads.width))
    return reshape(ops.transpose(mixed, integers(2, 0, 1, 3)), -1, heads.queries * heads.width)


def _by_head(blocks: Node, heads: CappedHeads) -> Node:
    """[blocks, heads of keys, tokens of a block, width] as [heads of keys, tokens, width]."""
    found = ops.transpose(ops.convert(blocks, ov.Type.f32), integers(1, 0, 2, 3))
    return reshape(found, heads.keys, -1, heads.width)


def _part(x: Node, begins: Node, n: Node) -> Node:
    """Of the rows x those from the n-th of `begins` to the next."""
    ends = [reshape(_at(begins, place), 1) for place in (n, ops.add(n, _integer(1)))]
    return ops.slice(x, *ends, _vector(1), _vector(0))


def _at(x: Node, n: Node) -> Node:
    return ops.gather(x, n, _integer(0))


def _size(x: Node, axis: int) -> Node:
    return ops.gather(ops.shape_of(x, "i32"), _integer(axis), _integer(0))


def _up_to(count: Node) -> Node:
    return ops.range(_integer(0), count, _integer(1), "i32")


def _reshaped(x: Node, first: list[int], *others: Node) -> Node:
    return ops.reshape(x, ops.concat([_vector(*first), *(reshape(size, 1) for size in others)], 0), False)


def _integer(n: int) -> Node:
    return ops.constant(np.int32(n))


def _vector(*sizes: int) -> Node:
    return ops.constant(np.array(sizes, np.int32))
