"""Gemma 4 in plain NumPy, in float32 and without a cache, written from its published code (Hugging Face Transformers).

Shares nothing with the graph. T tokens, H heads, C channels of a head, L layers, E channels of a token's vector.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from tests.support.models.reference import Array


class Gemma4Reference:
    """A GGUF file of architecture "gemma4"."""

    def __init__(self, path: Path) -> None:
        reader = gguf.GGUFReader(path)
        self._fields = {name: field.contents() for name, field in reader.fields.items()}
        self._weights: dict[str, Array] = {
            tensor.name.removesuffix(".weight"): gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(
                np.float32
            )
            for tensor in reader.tensors
        }
        self._near: list[bool] = self._value("attention.sliding_window_pattern")
        self._layers: int = self._value("block_count")
        self._own: int = self._layers - self._value("attention.shared_kv_layers")
        self._shared: dict[bool, tuple[Array, Array]] = {}

    def _value(self, key: str) -> Any:
        return self._fields[f"gemma4.{key}"]

    def logits(self, tokens: Sequence[int]) -> Array:
        """(T, V): row t scores what follows `tokens[: t + 1]`."""
        ids, table = np.asarray(tokens), self._weights["token_embd"]
        x = table[ids] * np.float32(math.sqrt(table.shape[1]))
        vectors = self._vectors(ids, x) if self._value("embedding_length_per_layer_input") else None
        for n in range(self._layers):
            name = f"blk.{n}."
            attended = self._attention(n, self._norm(x, name + "attn_norm"))
            x = x + self._norm(attended, name + "post_attention_norm")
            normed = self._norm(x, name + "ffn_norm")
            hidden = _gelu(self._linear(normed, name + "ffn_gate")) * self._linear(normed, name + "ffn_up")
            x = x + self._norm(self._linear(hidden, name + "ffn_down"), name + "post_ffw_norm")
            if vectors is not None:
                gated = _gelu(self._linear(x, name + "inp_gate")) * vectors[:, n]
                x = x + self._norm(self._linear(gated, name + "proj"), name + "post_norm")
            x = x * self._weights.get(name + "layer_output_scale", np.float32(1))
        logits = self._norm(x, "output_norm") @ table.T
        cap = self._value("final_logit_softcapping")
        return np.asarray(np.tanh(logits / cap) * cap, np.float32)

    def _vectors(self, ids: Any, x: Array) -> Array:
        """(T, L, E)"""
        width = self._value("embedding_length_per_layer_input")
        own = self._weights["per_layer_token_embd"][ids] * np.float32(math.sqrt(width))
        projected = self._linear(x, "per_layer_model_proj") / np.float32(math.sqrt(x.shape[1]))
        normed = self._norm(projected.reshape(len(x), self._layers, width), "per_layer_proj_norm")
        return np.asarray((normed + own.reshape(normed.shape)) / np.float32(math.sqrt(2)), np.float32)

    def _attention(self, n: int, x: Array) -> Array:
        length, near, name = len(x), self._near[n], f"blk.{n}.attn_"
        width = self._value("attention.key_length" + ("_swa" if near else ""))
        if name + "qkv" in self._weights:
            joined = self._weights[name + "qkv"]
            keys = (len(joined) - self._value("attention.head_count") * width) // 2
            for part, rows in zip("qkv", np.split(joined, [len(joined) - 2 * keys, len(joined) - keys]), strict=True):
                self._weights[name + part] = rows
        query = self._linear(x, name + "q").reshape(length, -1, width)
        query = self._turn(self._norm(query, name + "q_norm"), near)
        if n < self._own:
            key = self._linear(x, name + "k").reshape(length, -1, width)
            value = self._linear(x, name + "v").reshape(key.shape) if name + "v" in self._weights else key
            self._shared[near] = self._turn(self._norm(key, name + "k_norm"), near), self._norm(value)
        key, value = (np.repeat(part, query.shape[1] // part.shape[1], axis=1) for part in self._shared[near])
        scores = np.einsum("qhc,khc->hqk", query, key)
        distance = np.arange(length)[:, None] - np.arange(length)
        seen = (distance >= 0) & ((distance < self._value("attention.sliding_window")) | (not near))
        weights = np.exp(np.where(seen, scores - scores.max(-1, keepdims=True), -np.inf))
        weights = weights / weights.sum(-1, keepdims=True)
        return self._linear(np.einsum("hqk,khc->qhc", weights, value).reshape(length, -1), name + "output")

    def _turn(self, x: Array, near: bool) -> Array:
        """(T, H, C): the first channels in halves; those without a window by frequencies with a divisor of each."""
        turned = self._value("rope.dimension_count" + ("_swa" if near else ""))
        radians = self._value("rope.freq_base" + ("_swa" if near else "")) ** (-np.arange(0, turned, 2) / turned)
        angles = np.arange(len(x))[:, None] * (radians if near else radians / self._weights["rope_freqs"])
        cos, sin = (np.asarray(function(angles), np.float32)[:, None] for function in (np.cos, np.sin))
        half, result = turned // 2, x.copy()
        result[..., :half] = x[..., :half] * cos - x[..., half:turned] * sin
        result[..., half:turned] = x[..., half:turned] * cos + x[..., :half] * sin
        return result

    def _norm(self, x: Array, name: str = "") -> Array:
        """Over the last axis, without a weight if there is no name."""
        normed = x / np.sqrt((x * x).mean(-1, keepdims=True) + self._value("attention.layer_norm_rms_epsilon"))
        return np.asarray(normed * self._weights[name] if name else normed, np.float32)

    def _linear(self, x: Array, name: str) -> Array:
        return np.asarray(x @ self._weights[name].T, np.float32)


def _gelu(x: Array) -> Array:
    return np.asarray(0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))), np.float32)
