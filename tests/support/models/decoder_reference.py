"""The computation of each family in plain NumPy, in float32 and without a cache.

Written from the papers and from the models' published code (Hugging Face Transformers), and shares nothing with the
graphs: RMSNorm (Zhang & Sennrich 2019), rotary positions (Su et al. 2021), YaRN (Peng et al. 2023), LongRoPE (Ding et
al. 2024), SwiGLU (Shazeer 2020), GELU by tanh (Hendrycks & Gimpel 2016).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import gguf
import numpy as np

from tests.support.models.reference import Array


@dataclass(frozen=True, slots=True)
class Kind:
    """How a family differs from Llama. `period`: of so many layers the last sees all tokens, the others a window; 0 if
    all see a window.
    `pairs`: how the channels that turn together lie in the file."""

    pairs: str = "halves"
    layer_norm: bool = False
    gelu: bool = False
    parallel: bool = False
    period: int = 0
    near_base: float = 0.0
    no_positions: str = ""
    wide_norms: bool = False


KINDS: Final = {
    "llama": Kind(pairs="neighbours"),
    "qwen2": Kind(),
    "qwen3": Kind(),
    "gemma3": Kind(gelu=True, period=6, near_base=10000.0),
    "phi3": Kind(),
    "granite": Kind(pairs="neighbours"),
    "olmo2": Kind(period=4, wide_norms=True),
    "cohere2": Kind(pairs="neighbours", layer_norm=True, parallel=True, period=4, no_positions="all tokens"),
    "starcoder2": Kind(layer_norm=True, gelu=True),
    "smollm3": Kind(pairs="neighbours", no_positions="every fourth"),
    "lfm2": Kind(),
}


class DecoderReference:
    """A GGUF file of one of `KINDS`."""

    def __init__(self, path: Path) -> None:
        reader = gguf.GGUFReader(path)
        self._fields = {name: field.contents() for name, field in reader.fields.items()}
        self._name: str = self._fields["general.architecture"]
        self._kind = KINDS[self._name]
        self._weights: dict[str, Array] = {
            tensor.name: gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
            for tensor in reader.tensors
        }
        self._heads: int = self._value("attention.head_count")
        key_heads = self._value("attention.head_count_kv")
        self._key_heads: int = max(key_heads) if isinstance(key_heads, list) else key_heads
        self._channels: int = self._value("attention.key_length")
        self._turned: int = self._value("rope.dimension_count")
        self._window: int = self._value("attention.sliding_window", 0)
        which = "layer_norm_epsilon" if self._kind.layer_norm else "layer_norm_rms_epsilon"
        self._epsilon: float = self._value(f"attention.{which}")

    def _value(self, key: str, default: Any = None) -> Any:
        return self._fields.get(f"{self._name}.{key}", default)

    def logits(self, tokens: Sequence[int]) -> Array:
        """(T, V): row t scores what follows `tokens[: t + 1]`."""
        table = self._weights["token_embd.weight"]
        scale = math.sqrt(table.shape[1]) if self._name == "gemma3" else self._value("embedding_scale", 1.0)
        x = table[np.asarray(tokens)] * np.float32(scale)
        residual = np.float32(self._value("residual_scale", 1.0))
        for n in range(self._value("block_count")):
            layer = f"blk.{n}."
            normed = self._norm(x, layer + "attn_norm")
            attended = self._norm(self._attention(n, normed), layer + "post_attention_norm")
            if self._kind.parallel:
                x = x + attended + self._feed_forward(layer, normed)
                continue
            x = x + attended * residual
            computed = self._feed_forward(layer, self._norm(x, layer + "ffn_norm"))
            x = x + self._norm(computed, layer + "post_ffw_norm") * residual
        x = self._norm(x, "token_embd_norm" if self._name == "lfm2" else "output_norm")
        logits = x @ self._weights.get("output.weight", table).T
        factor = self._value("logit_scale", 1.0)
        return np.asarray(logits / factor if self._name == "granite" else logits * factor, np.float32)

    def _convolution(self, layer: str, x: Array) -> Array:
        before, after, x = np.split(self._linear(x, layer + "shortconv.in_proj"), 3, axis=-1)
        weight = self._weights[layer + "shortconv.conv.weight"]
        taps = weight.shape[1]
        padded = np.concatenate([np.zeros((taps - 1, x.shape[1]), np.float32), before * x])
        mixed = sum(weight[:, tap] * padded[tap : tap + len(x)] for tap in range(taps))
        return self._linear(after * mixed, layer + "shortconv.out_proj")

    def _attention(self, n: int, x: Array) -> Array:
        length, layer = len(x), f"blk.{n}."
        if layer + "shortconv.conv.weight" in self._weights:
            return self._convolution(layer, x)
        sizes = [count * self._channels for count in (self._heads, self._key_heads, self._key_heads)]
        if layer + "attn_qkv.weight" in self._weights:
            query, key, value = np.split(self._linear(x, layer + "attn_qkv"), np.cumsum(sizes)[:2], axis=-1)
        else:
            query, key, value = (self._linear(x, f"{layer}attn_{part}") for part in "qkv")
        period = self._value("attention.sliding_window_pattern", self._kind.period)
        all_tokens = not self._window or (period > 0 and n % period == period - 1)
        turned = []
        for part, name in ((query, "attn_q_norm"), (key, "attn_k_norm")):
            if self._kind.wide_norms:
                part = self._norm(part, layer + name)
            part = part.reshape(length, -1, self._channels)
            if not self._kind.wide_norms:
                part = self._norm(part, layer + name)
            turned.append(self._turn(part, n, all_tokens))
        groups = self._heads // self._key_heads
        keys = np.repeat(turned[1], groups, axis=1)
        values = np.repeat(value.reshape(length, -1, self._channels), groups, axis=1)
        scale = self._value("attention.scale") or 1 / math.sqrt(self._channels)
        scores = np.einsum("qhc,khc->hqk", turned[0], keys) * np.float32(scale)
        distance = np.arange(length)[:, None] - np.arange(length)
        seen = (distance >= 0) if all_tokens else (distance >= 0) & (distance < self._window)
        scores = np.where(seen, scores, -np.inf)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        mixed = np.einsum("hqk,khc->qhc", weights, values).reshape(length, -1)
        return self._linear(mixed, layer + "attn_output")

    def _feed_forward(self, layer: str, x: Array) -> Array:
        up = self._linear(x, layer + "ffn_up")
        if self._name == "starcoder2":
            return self._linear(self._activate(up), layer + "ffn_down")
        if layer + "ffn_gate.weight" in self._weights:
            gate = self._linear(x, layer + "ffn_gate")
        else:
            gate, up = np.split(up, 2, axis=-1)
        return self._linear(self._activate(gate) * up, layer + "ffn_down")

    def _activate(self, x: Array) -> Array:
        if self._kind.gelu:
            y = 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
        else:
            y = x / (1 + np.exp(-x))
        return np.asarray(y, np.float32)

    def _turn(self, x: Array, n: int, all_tokens: bool) -> Array:
        """(T, heads, C): the first channels of each head, by the token's position."""
        kind = self._kind
        if self._value("rope.scaling.finetuned") is False:  # of Granite, the only one that is tested with it
            return x
        if (kind.no_positions == "all tokens" and all_tokens) or (kind.no_positions == "every fourth" and n % 4 == 3):
            return x
        near = self._window > 0 and not all_tokens
        radians, magnitude = self._radians(near)
        angles = np.arange(len(x))[:, None] * radians
        cos, sin = (np.asarray(function(angles) * magnitude, np.float32)[:, None] for function in (np.cos, np.sin))
        half, turned = self._turned // 2, x.copy()
        if kind.pairs == "neighbours":
            first, second = slice(0, self._turned, 2), slice(1, self._turned, 2)
        else:
            first, second = slice(0, half), slice(half, self._turned)
        turned[..., first] = x[..., first] * cos - x[..., second] * sin
        turned[..., second] = x[..., second] * cos + x[..., first] * sin
        return turned

    def _radians(self, near: bool) -> tuple[Any, float]:
        """Per position, for each pair; and the factor of cosine and sine."""
        base = self._value("rope.freq_base")
        exponents = np.arange(0, self._turned, 2) / self._turned
        kind, factor = self._value("rope.scaling.type", "none"), self._value("rope.scaling.factor", 1.0)
        if near:  # layers with a window keep plain positions
            return (self._kind.near_base or base) ** -exponents, 1.0
        radians = base**-exponents
        if kind == "linear":
            return radians / factor, 1.0
        if kind == "yarn":
            original = self._value("rope.scaling.original_context_length")
            low, high = (
                self._turned * math.log(original / (turns * 2 * math.pi)) / (2 * math.log(base)) for turns in (32, 1)
            )
            low, high = max(math.floor(low), 0), min(math.ceil(high), self._turned - 1)
            slow = np.clip((np.arange(self._turned // 2) - low) / max(high - low, 0.001), 0, 1)
            return radians * (1 - slow) + radians / factor * slow, 0.1 * math.log(factor) + 1
        if "rope_factors_long.weight" in self._weights:
            is_long = self._value("context_length") > self._value("rope.scaling.original_context_length")
            factors = self._weights[f"rope_factors_{'long' if is_long else 'short'}.weight"]
            return radians / factors, self._value("rope.scaling.attn_factor", 1.0)
        return radians, 1.0

    def _norm(self, x: Array, name: str) -> Array:
        """Over the last axis; x itself where the family has no such norm."""
        weight = self._weights.get(f"{name}.weight")
        if weight is None:
            return x
        if not self._kind.layer_norm:
            return np.asarray(x / np.sqrt((x * x).mean(-1, keepdims=True) + self._epsilon) * weight, np.float32)
        centred = x - x.mean(-1, keepdims=True)
        normed = centred / np.sqrt((centred * centred).mean(-1, keepdims=True) + self._epsilon) * weight
        return np.asarray(normed + self._weights.get(f"{name}.bias", 0), np.float32)

    def _linear(self, x: Array, name: str) -> Array:
        result: Array = x @ self._weights[f"{name}.weight"].T + self._weights.get(f"{name}.bias", np.float32(0))
        return result
