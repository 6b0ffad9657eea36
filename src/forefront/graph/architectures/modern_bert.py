"""ModernBERT (Warner et al. 2024)."""

from typing import Final

from forefront.engine.embedding.embedding_graph import Pooling
from forefront.graph.architectures.bert import exact_gelu
from forefront.graph.attention import AttentionInputs
from forefront.graph.decoder import Decoder
from forefront.graph.errors import ModelFileError
from forefront.graph.operations import Node, silu
from forefront.graph.packing.weights import Weights
from forefront.graph.pooling import pooling_of
from forefront.graph.rope import Frequencies, Rotation, plain_frequencies
from forefront.graph.settings import Settings

_PERIOD = 3
_ACTIVATIONS: Final = {"gelu": exact_gelu, "geglu": exact_gelu, "silu": silu, "swiglu": silu}


class ModernBert(Decoder):
    """An encoder with rotary positions, pre-norms, a gated feed-forward network, and two layers with a window for each
    layer without one."""

    layer_norms = True
    further_settings = frozenset({"rope.freq_base_swa", "hidden_activation"})

    def __init__(self, settings: Settings, weights: Weights, inputs: AttentionInputs) -> None:
        super().__init__(settings, weights, inputs)
        base = settings.number("rope.freq_base_swa", 10000.0, at_least=1)
        near = Frequencies(plain_frequencies(self.rotated_width, base).astype("float32"))
        self.near_rotation = Rotation(self.inputs.position_ids, near, self.head_width)
        activation = settings.text("hidden_activation", "gelu")
        if activation not in _ACTIVATIONS:
            raise ModelFileError(f"its activation {activation[:40]!r} is not supported for its architecture")
        self.activation = _ACTIVATIONS[activation]

    def hidden_states(self, x: Node) -> Node:
        """The output of the last layer [rows, channels] after its norm. The first layer has no norm before its
        attention: the embeddings are normed."""
        return super().hidden_states(self.norm(x, "token_embd_norm"))

    def layer(self, n: int, x: Node) -> Node:
        """Attention and a feed-forward network, each after a norm and added to its input."""
        x = self.add(self.output_rows(n, x), self.attention(n, self.optional_norm(x, f"blk.{n}.attn_norm")))
        return self.add(x, self.feed_forward(n, self.norm(x, f"blk.{n}.ffn_norm")))

    def pooling(self) -> Pooling:
        """The pooling that the file declares, or the mean."""
        return pooling_of(self.settings) or Pooling.MEAN

    def rotation_of(self, n: int) -> Rotation:
        """Layers with a window have faster rotary positions."""
        return self.near_rotation if self.has_window(n) else self.rotation

    def windowed_layers(self) -> list[bool]:
        """All but every third, beginning with the first."""
        if self.settings.is_list("attention.sliding_window_pattern"):
            return super().windowed_layers()
        period = self.settings.integer("attention.sliding_window_pattern", _PERIOD, at_least=1)
        return [n % period != 0 for n in range(self.layers)]
