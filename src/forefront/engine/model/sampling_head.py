"""The last operations of a graph: top-k and log-sum-exp of each row of logits.

Python then reads n x 64 numbers instead of n x vocabulary.
"""

from typing import Final

import numpy as np

from forefront.engine.model.openvino_import import ops, ov
from forefront.engine.model.paged_graph import PagedGraph, parameter

TOP_TOKENS: Final = 64
# Values per chunk in the first stage of top-k, in order of preference.
_CHUNKS: Final = (64, 128, 32, 96, 48, 16)
# Smaller vocabularies are not worth two stages.
_TWO_STAGES: Final = 8192


def add_sampling_head(graph: PagedGraph) -> ov.Model:
    """The graph with the further input `temperatures` [rows, 1] and the outputs logits [rows, vocabulary], the largest
    `TOP_TOKENS` of each row, their tokens, and log-sum-exp of logits / temperature [rows, 1]."""
    logits = graph.model.get_results()[0].input_value(0)
    temperatures = parameter("temperatures", [-1, 1], ov.Type.f32)
    values, tokens = _top(logits, graph.vocabulary_size)
    # The largest logit keeps the exponentials finite. It is known from top-k, which saves a pass over the row.
    peak = ops.slice(values, _shape(0), _shape(1), _shape(1), _shape(1))
    spread = ops.exp(ops.divide(ops.subtract(logits, peak), temperatures))
    log_sum = ops.add(ops.log(ops.reduce_sum(spread, _shape(-1), True)), ops.divide(peak, temperatures))
    outputs = [logits, values, tokens, log_sum.output(0)]
    inputs = [*graph.model.get_parameters(), temperatures]
    return ov.Model([ops.result(output) for output in outputs], inputs, "sampled")


def _top(logits: ov.Output, vocabulary: int) -> tuple[ov.Output, ov.Output]:
    """The largest values of each row and their tokens, exactly. A large vocabulary takes two stages: its 64 largest
    values lie in the 64 chunks with the largest maxima, and sorting chunks is less work than sorting tokens."""
    chunk = next((size for size in _CHUNKS if vocabulary % size == 0), None)
    if vocabulary < _TWO_STAGES or chunk is None:
        top = _topk(logits, min(TOP_TOKENS, vocabulary))
        return top.output(0), top.output(1)
    chunks = ops.reshape(logits, _shape(0, vocabulary // chunk, chunk), True)
    best = _topk(ops.reduce_max(chunks, _shape(2), False), TOP_TOKENS).output(1)
    candidates = ops.reshape(ops.gather(chunks, best, _shape(1), 1), _shape(0, TOP_TOKENS * chunk), True)
    top = _topk(candidates, TOP_TOKENS)
    size = ops.constant(np.int32(chunk))
    place = top.output(1)
    first = ops.gather_elements(best, ops.divide(place, size), 1)
    tokens = ops.add(ops.multiply(first, size), ops.mod(place, size))
    return top.output(0), tokens.output(0)


def _topk(values: ov.Node | ov.Output, count: int) -> ov.Node:
    # `stable` has no fast kernel: it cost two thirds of the throughput at 32 streams.
    return ops.topk(values, ops.constant(np.int64(count)), -1, "max", "value", ov.Type.i32)


def _shape(*values: int) -> ov.Node:
    return ops.constant(np.array(values, np.int64))
