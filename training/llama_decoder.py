"""A LLaMA-shaped decoder: pre-norm blocks of rotary attention and SwiGLU, no biases (Touvron et al. 2023).

Modules have the names that Hugging Face's ``LlamaForCausalLM`` uses below ``model.``, and a rotary pair consists of one
dimension from each half of a head, as there, so that weights are exported unchanged.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from gristmill.training.train_section import ModelSection

NORM_EPS = 1e-5
INIT_STD = 0.02

Tensor = Any
"""``torch.Tensor``; mypy does not follow torch's imports."""


class Decoder(nn.Module):  # type: ignore[misc]
    """Predicts the next token at every position of a sequence."""

    def __init__(self, shape: ModelSection, vocab_size: int) -> None:
        super().__init__()
        self.shape = shape
        self.embed_tokens = nn.Embedding(vocab_size, shape.dim)
        self.layers = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = nn.RMSNorm(shape.dim, eps=NORM_EPS)
        self.lm_head = None if shape.tie_embeddings else nn.Linear(shape.dim, vocab_size, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map token ids, shape (batch, length), to logits, shape (batch, length, vocab_size)."""
        rotation = rotary_table(tokens.shape[1], self.shape.head_dim, self.shape.rope_theta, tokens.device)
        x = self.embed_tokens(tokens)
        for block in self.layers:
            x = block(x, rotation)
        x = self.norm(x)
        return F.linear(x, self.embed_tokens.weight) if self.lm_head is None else self.lm_head(x)


class Block(nn.Module):  # type: ignore[misc]
    """Attention, then the feed-forward network; each takes the normalised residual stream and adds to it."""

    def __init__(self, shape: ModelSection) -> None:
        super().__init__()
        self.input_layernorm = nn.RMSNorm(shape.dim, eps=NORM_EPS)
        self.self_attn = Attention(shape)
        self.post_attention_layernorm = nn.RMSNorm(shape.dim, eps=NORM_EPS)
        self.mlp = FeedForward(shape)

    def forward(self, x: Tensor, rotation: Tensor) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), rotation)
        return x + self.mlp(self.post_attention_layernorm(x))


class Attention(nn.Module):  # type: ignore[misc]
    """Causal attention with rotary positions and grouped query heads (GQA, Ainslie et al. 2023)."""

    def __init__(self, shape: ModelSection) -> None:
        super().__init__()
        self.head_dim = shape.head_dim
        self.grouped = shape.key_value_heads != shape.heads
        self.q_proj = nn.Linear(shape.dim, shape.heads * shape.head_dim, bias=False)
        self.k_proj = nn.Linear(shape.dim, shape.key_value_heads * shape.head_dim, bias=False)
        self.v_proj = nn.Linear(shape.dim, shape.key_value_heads * shape.head_dim, bias=False)
        self.o_proj = nn.Linear(shape.heads * shape.head_dim, shape.dim, bias=False)

    def forward(self, x: Tensor, rotation: Tensor) -> Tensor:
        q, k, v = (self._heads(projection(x)) for projection in (self.q_proj, self.k_proj, self.v_proj))
        q, k = rotate(q, rotation), rotate(k, rotation)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=self.grouped)
        return self.o_proj(mixed.transpose(1, 2).flatten(2))

    def _heads(self, x: Tensor) -> Tensor:
        """Reshape (batch, length, heads × head_dim) to (batch, heads, length, head_dim)."""
        return x.unflatten(2, (-1, self.head_dim)).transpose(1, 2)


class FeedForward(nn.Module):  # type: ignore[misc]
    """SwiGLU (Shazeer 2020, arXiv:2002.05202)."""

    def __init__(self, shape: ModelSection) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(shape.dim, shape.ffn_dim, bias=False)
        self.up_proj = nn.Linear(shape.dim, shape.ffn_dim, bias=False)
        self.down_proj = nn.Linear(shape.ffn_dim, shape.dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


def rotary_table(length: int, head_dim: int, theta: float, device: Any) -> Tensor:
    """Return cosines and sines, shape (2, length, head_dim / 2), float32 (Su et al. 2021, arXiv:2104.09864)."""
    frequencies = theta ** (-torch.arange(0, head_dim, 2, device=device, dtype=torch.float32) / head_dim)
    angles = torch.outer(torch.arange(length, device=device, dtype=torch.float32), frequencies)
    return torch.stack((angles.cos(), angles.sin()))


def rotate(x: Tensor, rotation: Tensor) -> Tensor:
    """Rotate pair (i, i + head_dim / 2) of each head, in float32: bfloat16 cannot separate distant positions."""
    cosine, sine = rotation
    a, b = x.float().chunk(2, dim=-1)
    return torch.cat((a * cosine - b * sine, b * cosine + a * sine), dim=-1).type_as(x)


def initial_weights(name: str, size: Any, layers: int, generator: Any) -> Tensor:
    """Return the initial value of a parameter: 1 for gains, normal with standard deviation 0.02 for matrices.

    Matrices that write to the residual stream are scaled by 1 / √(2 × layers), so that the variance of the stream does
    not grow with depth (GPT-2, Radford et al. 2019).
    """
    if len(size) == 1:
        return torch.ones(size)
    writes_to_residual = name.endswith(("o_proj.weight", "down_proj.weight"))
    return torch.normal(0.0, INIT_STD / ((2 * layers) ** 0.5 if writes_to_residual else 1), size, generator=generator)


def parameter_count(shape: ModelSection, vocab_size: int) -> int:
    """Return the number of parameters of a ``Decoder``."""
    attention = shape.dim * shape.head_dim * (2 * shape.heads + 2 * shape.key_value_heads)
    block = attention + 3 * shape.dim * shape.ffn_dim + 2 * shape.dim
    embeddings = vocab_size * shape.dim * (1 if shape.tie_embeddings else 2)
    return embeddings + shape.layers * block + shape.dim


def flops_per_token(shape: ModelSection, vocab_size: int, length: int) -> int:
    """Return the floating-point operations to train on one token (PaLM, Chowdhery et al. 2022, appendix B).

    These are 6 per weight that takes part in a matrix multiplication, plus 12 × layers × dim × length for attention.
    """
    lookup_only = 0 if shape.tie_embeddings else vocab_size * shape.dim
    return 6 * (parameter_count(shape, vocab_size) - lookup_only) + 12 * shape.layers * shape.dim * length
