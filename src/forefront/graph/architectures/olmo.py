"""OLMo."""

from forefront.graph.attention import AttentionInputs
from forefront.graph.decoder import Decoder
from forefront.graph.operations import Node, reshape, rms_norm
from forefront.graph.packing.weights import Weights
from forefront.graph.rope import Frequencies, Rotation, plain_frequencies
from forefront.graph.settings import Settings


class Olmo2(Decoder):
    """OLMo 2 and 3: norms after each part, and over all queries and keys together. OLMo 3 has windows."""

    layer = Decoder.post_normed_layer
    window_period = 4
    further_settings = frozenset({"rope.freq_base_swa"})

    def __init__(self, settings: Settings, weights: Weights, inputs: AttentionInputs) -> None:
        super().__init__(settings, weights, inputs)
        base = settings.number("rope.freq_base_swa", settings.number("rope.freq_base", 10000.0), at_least=1)
        near = Frequencies(plain_frequencies(self.rotated_width, base).astype("float32"))
        self.near_rotation = Rotation(self.inputs.position_ids, near, self.head_width)

    def rotation_of(self, n: int) -> Rotation:
        """Layers with a window have positions without scaling."""
        return self.near_rotation if self.has_window(n) else self.rotation

    def head_norm(self, x: Node, name: str, heads: int) -> Node:
        """One norm over all heads."""
        weight = self.weights.vector(f"{name}.weight", heads * self.head_width)
        normed = rms_norm(x, weight[self.head_order(heads)], self.epsilon)
        return reshape(normed, 0, heads, 1, self.head_width)
