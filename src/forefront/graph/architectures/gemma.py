"""Gemma."""

from forefront.engine.embedding.embedding_graph import Pooling
from forefront.graph.attention import AttentionInputs
from forefront.graph.decoder import Decoder
from forefront.graph.operations import gelu
from forefront.graph.packing.weights import Weights
from forefront.graph.pooling import pooling_of
from forefront.graph.rope import Frequencies, Rotation, plain_frequencies
from forefront.graph.settings import Settings


class Gemma(Decoder):
    """The first Gemma. Norm weights include the 1 that the paper adds."""

    activation = staticmethod(gelu)

    def __init__(self, settings: Settings, weights: Weights, inputs: AttentionInputs) -> None:
        super().__init__(settings, weights, inputs)
        self.embedding_scale = self.width**0.5


class Gemma2(Gemma):
    """Every second layer with a window, soft caps of logits, and norms before and after each part."""

    window_period = 2
    further_settings = frozenset({"attn_logit_softcapping"})
    usual_final_cap = 30.0
    usual_attention_cap = 50.0
    layer = Decoder.post_normed_layer

    def __init__(self, settings: Settings, weights: Weights, inputs: AttentionInputs) -> None:
        super().__init__(settings, weights, inputs)
        if self.layers == 46 and not settings.has("attention.scale"):  # 27B, as that of Gemma 3
            self.scale = (self.width / self.heads[0]) ** -0.5
        # The first files of this architecture state neither cap nor window.
        self.attention_cap = settings.number("attn_logit_softcapping", self.usual_attention_cap, at_least=0)
        self.window = settings.integer("attention.sliding_window", 4096)
        self.windowed = self.windowed_layers() if self.window else self.windowed


class Gemma3(Gemma):
    """Five layers with a window for each layer without one; norms before and after each part."""

    window_period = 6
    further_settings = frozenset({"rope.freq_base_swa"})

    def __init__(self, settings: Settings, weights: Weights, inputs: AttentionInputs) -> None:
        super().__init__(settings, weights, inputs)
        if self.layers == 62 and not settings.has(
            "attention.scale"
        ):  # 27B, whose queries are scaled by the width that each head would have of the embedding
            self.scale = (self.width / self.heads[0]) ** -0.5
        base = settings.number("rope.freq_base_swa", 10000.0, at_least=1)
        near = Frequencies(plain_frequencies(self.rotated_width, base).astype("float32"))
        self.near_rotation = Rotation(self.inputs.position_ids, near, self.head_width)

    layer = Decoder.post_normed_layer

    def rotation_of(self, n: int) -> Rotation:
        """Layers with a window have faster rotary positions."""
        return self.near_rotation if self.has_window(n) else self.rotation


class GemmaEmbedding(Gemma3):
    """Gemma 3 as an encoder: every token attends to those before and after it."""

    def pooling(self) -> Pooling:
        """The pooling that the file declares, or the mean."""
        return pooling_of(self.settings) or Pooling.MEAN
