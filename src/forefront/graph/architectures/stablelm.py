"""StableLM."""

from forefront.engine.model.openvino_import import ops
from forefront.graph.decoder import Decoder
from forefront.graph.operations import Node, floats, layer_norm, reshape


class StableLm(Decoder):
    """StableLM 2 and 3B. The 12B has norms of queries and keys, and both parts of a layer after one norm."""

    layer_norms = True

    def layer(self, n: int, x: Node) -> Node:
        """In parallel where the file has no second norm."""
        if self.weights.has(f"blk.{n}.ffn_norm.weight"):
            return super().layer(n, x)
        return self.parallel_layer(n, x)

    def head_norm(self, x: Node, name: str, heads: int) -> Node:
        """LayerNorm without a bias, with weights of each head's own."""
        x = reshape(x, 0, heads, 1, self.head_width)
        if not self.weights.has(f"{name}.weight"):
            return x
        weight = self.weights.tensor(f"{name}.weight", [heads, self.head_width]).floats()[:, self.channels]
        return ops.multiply(layer_norm(x, None, None, self.epsilon), floats(weight.reshape(1, heads, 1, -1)))
