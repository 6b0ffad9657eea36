"""Nemotron, and Arcee's AFM."""

from forefront.graph.decoder import Decoder
from forefront.graph.operations import squared_relu


class Nemotron(Decoder):
    """Nemotron 4 and Minitron."""

    layer_norms = True
    gated = False
    activation = staticmethod(squared_relu)


class Arcee(Decoder):
    """AFM."""

    interleaved = True
    gated = False
    activation = staticmethod(squared_relu)
