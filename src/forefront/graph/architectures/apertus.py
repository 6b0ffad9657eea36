"""Apertus."""

import math

from forefront.engine.model.openvino_import import ops
from forefront.graph.attention import AttentionInputs
from forefront.graph.decoder import Decoder
from forefront.graph.operations import Node, number, scaled
from forefront.graph.packing.weights import Weights
from forefront.graph.settings import Settings


class Apertus(Decoder):
    """A feed-forward network without a gate, and the activation xIELU (Huang & Schlag 2024) with numbers of each
    layer's own."""

    gated = False
    further_settings = frozenset(f"xielu.{name}" for name in ("alpha_p", "alpha_n", "beta", "eps"))

    def __init__(self, settings: Settings, weights: Weights, inputs: AttentionInputs) -> None:
        super().__init__(settings, weights, inputs)
        self._activations = [
            settings.numbers_per_layer(f"xielu.{name}", self.layers) for name in ("alpha_p", "alpha_n", "beta", "eps")
        ]

    def feed_forward(self, n: int, x: Node) -> Node:
        """W_down(xIELU(W_up x))."""
        hidden = self.linear(x, f"blk.{n}.ffn_up", self.hidden_width[n])
        return self.linear(xielu(hidden, *(values[n] for values in self._activations)), f"blk.{n}.ffn_down", self.width)


def xielu(x: Node, alpha_p: float, alpha_n: float, beta: float, eps: float) -> Node:
    """a x² + b x for positive x, and (e^x - 1 - x) c + b x for others, where a and c - b are the softplus of the file's
    numbers."""
    squared = scaled(ops.multiply(x, x), _softplus(alpha_p))
    below = ops.subtract(ops.subtract(ops.exp(ops.minimum(x, number(eps))), number(1)), x)
    curve = ops.select(ops.greater(x, number(0)), squared, scaled(below, beta + _softplus(alpha_n)))
    return ops.add(curve, scaled(x, beta))


def _softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))
