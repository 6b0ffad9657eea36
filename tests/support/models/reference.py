"""The computation of a Llama model in plain NumPy: the reference for every other implementation.

Written from the definitions, and shares no code with the engine or with OpenVINO: RMSNorm (Zhang & Sennrich 2019),
rotary positions (Su et al. 2021) on adjacent pairs, which is how llama.cpp stores architecture "llama"
(`LLAMA_ROPE_TYPE_NORM`), grouped queries (Ainslie et al. 2023), SwiGLU (Shazeer 2020). Slow: there is no cache.

Shapes are in letters: T tokens, V vocabulary, D model width, K key-value heads, G query heads for each of these,
C channels of a head.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]


class ReferenceModel:
    """A GGUF file of architecture "llama", dequantised to float32. Raises `ValueError` for what it does not compute."""

    def __init__(self, path: Path) -> None:
        reader = gguf.GGUFReader(path)

        def value(key: str, default: Any = None) -> Any:
            return reader.fields[key].contents() if key in reader.fields else default

        scaling = value("llama.rope.scaling.type", "none")
        if value("general.architecture") != "llama" or scaling not in ("none", "linear"):
            raise ValueError(f"{path}: not a llama, or one whose positions are scaled in another way")
        width, heads = value("llama.embedding_length"), value("llama.attention.head_count")
        self._layers: int = value("llama.block_count")
        self._kv_heads: int = value("llama.attention.head_count_kv", heads)
        self._groups = heads // self._kv_heads
        self._channels: int = value("llama.attention.key_length", width // heads)
        self._epsilon: float = value("llama.attention.layer_norm_rms_epsilon")
        self._rope_base: float = value("llama.rope.freq_base", 10000.0)
        self._rotated: int = value("llama.rope.dimension_count", self._channels)
        # GGUF names dimensions fastest first; as arrays, matrices are (outputs, inputs).
        self._weights: dict[str, Array] = {
            tensor.name.removesuffix(".weight"): gguf.quants.dequantize(tensor.data, tensor.tensor_type)
            for tensor in reader.tensors
        }
        slower = value("llama.rope.scaling.factor") if scaling == "linear" else 1.0
        # Llama 3.1 slows each pair of channels by its own factor.
        self._slowed = slower * self._weights.pop("rope_freqs", np.ones(self._rotated // 2, np.float32))
        kinds = {name.rpartition(".")[2] for name in self._weights}
        if extra := kinds - _MATRICES - _NORMS:
            raise ValueError(f"{path}: unknown tensors {sorted(extra)}")

    def logits(self, token_ids: Sequence[int]) -> Array:
        """(T, V): row t scores what follows `token_ids[: t + 1]`."""
        stream = self._weights["token_embd"][np.asarray(token_ids, np.int64)]
        for layer in range(self._layers):
            stream = stream + self._attention(layer, self._norm(stream, f"blk.{layer}.attn_norm"))
            stream = stream + self._feed_forward(layer, self._norm(stream, f"blk.{layer}.ffn_norm"))
        tied = "output" not in self._weights
        return self._project(self._norm(stream, "output_norm"), "token_embd" if tied else "output")

    def logprobs(self, token_ids: Sequence[int]) -> Array:
        """(T, V): natural logarithms of the probabilities of `logits`."""
        logits = self.logits(token_ids)
        shifted = logits - logits.max(axis=-1, keepdims=True)
        result: Array = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
        return result

    def greedy(self, prompt_ids: Sequence[int], n: int) -> list[int]:
        """The `n` tokens that follow when the most likely is always taken; tokens that end a text do not stop it."""
        tokens = list(prompt_ids)
        for _ in range(n):
            tokens.append(int(self.logits(tokens)[-1].argmax()))
        return tokens[len(prompt_ids) :]

    def _attention(self, layer: int, x: Array) -> Array:
        """(T, D) → (T, D): softmax(Q·Kᵀ / √C + causal mask)·V for each head; G query heads share a key-value head."""
        length, k, g, c = len(x), self._kv_heads, self._groups, self._channels
        query = self._rotate(self._project(x, f"blk.{layer}.attn_q").reshape(length, k * g, c))
        key = self._rotate(self._project(x, f"blk.{layer}.attn_k").reshape(length, k, c))
        value = self._project(x, f"blk.{layer}.attn_v").reshape(length, k, 1, c)
        by_head = query.reshape(length, k, g, c).transpose(1, 2, 0, 3)
        scores = by_head @ key.reshape(length, k, 1, c).transpose(1, 2, 3, 0) / math.sqrt(c)
        scores[..., np.triu(np.ones((length, length), bool), 1)] = -np.inf
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        mixed = (weights @ value.transpose(1, 2, 0, 3)).transpose(2, 0, 1, 3).reshape(length, k * g * c)
        return self._project(mixed, f"blk.{layer}.attn_output")

    def _feed_forward(self, layer: int, x: Array) -> Array:
        """(T, D) → (T, D): W_down·(silu(W_gate·x) ⊙ W_up·x), silu(z) = z / (1 + e⁻ᶻ)."""
        gate = self._project(x, f"blk.{layer}.ffn_gate")
        gated = gate / (1 + np.exp(-gate)) * self._project(x, f"blk.{layer}.ffn_up")
        return self._project(gated, f"blk.{layer}.ffn_down")

    def _rotate(self, x: Array) -> Array:
        """(T, heads, C) → the same: channels 2i and 2i+1 turn by position · base^(−2i/R) / slowed_i, for the first R
        channels."""
        r = self._rotated
        angles = np.arange(len(x))[:, None, None] * self._rope_base ** (-np.arange(0, r, 2) / r) / self._slowed
        cos, sin = np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)
        even, odd = x[..., 0:r:2], x[..., 1:r:2]
        turned = x.copy()
        turned[..., 0:r:2], turned[..., 1:r:2] = even * cos - odd * sin, even * sin + odd * cos
        return turned

    def _norm(self, x: Array, name: str) -> Array:
        """(T, D) → (T, D): x / √(mean(x²) + ε) ⊙ weight."""
        result: Array = x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + self._epsilon) * self._weights[name]
        return result

    def _project(self, x: Array, name: str) -> Array:
        """(T, inputs) → (T, outputs): W·x for each token."""
        result: Array = x @ self._weights[name].T
        return result


_MATRICES = {"token_embd", "output", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"}
_NORMS = {"output_norm", "attn_norm", "ffn_norm"}
