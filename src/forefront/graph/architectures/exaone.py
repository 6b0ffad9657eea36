"""EXAONE 4."""

from forefront.graph.decoder import Decoder
from forefront.graph.rope import Rotation


class Exaone4(Decoder):
    """Norms behind each part. Of the large model, every fourth layer sees the whole context and has no positions."""

    layer = Decoder.post_normed_layer
    window_period = 4

    def rotation_of(self, n: int) -> Rotation | None:
        """None in layers without a window, if there are others."""
        return self.rotation if self.has_window(n) or self.window == 0 else None
