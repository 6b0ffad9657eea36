"""Encoders with the layers of Llama: every token attends to those before and after it."""

from forefront.engine.embedding.embedding_graph import Pooling
from forefront.graph.architectures.llama import Llama
from forefront.graph.decoder import Decoder
from forefront.graph.operations import Node
from forefront.graph.pooling import pooling_of


class EuroBert(Decoder):
    """EuroBERT (Boizard et al. 2025), and Jina Embeddings 5."""

    def pooling(self) -> Pooling:
        """The pooling that the file declares, or the mean."""
        return pooling_of(self.settings) or Pooling.MEAN


class NeoBert(Llama):
    """NeoBERT (Le Breton et al. 2025): the norm of the output has another name."""

    def hidden_states(self, x: Node) -> Node:
        """The output of the last layer [rows, channels] after its norm."""
        for n in range(self.layers):
            x = self.layer(n, x)
        return self.norm(x, "enc.output_norm")

    def pooling(self) -> Pooling:
        """The pooling that the file declares, or the first token."""
        return pooling_of(self.settings) or Pooling.CLS


class LlamaEmbedding(Llama):
    """Llama Embed Nemotron."""

    def pooling(self) -> Pooling:
        """The pooling that the file declares, or the mean."""
        return pooling_of(self.settings) or Pooling.MEAN
