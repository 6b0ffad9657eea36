"""Phi."""

from forefront.graph.decoder import Decoder
from forefront.graph.operations import gelu


class Phi2(Decoder):
    """Phi 1.5 and 2: attention and feed-forward network in parallel, with biases."""

    layer_norms = True
    gated = False
    activation = staticmethod(gelu)
    layer = Decoder.parallel_layer


class Phi3(Decoder):
    """Phi 3, 3.5 and 4. Matrices are stored joined, and some models rotate part of a head or have two sets of factors
    for positions ("longrope"), of which the one for the whole context is used. A window applies to every layer."""

    def windowed_layers(self) -> list[bool]:
        """All, unless the file lists them or the window is as long as the context."""
        if self.settings.is_list("attention.sliding_window_pattern"):
            return super().windowed_layers()
        return [self.window < self.settings.context_length] * self.layers
