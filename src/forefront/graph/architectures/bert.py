"""BERT and its relatives: encoders, in which every token attends to all others (Devlin et al. 2018)."""

from typing import Final

from forefront.engine.embedding.embedding_graph import InputEmbedding, Pooling
from forefront.engine.model.openvino_import import ops
from forefront.graph.decoder import Decoder
from forefront.graph.errors import ModelFileError
from forefront.graph.operations import Node, silu
from forefront.graph.packing.weights import EmbeddingTable
from forefront.graph.pooling import pooling_of
from forefront.graph.rope import Rotation

_MAX_SEGMENTS: Final = 16


def exact_gelu(x: Node) -> Node:
    """GELU by the error function."""
    return ops.gelu(x, "erf")


class Bert(Decoder):
    """BERT, RoBERTa and XLM-RoBERTa: learned positions, norms after each part, biases everywhere."""

    layer_norms = True
    gated = False
    activation = staticmethod(exact_gelu)
    learned_positions = True

    def input_embedding(self) -> InputEmbedding:
        """The embeddings of tokens, positions and segments."""
        weights, positions, segments = self.weights, None, None
        if self.learned_positions:
            positions = weights.matrix_tensor("position_embd.weight", self.width).floats()
            if len(positions) < self.settings.context_length:
                raise ModelFileError(
                    f"it has {len(positions)} positions for a context of {self.settings.context_length}"
                )
        if weights.has("token_types.weight"):
            segments = weights.matrix_tensor("token_types.weight", self.width).floats()
            if len(segments) > _MAX_SEGMENTS:
                raise ModelFileError(f"it has {len(segments)} kinds of segments; {_MAX_SEGMENTS} are the most")
        table = weights.matrix_tensor("token_embd.weight", self.width)
        return InputEmbedding(EmbeddingTable(table), positions, segments)

    def pooling(self) -> Pooling:
        """The pooling that the file declares, or the mean."""
        return pooling_of(self.settings) or Pooling.MEAN

    def hidden_states(self, x: Node) -> Node:
        """The output of the last layer [rows, channels], of the embeddings x [tokens, channels]."""
        x = self.norm(x, "token_embd_norm")
        for n in range(self.layers):
            x = self.layer(n, x)
        return x

    def layer(self, n: int, x: Node) -> Node:
        """Attention and a feed-forward network, each added to its input and normed."""
        x = self.norm(self.add(self.output_rows(n, x), self.attention(n, x)), f"blk.{n}.attn_output_norm")
        return self.norm(self.add(x, self.feed_forward(n, x)), f"blk.{n}.layer_output_norm")

    def rotation_of(self, _n: int) -> Rotation | None:
        """Positions are added to the embeddings."""
        return None


class NomicBert(Bert):
    """Rotary positions and a gated feed-forward network, without biases."""

    gated = True
    activation = staticmethod(silu)
    learned_positions = False

    rotation_of = Decoder.rotation_of


class JinaBert3(Bert):
    """BERT with rotary positions. Its adapters for single tasks are files of their own, which are not applied."""

    learned_positions = False

    rotation_of = Decoder.rotation_of
