"""Qwen."""

from forefront.graph.decoder import Decoder


class Qwen(Decoder):
    """Qwen 2 and 2.5 have biases in attention, Qwen 3 norms of queries and keys. Both apply where the file has them.

    The models that see images, Qwen 2 VL to 3 VL, compute alike for text: its positions are the same in all dimensions.
    """
