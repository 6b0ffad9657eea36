"""StarCoder."""

from forefront.graph.decoder import Decoder
from forefront.graph.operations import gelu


class StarCoder2(Decoder):
    """StarCoder 2: biases everywhere, and a feed-forward network without a gate."""

    layer_norms = True
    gated = False
    activation = staticmethod(gelu)
