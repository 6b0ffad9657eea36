"""Gemma."""

from forefront.graph.attention import Heads
from forefront.graph.decoder import Decoder, gelu
from forefront.graph.operations import Node
from forefront.graph.rope import Frequencies, Rotation, plain_frequencies
from forefront.graph.settings import Settings
from forefront.graph.weights import Weights


class Gemma(Decoder):
    """The first Gemma. Norm weights include the 1 that the paper adds."""

    activation = staticmethod(gelu)

    def __init__(self, settings: Settings, weights: Weights) -> None:
        super().__init__(settings, weights)
        self.embedding_scale = self.width**0.5


class Gemma3(Gemma):
    """Five layers with a window for each without; norms before and after each part."""

    period = 6

    def __init__(self, settings: Settings, weights: Weights) -> None:
        super().__init__(settings, weights)
        self.window = settings.integer("attention.sliding_window", 0)
        if self.layers == 62:  # 27B, whose queries are scaled by the width that each head would have of the embedding
            self.scale = (self.width / self.heads[0]) ** -0.5
        base = settings.number("rope.freq_base_swa", 10000.0, at_least=1)
        near = Frequencies(plain_frequencies(self.head_width, base).astype("float32"))
        self.near_rotation = Rotation(self.inputs.position_ids, near, self.head_width)

    def is_near(self, n: int) -> bool:
        """Whether a layer has a window."""
        return self.window > 0 and n % self.period != self.period - 1

    def layer(self, n: int, x: Node) -> Node:
        """As usual, with a norm behind each part too."""
        attended = self.attention(n, self.norm(x, f"blk.{n}.attn_norm"))
        x = self.add(self.wanted(n, x), self.norm(attended, f"blk.{n}.post_attention_norm"))
        computed = self.feed_forward(n, self.norm(x, f"blk.{n}.ffn_norm"))
        return self.add(x, self.norm(computed, f"blk.{n}.post_ffw_norm"))

    def rotation_of(self, n: int) -> Rotation:
        """Layers with a window turn faster."""
        return self.near_rotation if self.is_near(n) else self.rotation

    def attention_heads(self, n: int) -> Heads:
        """With a window in most layers."""
        return Heads(self.key_heads[n], self.head_width, self.scale, self.window if self.is_near(n) else 0)
