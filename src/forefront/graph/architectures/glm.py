"""GLM."""

from forefront.graph.decoder import Decoder


class Glm4(Decoder):
    """GLM 4, dense: norms before and after each part; half of a head turns."""

    interleaved = True
    layer = Decoder.post_normed_layer
