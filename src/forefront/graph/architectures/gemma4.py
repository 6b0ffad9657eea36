"""Gemma 4."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from forefront.engine.model.openvino_import import ops
from forefront.engine.model.paged_graph import Embed
from forefront.graph.architectures.gemma import Gemma
from forefront.graph.attention import AttentionInputs, Heads
from forefront.graph.block_formats import Floats
from forefront.graph.decoder import WIDEST_HEAD, Decoder
from forefront.graph.errors import ModelFileError
from forefront.graph.operations import Node, gelu, reshape, rms_norm, scaled, split
from forefront.graph.packing.pack import Rows
from forefront.graph.packing.weights import EmbeddingTable, Weights
from forefront.graph.rope import Frequencies, Rotation, channel_order, plain_frequencies
from forefront.graph.settings import Settings

_HEADS: Final = "attention.head_count"
_PER_LAYER: Final = "embedding_length_per_layer_input"


@dataclass(frozen=True, slots=True)
class _LayerHeads:
    """Of layers with a window, or of those without: channels of a head, their order, and rotary positions."""

    width: int
    order: npt.NDArray[np.int64]
    rotation: Rotation

    def rows(self, heads: int) -> Rows:
        """The rows of a projection to that many heads, with channels in this order."""
        return (np.arange(heads)[:, None] * self.width + self.order).ravel()


class Gemma4(Gemma):
    """Layers with a window have narrower heads and faster positions. Queries, keys and values are normed.

    The last `shared_kv_layers` layers attend to the keys and values of the last earlier layer of their kind, with a
    window or without. In models with per-layer embeddings, each layer adds a vector of the token itself.
    """

    further_settings = frozenset(
        {
            *("attention.key_length_swa", "attention.value_length_swa", "attention.shared_kv_layers"),
            *("rope.freq_base_swa", "rope.dimension_count_swa"),
        }
    )

    def __init__(self, settings: Settings, weights: Weights, inputs: AttentionInputs) -> None:
        super().__init__(settings, weights, inputs)
        self.scale = settings.number("attention.scale", 0.0) or 1.0
        far = _LayerHeads(self.head_width, self.channels, self.rotation)
        self.kinds = {False: far, True: self._near_heads() if self.window else far}
        self.own_layers = self.layers - settings.integer("attention.shared_kv_layers", 0)
        self.sources = [self._source(n) for n in range(self.layers)]
        self.token_width = settings.integer(_PER_LAYER, 0)
        self._keys_and_values: list[tuple[Node, Node]] = []
        self._token_inputs: list[Node] = []

    @staticmethod
    def cache_channels(settings: Settings) -> int:
        """See `Decoder.cache_channels`: of the layers with their own keys and values, in two widths."""
        layers, width = settings.layers, settings.integer("attention.key_length", at_least=1)
        near = settings.integer("attention.key_length_swa", width)
        own = max(0, layers - settings.integer("attention.shared_kv_layers", 0))
        windowed = settings.windowed(layers, Gemma4.window_period)[:own]
        key_heads = settings.per_layer("attention.head_count_kv", layers, max(settings.per_layer(_HEADS, layers)))[:own]
        return 2 * sum(n * (near if has else width) for n, has in zip(key_heads, windowed, strict=True))

    def _near_heads(self) -> _LayerHeads:
        """Of layers with a window."""
        settings = self.settings
        width = settings.integer("attention.key_length_swa", self.head_width, at_least=2)
        rotated = settings.integer("rope.dimension_count_swa", min(width, self.rotated_width), at_least=2)
        values = settings.integer("attention.value_length_swa", width)
        if values != width or width % 2 or width > WIDEST_HEAD:
            raise ModelFileError(f"its heads with a window have {width} channels for keys and {values} for values")
        if rotated % 2 or rotated > width:
            raise ModelFileError(f"its positions rotate {rotated} of the {width} channels of a head with a window")
        base = settings.number("rope.freq_base_swa", 10000.0, at_least=1)
        radians = Frequencies(plain_frequencies(rotated, base).astype("float32"))
        return _LayerHeads(
            width, channel_order(width, rotated, False), Rotation(self.inputs.position_ids, radians, width)
        )

    def _source(self, n: int) -> int:
        """The layer whose keys and values a layer attends to."""
        if n < self.own_layers:
            return n
        found = [m for m in range(self.own_layers) if self.windowed[m] == self.windowed[n]]
        if not found:
            raise ModelFileError(f"its layer {n} shares keys and values with an earlier layer, but none is of its kind")
        if self.heads[n] % self.key_heads[found[-1]]:
            heads, keys = self.heads[n], self.key_heads[found[-1]]
            raise ModelFileError(f"its {heads} heads cannot share {keys} heads of keys and values")
        return found[-1]

    # Embeddings.

    @property
    def input_width(self) -> int:
        """The embedding of a token, and after it the vectors of the layers."""
        return self.width + self.layers * self.token_width

    def embed(self) -> Embed:
        """The embedding of a token, and after it the vectors of the layers."""
        tokens = super().embed()
        if not self.token_width:
            return tokens
        shape = [self.table.shape[0], self.layers * self.token_width]
        self.weights.tensor("per_layer_token_embd.weight", shape)
        table = self.weights.matrix_tensor("per_layer_token_embd.weight", shape[1])
        vectors = EmbeddingTable(table, self.token_width**0.5)

        def joined(ids: npt.NDArray[np.int64]) -> Floats:
            return np.concatenate([tokens(ids), vectors(ids)], axis=1)

        return joined

    def hidden_states(self, x: Node) -> Node:
        """See `Decoder.hidden_states`."""
        if self.token_width:
            x, vectors = split(x, [self.width, self.layers * self.token_width])
            self._token_inputs = self._inputs_of_layers(x, vectors)
        return super().hidden_states(x)

    def _inputs_of_layers(self, x: Node, vectors: Node) -> list[Node]:
        """For each layer [tokens, token_width]: the mean of a token's vector and of its projected embedding x, times
        √2."""
        projected = scaled(self.linear(x, "per_layer_model_proj", self.layers * self.token_width), self.width**-0.5)
        weight = self.weights.vector("per_layer_proj_norm.weight", self.token_width)
        normed = rms_norm(reshape(projected, 0, self.layers, self.token_width), weight, self.epsilon)
        joined = ops.add(reshape(normed, 0, self.layers * self.token_width), vectors)
        return split(scaled(joined, 0.5**0.5), [self.token_width] * self.layers)

    # One layer.

    def layer(self, n: int, x: Node) -> Node:
        """Norms around attention and feed-forward network, the token's vector, and a factor for the sum."""
        x = Decoder.post_normed_layer(self, n, x)
        if self.token_width:
            gate = gelu(self.linear(x, f"blk.{n}.inp_gate", self.token_width))
            chosen = ops.multiply(gate, self.output_rows(n, self._token_inputs[n]))
            x = ops.add(x, self.norm(self.linear(chosen, f"blk.{n}.proj", self.width), f"blk.{n}.post_norm"))
        factor = self.weights.optional_vector(f"blk.{n}.layer_output_scale.weight", 1)
        return x if factor is None else scaled(x, float(factor[0]))

    def attention(self, n: int, x: Node) -> Node:
        """Over the layer's own keys and values, or those of an earlier layer."""
        source, kind = self.sources[n], self.kinds[self.windowed[n]]
        query, *own = self._projections(n, x, kind)
        query = self._prepared(query, f"blk.{n}.attn_q_norm", kind)
        if own:
            key = self._prepared(own[0], f"blk.{n}.attn_k_norm", kind)
            value = own[1] if len(own) > 1 else _in_order(own[0], kind)
            self._keys_and_values.append((key, self.joined(rms_norm(value, None, self.epsilon))))
        window, cache = self.window if self.windowed[n] else 0, None if own else source
        heads = Heads(self.key_heads[source], kind.width, self.scale, window, cache=cache)
        attended = self.inputs.attend(query, *self._keys_and_values[source], heads)
        return self.linear(self.output_rows(n, attended), f"blk.{n}.attn_output", self.width)

    def _projections(self, n: int, x: Node, kind: _LayerHeads) -> list[Node]:
        """Queries, keys and values [tokens, heads, 1, channels]; without a matrix for values, a value is the key
        before its norm."""
        name, fused = f"blk.{n}.attn_", self.weights.has(f"blk.{n}.attn_qkv.weight")
        heads = [self.heads[n], self.key_heads[n], self.key_heads[n]]
        sizes = [count * kind.width for count in heads]
        rows = [kind.rows(heads[0]), kind.rows(heads[1]), np.arange(sizes[2])]
        count = 3 if fused or self.weights.has(f"{name}v.weight") else 2
        if self.sources[n] != n:  # files still contain matrices for keys and values
            count = 1
            self.weights.leave(*(f"{name}{part}.weight" for part in ("k", "v", "k_norm")))
        if fused:
            starts = np.cumsum([0, *sizes[:2]])[:count]
            wanted = np.concatenate([start + part for start, part in zip(starts, rows, strict=False)])
            found = split(self.linear(x, f"{name}qkv", sum(sizes), wanted), sizes[:count])
        else:
            found = self.linears(x, [name + part for part in "qkv"[:count]], sizes[:count], rows[:count])
        return [reshape(part, 0, number, 1, kind.width) for part, number in zip(found, heads, strict=False)]

    def _prepared(self, x: Node, norm: str, kind: _LayerHeads) -> Node:
        """Queries or keys, normed and rotated."""
        weight = self.weights.vector(f"{norm}.weight", kind.width)
        return self.joined(kind.rotation.rotate(rms_norm(x, weight[kind.order], self.epsilon)))


def _in_order(x: Node, kind: _LayerHeads) -> Node:
    """Heads with their channels as in the file."""
    if (kind.order == np.arange(kind.width)).all():
        return x
    return ops.gather(x, ops.constant(np.argsort(kind.order).astype(np.int32)), ops.constant(np.int64(3)))
