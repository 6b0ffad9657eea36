"""GLM."""

from forefront.graph.decoder import Decoder


class ChatGlm(Decoder):
    """GLM 4 9B of 2024, and ChatGLM 3: rotary positions on half of each head."""

    interleaved = True


class Glm4(Decoder):
    """GLM 4, dense: norms before and after each part; rotary positions on half of each head."""

    interleaved = True
    sections_in_halves = True
    layer = Decoder.post_normed_layer
