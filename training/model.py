"""A Llama: RMS norm, rotary positions on neighbouring pairs (as in GGUF), grouped queries, SwiGLU, tied embedding."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Shape:
    """The sizes of the model."""

    vocabulary: int = 2048
    width: int = 256
    layers: int = 6
    heads: int = 4
    kv_heads: int = 2
    ffn: int = 704
    context: int = 2048
    rope_base: float = 10000.0
    norm_eps: float = 1e-5

    @property
    def head(self) -> int:
        """The width of one head."""
        return self.width // self.heads


class Block(nn.Module):
    """Attention and feed-forward, each with its residual."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        d, kv = shape.width, shape.kv_heads * shape.head
        self.attn_norm, self.ffn_norm = nn.RMSNorm(d, shape.norm_eps), nn.RMSNorm(d, shape.norm_eps)
        self.attn_q, self.attn_k, self.attn_v = _linear(d, d), _linear(d, kv), _linear(d, kv)
        self.attn_output = _linear(d, d, shape.layers)
        self.ffn_gate, self.ffn_up = _linear(d, shape.ffn), _linear(d, shape.ffn)
        self.ffn_down = _linear(shape.ffn, d, shape.layers)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """`x` is [batch, time, width]."""
        normed = self.attn_norm(x)
        q = _rotate(self._heads(self.attn_q(normed)), cos, sin)
        k = _rotate(self._heads(self.attn_k(normed)), cos, sin)
        repeats = self.shape.heads // self.shape.kv_heads
        k = k.repeat_interleave(repeats, 1)
        v = self._heads(self.attn_v(normed)).repeat_interleave(repeats, 1)
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.attn_output(mixed.transpose(1, 2).flatten(2))
        normed = self.ffn_norm(x)
        return x + self.ffn_down(functional.silu(self.ffn_gate(normed)) * self.ffn_up(normed))

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (-1, self.shape.head)).transpose(1, 2)


class Llama(nn.Module):
    """Tokens [batch, time] to the last hidden states [batch, time, width]; `logits` makes predictions of those."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocabulary, shape.width)
        nn.init.normal_(self.embedding.weight, std=0.02)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = nn.RMSNorm(shape.width, shape.norm_eps)

    def forward(self, tokens: Tensor) -> Tensor:
        """Hidden states after the last norm."""
        x = self.embedding(tokens)
        positions = torch.arange(tokens.shape[1], device=tokens.device)
        steps = torch.arange(0, self.shape.head, 2, device=tokens.device) / self.shape.head
        angles = positions[:, None] * self.shape.rope_base**-steps
        cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
        for block in self.blocks:
            x = block(x, cos, sin)
        return self.norm(x)

    def logits(self, hidden: Tensor) -> Tensor:
        """Scores of the next token."""
        return functional.linear(hidden, self.embedding.weight)


def _linear(inputs: int, outputs: int, layers: int = 0) -> nn.Linear:
    made = nn.Linear(inputs, outputs, bias=False)
    nn.init.normal_(made.weight, std=0.02 / (2 * layers) ** 0.5 if layers else inputs**-0.5)
    return made


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)
