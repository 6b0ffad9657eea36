"""Hunyuan."""

from forefront.graph.decoder import Decoder
from forefront.graph.operations import Node, reshape


class HunyuanDense(Decoder):
    """Queries and keys are normed after they have been rotated."""

    def prepared(self, n: int, x: Node, norm: str, heads: int) -> Node:
        """Turned first."""
        rotated = self.rotated(n, reshape(x, 0, heads, 1, self.head_width))
        return self.joined(self.head_norm(rotated, norm, heads))
