"""A decoder-only transformer. Families in `architectures/` override their differences."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import ClassVar, Final

import numpy as np

from forefront.engine.embedding.embedding_graph import EmbeddingGraph, InputEmbedding, Pooling
from forefront.engine.model.openvino_import import ops, ov
from forefront.engine.model.paged_graph import Embed, PagedGraph, parameter
from forefront.graph.attention import AttentionInputs, Heads, cache_channels
from forefront.graph.errors import ModelFileError
from forefront.graph.model_file import Tensor
from forefront.graph.operations import (
    Node,
    SharedInputs,
    chosen_rows,
    floats,
    layer_norm,
    product,
    reshape,
    rms_norm,
    scaled,
    silu,
    soft_cap,
    split,
)
from forefront.graph.packing.pack import Rows
from forefront.graph.packing.weights import EmbeddingTable, Part, Weights
from forefront.graph.pooling import dense_layers, pooling_of, ranking_head, ranks
from forefront.graph.rope import Rotation, channel_order, read_frequencies
from forefront.graph.settings import Settings


def _has_sections(settings: Settings) -> bool:
    """Whether channels are divided among dimensions of positions."""
    sections = "rope.dimension_sections"
    return settings.is_list(sections) and min(settings.per_layer(sections, 2)) > 0


# Channels. The widest heads of known models have 512.
WIDEST_HEAD: Final = 1 << 14


class Decoder:
    """Builds the graph of one model. Layers are counted from 0; activations are [tokens, channels]."""

    # In a GGUF file, the pairs of channels of rotary positions are neighbours; otherwise they are in halves.
    interleaved: ClassVar[bool] = False
    # They are in halves in files with positions in several dimensions, as images have them. In a text all dimensions
    # are the same.
    sections_in_halves: ClassVar[bool] = False
    # LayerNorm in place of RMSNorm.
    layer_norms: ClassVar[bool] = False
    # The feed-forward network has a gate.
    gated: ClassVar[bool] = True
    activation: Callable[[Node], Node] = staticmethod(silu)
    # The period of layers with a window, if the file declares a window but not its layers: all but the last layer of
    # each period. 0: no layer.
    window_period: ClassVar[int] = 0
    # The soft cap of logits in files that do not state one.
    usual_final_cap: ClassVar[float] = 0.0
    # The soft cap of attention in files that do not state one; a graph with a cap reads the KV cache itself.
    usual_attention_cap: ClassVar[float] = 0.0
    # Settings that change results, beyond those that every family computes.
    further_settings: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, settings: Settings, weights: Weights, inputs: AttentionInputs) -> None:
        self.settings, self.weights = settings, weights
        self.layers = settings.layers
        if self.layers > weights.count:
            raise ModelFileError(f"its block_count is {self.layers}, but it has only {weights.count} tensors")
        self.width = settings.integer("embedding_length", at_least=1)
        self.heads = settings.per_layer("attention.head_count", self.layers)
        self.key_heads = settings.per_layer("attention.head_count_kv", self.layers, self.heads[0])
        self.hidden_width = settings.per_layer("feed_forward_length", self.layers)
        self.head_width = settings.integer("attention.key_length", self.width // max(1, self.heads[0]), at_least=1)
        self.epsilon = settings.number(f"attention.layer_norm_{'' if self.layer_norms else 'rms_'}epsilon", at_least=0)
        if self.head_width > WIDEST_HEAD:
            raise ModelFileError(f"its heads have {self.head_width} channels; {WIDEST_HEAD} are the most")
        self._check_heads()
        rotated = settings.integer("rope.dimension_count", self.head_width, at_least=2)
        if rotated % 2 or self.head_width % 2 or rotated > self.head_width:
            raise ModelFileError(f"its positions rotate {rotated} of the {self.head_width} channels of a head")
        self.rotated_width = rotated
        in_halves = self.sections_in_halves and _has_sections(settings)
        interleaved = settings.flag("rope.interleaved", self.interleaved and not in_halves)
        self.channels = channel_order(self.head_width, rotated, interleaved)
        self.frequencies = read_frequencies(settings, weights, rotated)
        self.scale = settings.number("attention.scale", 0.0) or self.head_width**-0.5
        self.window = settings.integer("attention.sliding_window", 0)
        self.windowed = self.windowed_layers() if self.window else [False] * self.layers
        self.embedding_scale = self.residual_scale = self.logit_scale = 1.0
        self.attention_cap = 0.0
        self.inputs = inputs
        self.rotation = Rotation(self.inputs.position_ids, self.frequencies, self.head_width)
        self._shared_inputs = SharedInputs()

    # The whole model.

    @staticmethod
    def cache_channels(settings: Settings) -> int:
        """Channels of keys and values in the KV cache, per token, over all layers. Raises `ModelFileError`."""
        return cache_channels(settings)

    def build(self) -> PagedGraph:
        """Raises `ModelFileError`."""
        embed, vocabulary = self.embed(), self.table.shape[0]
        embeddings = parameter("embeddings", [-1, self.input_width], ov.Type.f32)
        logits = self.logits(self.hidden_states(embeddings), vocabulary)
        logits.output(0).get_tensor().set_names({"logits"})
        model = ov.Model([ops.result(logits)], [embeddings, *self.inputs.all()], self.settings.architecture)
        return PagedGraph(model, vocabulary, embed, self.weights, reads_cache=self.attention_cap > 0)

    def build_embedding(self) -> EmbeddingGraph:
        """Raises `ModelFileError`."""
        embeddings = parameter("embeddings", [-1, self.input_width], ov.Type.f32)
        hidden = self.hidden_states(embeddings)
        hidden.output(0).get_tensor().set_names({"hidden_states"})
        model = ov.Model([ops.result(hidden)], [embeddings, *self.inputs.all()], self.settings.architecture)
        ranking = ranking_head(self.settings, self.weights, self.width) if ranks(self.settings) else None
        dense = dense_layers(self.settings, self.weights, self.width)
        width = len(dense[-1].weight) if dense else self.width
        embed, pooling = self.input_embedding(), self.pooling()
        return EmbeddingGraph(model, width, self.table.shape[0], embed, pooling, self.weights, ranking, dense)

    def input_embedding(self) -> InputEmbedding:
        """The embeddings of tokens, and in encoders of their positions."""
        return InputEmbedding(self.embed())

    @property
    def input_width(self) -> int:
        """Channels of what `embed` makes of a token."""
        return self.width

    def embed(self) -> Embed:
        """The embeddings of tokens."""
        return EmbeddingTable(self.table, self.embedding_scale)

    @cached_property
    def table(self) -> Tensor:
        """The embedding matrix [vocabulary, width]."""
        return self.weights.matrix_tensor("token_embd.weight", self.width)

    def pooling(self) -> Pooling:
        """The pooling that the file declares; without one, and for scores of pairs, the last token's hidden state."""
        return Pooling.LAST if ranks(self.settings) else pooling_of(self.settings) or Pooling.LAST

    def hidden_states(self, x: Node) -> Node:
        """The output of the last layer [rows, channels] after its norm, of what `embed` made [tokens, channels]."""
        for n in range(self.layers):
            x = self.layer(n, x)
        return self.norm(x, "output_norm")

    def logits(self, x: Node, vocabulary: int) -> Node:
        """The output projection; without its own matrix it is the embedding's."""
        name = "output" if self.weights.has("output.weight") else "token_embd"
        logits = scaled(self.linear(x, name, vocabulary), self.logit_scale)
        limit = self.settings.number("final_logit_softcapping", self.usual_final_cap)
        return soft_cap(logits, limit) if limit else logits

    # One layer.

    def layer(self, n: int, x: Node) -> Node:
        """Attention and a feed-forward network, each after a norm and added to its input."""
        x = self.add(self.output_rows(n, x), self.attention(n, self.norm(x, f"blk.{n}.attn_norm")))
        return self.add(x, self.feed_forward(n, self.norm(x, f"blk.{n}.ffn_norm")))

    def parallel_layer(self, n: int, x: Node) -> Node:
        """Attention and a feed-forward network after the same norm."""
        normed = self.norm(x, f"blk.{n}.attn_norm")
        x = self.add(self.output_rows(n, x), self.attention(n, normed))
        return self.add(x, self.feed_forward(n, self.output_rows(n, normed)))

    def post_normed_layer(self, n: int, x: Node) -> Node:
        """Norms after attention and feed-forward network, and before them where the file has such."""
        attended = self.attention(n, self.optional_norm(x, f"blk.{n}.attn_norm"))
        x = self.add(self.output_rows(n, x), self.norm(attended, f"blk.{n}.post_attention_norm"))
        computed = self.feed_forward(n, self.optional_norm(x, f"blk.{n}.ffn_norm"))
        return self.add(x, self.norm(computed, f"blk.{n}.post_ffw_norm"))

    def attention(self, n: int, x: Node) -> Node:
        """The attention output of the tokens that `output_rows` selects."""
        query, key, value = self.queries_keys_values(n, x)
        query = self.prepared(n, query, f"blk.{n}.attn_q_norm", self.heads[n])
        key = self.prepared(n, key, f"blk.{n}.attn_k_norm", self.key_heads[n])
        attended = self.inputs.attend(query, key, value, self.attention_heads(n))
        return self.linear(self.output_rows(n, attended), f"blk.{n}.attn_output", self.width)

    def feed_forward(self, n: int, x: Node) -> Node:
        """W_down(act(W_gate x) * W_up x) (Shazeer 2020), or W_down(act(W_up x)) in families that are not `gated`."""
        if self.gated:
            gate, up = self.gate_and_up(n, x)
            hidden = ops.multiply(self.activation(gate), up)
        else:
            hidden = self.activation(self.linear(x, f"blk.{n}.ffn_up", self.hidden_width[n]))
        return self.linear(hidden, f"blk.{n}.ffn_down", self.width)

    # Parts of a layer.

    def queries_keys_values(self, n: int, x: Node) -> list[Node]:
        """Projections [tokens, heads * width], with the channels of queries and keys in the graph's order."""
        sizes = [heads * self.head_width for heads in (self.heads[n], self.key_heads[n], self.key_heads[n])]
        orders = [self.head_order(self.heads[n]), self.head_order(self.key_heads[n]), np.arange(sizes[2])]
        if self.weights.has(f"blk.{n}.attn_qkv.weight"):
            starts = np.cumsum([0, *sizes[:2]])
            order = np.concatenate([start + order for start, order in zip(starts, orders, strict=True)])
            return split(self.linear(x, f"blk.{n}.attn_qkv", sum(sizes), order), sizes)
        return self.linears(x, [f"blk.{n}.attn_{part}" for part in "qkv"], sizes, [*orders[:2], None])

    def prepared(self, n: int, x: Node, norm: str, heads: int) -> Node:
        """Queries or keys, normed if the file has a norm for them, and rotated."""
        return self.joined(self.rotated(n, self.head_norm(x, norm, heads)))

    def head_norm(self, x: Node, name: str, heads: int) -> Node:
        """[tokens, heads, 1, channels], each head normed by itself if the file has the norm."""
        x = reshape(x, 0, heads, 1, self.head_width)
        weight = self.weights.optional_vector(f"{name}.weight", self.head_width)
        return x if weight is None else rms_norm(x, weight[self.channels], self.epsilon)

    def rotated(self, n: int, x: Node) -> Node:
        """Heads rotated by their positions, if the layer has such."""
        rotation = self.rotation_of(n)
        return x if rotation is None else rotation.rotate(x)

    def rotation_of(self, _n: int) -> Rotation | None:
        """The rotary positions of a layer."""
        return self.rotation

    def joined(self, x: Node) -> Node:
        """[tokens, heads, 1, channels] to [tokens, heads * channels]."""
        shape = x.get_output_partial_shape(0)
        return reshape(x, 0, shape[1].get_length() * shape[3].get_length())

    def has_attention(self, _n: int) -> bool:
        """Whether a layer has attention, and not something else in its place."""
        return True

    def has_window(self, n: int) -> bool:
        """Whether a layer sees only a window of the context."""
        return self.windowed[n]

    def windowed_layers(self) -> list[bool]:
        """Whether each layer sees only a window of the context, in a model that has a window."""
        return self.settings.windowed(self.layers, self.window_period)

    def attention_heads(self, n: int) -> Heads:
        """The properties of a layer's attention."""
        window = self.window if self.has_window(n) else 0
        return Heads(self.key_heads[n], self.head_width, self.scale, window, cap=self.attention_cap)

    def gate_and_up(self, n: int, x: Node) -> list[Node]:
        """Two matrices, or one with the gate's rows first. Always two products, because the plugin fuses the activation
        into the gate's."""
        size = self.hidden_width[n]
        if self.weights.has(f"blk.{n}.ffn_gate.weight"):
            return [self.linear(x, f"blk.{n}.ffn_{part}", size) for part in ("gate", "up")]
        halves = (np.arange(size), np.arange(size, 2 * size))
        return [self.linear(x, f"blk.{n}.ffn_up", 2 * size, half) for half in halves]

    # Shared steps.

    def norm(self, x: Node, name: str) -> Node:
        """The norm of that name in the file, over all channels."""
        size = x.get_output_partial_shape(0)[-1].get_length()
        weight = self.weights.vector(f"{name}.weight", size)
        if self.layer_norms:
            return layer_norm(x, weight, self.weights.optional_vector(f"{name}.bias", size), self.epsilon)
        return rms_norm(x, weight, self.epsilon)

    def optional_norm(self, x: Node, name: str) -> Node:
        """The same, or x itself if the file does not have the norm."""
        return self.norm(x, name) if self.weights.has(f"{name}.weight") else x

    def add(self, x: Node, y: Node) -> Node:
        """The output of a part of a layer, added to the residual stream x."""
        return ops.add(x, scaled(y, self.residual_scale))

    def output_rows(self, n: int, x: Node) -> Node:
        """Of the last layer, only the tokens whose logits are computed."""
        return chosen_rows(x, self.inputs.rows) if n == self.layers - 1 else x

    def linear(self, x: Node, name: str, outputs: int, rows: Rows | None = None) -> Node:
        """The product with one matrix, or chosen rows of it, and its bias if the file has one."""
        inputs = x.get_output_partial_shape(0)[-1].get_length()
        y = product(x, self.weights.matrix(Part(f"{name}.weight", rows), outputs, inputs), self._shared_inputs)
        bias = self.weights.optional_vector(f"{name}.bias", outputs)
        return y if bias is None else ops.add(y, floats(bias if rows is None else bias[rows]))

    def linears(self, x: Node, names: Sequence[str], outputs: Sequence[int], rows: Sequence[Rows | None]) -> list[Node]:
        """Several products of the same x, as one if the matrices have one format. `rows` reorder each."""
        inputs = x.get_output_partial_shape(0)[-1].get_length()
        parts = [Part(f"{name}.weight", order) for name, order in zip(names, rows, strict=True)]
        products: list[Node] = []
        for matrix in self.weights.matrices(parts, outputs, inputs):
            sizes = outputs[len(products) : len(products) + len(matrix.outputs)]
            products += split(product(x, matrix, self._shared_inputs), sizes)
        biases = [self.weights.optional_vector(f"{name}.bias", size) for name, size in zip(names, outputs, strict=True)]
        return [
            y if bias is None else ops.add(y, floats(bias if order is None else bias[order]))
            for y, bias, order in zip(products, biases, rows, strict=True)
        ]

    def head_order(self, heads: int) -> Rows:
        """The rows of a projection to that many heads, in the graph's order of channels."""
        return (np.arange(heads)[:, None] * self.head_width + self.channels).ravel()

    def _check_heads(self) -> None:
        for n, (heads, keys) in enumerate(zip(self.heads, self.key_heads, strict=True)):
            if self.has_attention(n) and (heads < 1 or keys < 1 or heads % keys):
                raise ModelFileError(f"its {heads} heads cannot share {keys} heads of keys and values")
        if self.settings.integer("attention.value_length", self.head_width) != self.head_width:
            raise ModelFileError("its heads have values of another width than keys, which is not supported")
        if self.settings.integer("expert_count", 0) > 1:  # dense models of Hunyuan have one
            raise ModelFileError("it is a mixture of experts, which is not supported")
