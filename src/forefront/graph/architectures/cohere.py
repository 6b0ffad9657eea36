"""Cohere's Command R."""

from forefront.graph.architectures.stablelm import StableLm
from forefront.graph.attention import AttentionInputs
from forefront.graph.decoder import Decoder
from forefront.graph.packing.weights import Weights
from forefront.graph.rope import Rotation
from forefront.graph.settings import Settings


class CommandR(StableLm):
    """Command R and R+: attention and feed-forward network in parallel, LayerNorm without bias."""

    interleaved = True
    layer = Decoder.parallel_layer
    further_settings = frozenset({"logit_scale"})

    def __init__(self, settings: Settings, weights: Weights, inputs: AttentionInputs) -> None:
        super().__init__(settings, weights, inputs)
        self.logit_scale = settings.number("logit_scale", 0.0) or 1.0


class Cohere2(CommandR):
    """Command R7B and A: every fourth layer sees the whole context and has no positions."""

    window_period = 4

    def rotation_of(self, n: int) -> Rotation | None:
        """None in layers without a window."""
        return self.rotation if self.has_window(n) else None
