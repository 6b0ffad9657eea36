"""EXAONE 4."""

from forefront.graph.decoder import Decoder
from forefront.graph.rope import Rotation


class Exaone4(Decoder):
    """Norms behind each part. In the model of 32 B, three of four layers have a window, and the fourth no positions."""

    layer = Decoder.post_normed_layer
    window_period = 4
    _large = 64  # layers of the model that has windows

    def has_window(self, n: int) -> bool:
        """In the large model alone."""
        return self.layers == self._large and super().has_window(n)

    def rotation_of(self, n: int) -> Rotation | None:
        """None in layers without a window, if there are others."""
        return self.rotation if self.has_window(n) or self.layers != self._large else None
