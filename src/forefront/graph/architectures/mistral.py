"""Mistral."""

from forefront.engine.model.openvino_import import ops, ov
from forefront.graph.architectures.llama import Llama
from forefront.graph.attention import AttentionInputs
from forefront.graph.errors import ModelFileError
from forefront.graph.operations import Node, integers, number, scaled
from forefront.graph.packing.weights import Weights
from forefront.graph.settings import Settings


class Mistral3(Llama):
    """Ministral 3 and Mistral Small 3.1: beyond the original context, queries grow with the logarithm of their
    position."""

    further_settings = frozenset({"attention.temperature_scale"})

    def __init__(self, settings: Settings, weights: Weights, inputs: AttentionInputs) -> None:
        super().__init__(settings, weights, inputs)
        scale = settings.number("attention.temperature_scale", 0.0)
        original = settings.integer("rope.scaling.original_context_length", 0)
        if scale and not original:
            raise ModelFileError("its attention has a temperature_scale, but its positions have no original context")
        self._temperature = self._temperatures(scale, original) if scale else None

    def queries_keys_values(self, n: int, x: Node) -> list[Node]:
        """As usual, with queries multiplied by 1 + scale * log(1 + ⌊position / original⌋)."""
        query, key, value = super().queries_keys_values(n, x)
        return [query if self._temperature is None else ops.multiply(query, self._temperature), key, value]

    def _temperatures(self, scale: float, original: int) -> Node:
        """[tokens, 1]."""
        contexts = ops.convert(ops.divide(self.inputs.position_ids, integers(original)), ov.Type.f32)
        factors = ops.add(scaled(ops.log(ops.add(contexts, number(1))), scale), number(1))
        return ops.unsqueeze(factors, integers(1))
