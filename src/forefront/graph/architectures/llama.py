"""Llama, and models with the same computation."""

from forefront.graph.decoder import Decoder


class Llama(Decoder):
    """Llama 2 to 3.3, Mistral, SmolLM 2, Falcon 3, InternLM 3."""

    interleaved = True
