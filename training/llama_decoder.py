"""A LLaMA-shaped decoder: pre-norm blocks of rotary attention and SwiGLU, no biases (Touvron et al. 2023).

Modules have the names that Hugging Face's ``LlamaForCausalLM`` (and ``MistralForCausalLM`` and ``Qwen3ForCausalLM``,
which add a window or QK-norm) uses below ``model.``, and a rotary pair consists of one dimension from each half of a
head, as there, so that weights are exported unchanged.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Literal, TypeAlias

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn
from torch.utils.checkpoint import checkpoint, create_selective_checkpoint_contexts

from gristmill.training.linear_cross_entropy import linear_cross_entropy, token_losses
from gristmill.training.model_section import ModelSection

INIT_STD = 0.02
"""Standard deviation of the initial weights."""

VOCABULARY_MULTIPLE = 64

EMBEDDINGS = ("embed_tokens.weight", "lm_head.weight")
"""Names of the parameters with a row per token, and rows of padding."""

Recompute: TypeAlias = Literal["none", "selective", "full"]

Tensor = Any
"""``torch.Tensor``; mypy does not follow torch's imports."""

KEPT_BY_SELECTIVE = [
    torch.ops.aten.mm.default,
    torch.ops.aten.addmm.default,
    torch.ops.aten.bmm.default,
    torch.ops.aten._scaled_dot_product_cudnn_attention.default,
    torch.ops.aten._scaled_dot_product_efficient_attention.default,
    torch.ops.aten._scaled_dot_product_flash_attention.default,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu.default,
]
"""Operations whose results are kept for the backward pass by selective activation checkpointing."""


class Decoder(nn.Module):  # type: ignore[misc]
    """Predicts the next token at every position of a sequence.

    Embeddings have ``padded(vocab_size)`` rows; the rows of the padding take no part in any result. ``recompute`` says
    what the backward pass of a block computes again (see ``Block``).
    """

    def __init__(self, shape: ModelSection, vocab_size: int, recompute: Recompute = "none") -> None:
        super().__init__()
        self.shape, self.vocab_size = shape, vocab_size
        self.embed_tokens = nn.Embedding(padded(vocab_size), shape.dim)
        self.layers = nn.ModuleList(Block(shape, recompute) for _ in range(shape.layers))
        self.norm = nn.RMSNorm(shape.dim, eps=shape.norm_eps)
        self.lm_head = None if shape.tie_embeddings else nn.Linear(shape.dim, padded(vocab_size), bias=False)

    def forward(self, tokens: Tensor, loss: Literal["sum", "tokens"] | None = None) -> Tensor:
        """Map token ids, shape (batch, length), to logits, shape (batch, length, vocab_size).

        With ``loss="sum"``, return instead the cross-entropy of each position with the token after it, in nats, summed
        over the batch; the last position has no target. With ``loss="tokens"``, return the same without the sum, shape
        (batch, length - 1), and without gradients. Neither computes all logits at once.
        """
        rotation = rotary_table(tokens.shape[1], self.shape.head_dim, self.shape.rope_theta, tokens.device)
        mask = window_mask(tokens.shape[1], self.shape.window, tokens.device)
        x = self.embed_tokens(tokens)
        for block in self.layers:
            x = block(x, rotation, mask)
        x = self.norm(x)
        weight = self.embed_tokens.weight if self.lm_head is None else self.lm_head.weight
        if loss is None:
            return F.linear(x, weight[: self.vocab_size])
        hidden, targets = x[:, :-1].flatten(0, 1), tokens[:, 1:].flatten()
        if loss == "sum":
            return linear_cross_entropy(hidden, weight, targets, self.vocab_size)
        return token_losses(hidden, weight, targets, self.vocab_size).view(len(tokens), tokens.shape[1] - 1)


class Block(nn.Module):  # type: ignore[misc]
    """Attention, then the feed-forward network; each takes the normalised residual stream and adds to it.

    The backward pass computes all activations of the block again (``"full"`` recompute; Chen et al. 2016,
    arXiv:1604.06174), those that are not results of matrix products and attention (``"selective"``), or none.
    """

    def __init__(self, shape: ModelSection, recompute: Recompute = "none") -> None:
        super().__init__()
        self.recompute = recompute
        self.input_layernorm = nn.RMSNorm(shape.dim, eps=shape.norm_eps)
        self.self_attn = Attention(shape)
        self.post_attention_layernorm = nn.RMSNorm(shape.dim, eps=shape.norm_eps)
        self.mlp = FeedForward(shape)

    def forward(self, x: Tensor, rotation: Tensor, mask: Tensor | None = None) -> Tensor:
        if self.recompute == "none":
            return self._add(x, rotation, mask)
        options: dict[str, Any] = {"use_reentrant": False, "preserve_rng_state": False}  # nothing here is random
        if self.recompute == "selective":
            options["context_fn"] = partial(create_selective_checkpoint_contexts, KEPT_BY_SELECTIVE)
        return checkpoint(self._add, x, rotation, mask, **options)

    def _add(self, x: Tensor, rotation: Tensor, mask: Tensor | None) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), rotation, mask)
        return x + self.mlp(self.post_attention_layernorm(x))


class Attention(nn.Module):  # type: ignore[misc]
    """Causal attention with rotary positions and grouped query heads (GQA, Ainslie et al. 2023)."""

    def __init__(self, shape: ModelSection) -> None:
        super().__init__()
        self.head_dim = shape.head_dim
        self.group = shape.heads // shape.key_value_heads
        self.q_proj = nn.Linear(shape.dim, shape.heads * shape.head_dim, bias=False)
        self.k_proj = nn.Linear(shape.dim, shape.key_value_heads * shape.head_dim, bias=False)
        self.v_proj = nn.Linear(shape.dim, shape.key_value_heads * shape.head_dim, bias=False)
        self.o_proj = nn.Linear(shape.heads * shape.head_dim, shape.dim, bias=False)
        self.q_norm = nn.RMSNorm(shape.head_dim, eps=shape.norm_eps) if shape.qk_norm else nn.Identity()
        self.k_norm = nn.RMSNorm(shape.head_dim, eps=shape.norm_eps) if shape.qk_norm else nn.Identity()

    def forward(self, x: Tensor, rotation: Tensor, mask: Tensor | None = None) -> Tensor:
        """Map (batch, length, dim) to the same shape; ``mask`` is that of a window, None for all earlier positions."""
        q, k, v = (self._heads(projection(x)) for projection in (self.q_proj, self.k_proj, self.v_proj))
        q, k = rotate(self.q_norm(q), rotation), rotate(self.k_norm(k), rotation)
        if mask is None:
            mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=self.group > 1)
        else:  # not every kernel takes both a mask and grouped heads
            k, v = (heads.repeat_interleave(self.group, dim=1) for heads in (k, v))
            mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
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


def padded(vocab_size: int) -> int:
    """Return the number of rows of an embedding: a multiple of 64, which GPUs compute faster and processes share."""
    return -(-vocab_size // VOCABULARY_MULTIPLE) * VOCABULARY_MULTIPLE


def hugging_face_name(name: str) -> str:
    """Return the name of a parameter of ``Decoder`` in a checkpoint of ``transformers``."""
    return name if name.startswith("lm_head.") else f"model.{name}"


def rotary_table(length: int, head_dim: int, theta: float, device: Any) -> Tensor:
    """Return cosines and sines, shape (2, length, head_dim / 2), float32 (Su et al. 2021, arXiv:2104.09864)."""
    frequencies = 1 / theta ** (torch.arange(0, head_dim, 2, device=device, dtype=torch.float32) / head_dim)
    angles = torch.outer(torch.arange(length, device=device, dtype=torch.float32), frequencies)
    return torch.stack((angles.cos(), angles.sin()))


def rotate(x: Tensor, rotation: Tensor) -> Tensor:
    """Rotate pair (i, i + head_dim / 2) of each head, in float32: bfloat16 cannot separate distant positions."""
    cosine, sine = rotation
    a, b = x.float().chunk(2, dim=-1)
    return torch.cat((a * cosine - b * sine, b * cosine + a * sine), dim=-1).type_as(x)


def window_mask(length: int, window: int | None, device: Any) -> Tensor | None:
    """Return which positions (columns) each position attends to: itself and the ``window`` - 1 before it.

    The shape is (length, length). None stands for all earlier positions, if the window excludes none.
    """
    if window is None or window >= length:
        return None
    positions = torch.arange(length, device=device)
    distance = positions.unsqueeze(1) - positions
    return (distance >= 0) & (distance < window)
