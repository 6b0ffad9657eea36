"""EXAONE 4."""

from forefront.graph.decoder import Decoder
from forefront.graph.rope import Rotation


class Exaone4(Decoder):
    """Norms after each part. In the model of 32 B, three of four layers have a window, and the fourth no positions."""

    layer = Decoder.post_normed_layer
    window_period = 4
    _large = 64  # layers of the model that has windows

    def windowed_layers(self) -> list[bool]:
        """Only in the large model, unless the file lists them."""
        if self.layers == self._large or self.settings.is_list("attention.sliding_window_pattern"):
            return super().windowed_layers()
        return [False] * self.layers

    def rotation_of(self, n: int) -> Rotation | None:
        """None in layers without a window, if there are others."""
        return self.rotation if self.has_window(n) or not any(self.windowed) else None
