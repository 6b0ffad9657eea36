"""LFM 2."""

from typing import Final

import numpy as np

from forefront.engine.model.openvino_import import ops, ov
from forefront.graph.attention import AttentionInputs, Heads, cache_channels
from forefront.graph.decoder import Decoder
from forefront.graph.errors import ModelFileError
from forefront.graph.operations import Node, floats, integers, reshape, split
from forefront.graph.packing.weights import Weights
from forefront.graph.settings import Settings

# Channels of a key that finds an earlier token, and so the most tokens that a convolution sees.
_KEY_WIDTH: Final = 16
_VALUE_WIDTHS: Final = (128, 64, 32, 16)
# The logit of the key that a query is for. Other keys have 0, and the sink has half of it: in float32 the softmax gives
# all but the largest of these a weight of exactly 0.
_MATCH: Final = 256.0


class Lfm2(Decoder):
    """Attention in some layers, and in the others a gated convolution over the last few tokens.

    The convolution's earlier inputs are values in the KV cache, and attention fetches them: each query matches the key
    of the token that lies a certain number back. Prefix reuse and preemption need only the KV cache.
    """

    further_settings = frozenset({"shortconv.l_cache"})

    def __init__(self, settings: Settings, weights: Weights, inputs: AttentionInputs) -> None:
        super().__init__(settings, weights, inputs)
        self.taps = settings.integer("shortconv.l_cache", at_least=2)
        if self.taps > _KEY_WIDTH:
            raise ModelFileError(f"its convolutions see {self.taps} tokens; {_KEY_WIDTH} are the most")
        self.value_heads = _value_heads(self.width)
        self._fetching: tuple[Node, Node] | None = None

    @staticmethod
    def cache_channels(settings: Settings) -> int:
        """See `Decoder.cache_channels`: also of the layers with a convolution."""
        convolutions = settings.per_layer("attention.head_count_kv", settings.layers, 1).count(0)
        width = settings.integer("embedding_length")
        return cache_channels(settings) + convolutions * (width + _value_heads(width) * _KEY_WIDTH)

    def hidden_states(self, x: Node) -> Node:
        """The norm of the output has the name of one of the embeddings."""
        for n in range(self.layers):
            x = self.layer(n, x)
        return self.norm(x, "token_embd_norm")

    def has_attention(self, n: int) -> bool:
        """The file declares no heads of keys for the other layers."""
        return self.key_heads[n] > 0

    def windowed_layers(self) -> list[bool]:
        """All with attention, in a model that has a window."""
        return [True] * self.layers

    def attention(self, n: int, x: Node) -> Node:
        """A convolution in layers without it."""
        return super().attention(n, x) if self.has_attention(n) else self.convolution(n, x)

    def convolution(self, n: int, x: Node) -> Node:
        """W_out(c * conv(b * x)), of b, c, x = W_in x."""
        name = f"blk.{n}.shortconv"
        b, c, x = split(self.linear(x, f"{name}.in_proj", 3 * self.width), [self.width] * 3)
        mixed = ops.multiply(c, self._convolved(ops.multiply(b, x), f"{name}.conv.weight"))
        return self.linear(self.output_rows(n, mixed), f"{name}.out_proj", self.width)

    def _convolved(self, x: Node, name: str) -> Node:
        """Each channel's weighted sum over a token and those before it. The last weight is the token's own."""
        weight = self.weights.tensor(name, [self.width, self.taps]).floats()
        if not np.isfinite(weight).all():
            raise ModelFileError(f"its tensor {name!r} has values that are not finite numbers")
        heads, distances = self.value_heads, self.taps - 1
        query, key = self._fetching = self._fetching or self._queries_and_keys()
        sinks = np.full(heads * distances, _MATCH / 2, np.float32)
        earlier = self.inputs.attend(query, key, x, Heads(heads, _KEY_WIDTH, 1.0, self.taps, sinks))
        factors = weight[:, -2::-1].reshape(1, heads, -1, distances).transpose(0, 1, 3, 2)
        weighted = ops.multiply(reshape(earlier, 0, heads, distances, self.width // heads), floats(factors))
        sums = reshape(ops.reduce_sum(weighted, integers(2), False), 0, self.width)
        return ops.add(ops.multiply(x, floats(weight[None, :, -1])), sums)

    def _queries_and_keys(self) -> tuple[Node, Node]:
        """For all layers: in a key the channel of its position modulo `taps` is set, in the query for the token
        `distance` back that of this token's. Before the beginning of a text no key matches, and the sink makes a 0."""
        distances = np.arange(self.taps).reshape(1, -1, 1)  # of the key itself: 0
        positions = reshape(self.inputs.position_ids, -1, 1, 1)
        places = ops.floor_mod(ops.subtract(positions, ops.constant(distances)), integers(self.taps))
        hits = ops.convert(ops.equal(places, ops.constant(np.arange(_KEY_WIDTH))), ov.Type.f32)
        key, query = ops.variadic_split(
            ops.multiply(hits, floats(_MATCH**0.5)), ops.constant(np.int64(1)), integers(1, self.taps - 1)
        ).outputs()
        keys, queries = (ops.tile(each, integers(1, self.value_heads, 1)) for each in (key, query))
        size = self.value_heads * _KEY_WIDTH
        return reshape(queries, 0, (self.taps - 1) * size), reshape(keys, 0, size)


def _value_heads(width: int) -> int:
    """Into how many heads the channels are divided. Raises `ModelFileError`."""
    found = next((size for size in _VALUE_WIDTHS if width % size == 0), None)
    if found is None:
        raise ModelFileError(f"it has {width} channels, which is not a multiple of {min(_VALUE_WIDTHS)}")
    return width // found
