"""Cross-entropy of a linear layer without the logits of all positions at once.

The logits of a chunk of positions are computed, used for the loss and for both gradients, and dropped, as in
FusedLinearCrossEntropy of Liger Kernel (Hsu et al. 2024, arXiv:2410.10989). Only gradients, not logits, are kept
between the forward and the backward pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.autograd.function import once_differentiable

CHUNK_LOGITS = 1 << 24
"""Logits of a chunk: 64 MiB in float32."""

MIN_CHUNK = 256
"""Positions of a chunk with a large vocabulary: matrix products of fewer rows are slow."""


def linear_cross_entropy(hidden: Any, weight: Any, targets: Any, vocab_size: int) -> Any:
    """Return the cross-entropy of ``hidden @ weight.T`` with ``targets``, summed over positions, in nats.

    ``hidden`` has the shape (positions, dim), ``weight`` (at least vocab_size, dim) and the same type, ``targets``
    (positions,). Rows of ``weight`` from ``vocab_size`` on are padding: they take no part in the softmax. The softmax
    and the sum are computed in float32, also for bfloat16.
    """
    if torch.is_grad_enabled():
        return _LinearCrossEntropy.apply(hidden, weight, targets, vocab_size)
    return token_losses(hidden, weight, targets, vocab_size).sum()


@torch.no_grad()  # type: ignore[untyped-decorator]
def token_losses(hidden: Any, weight: Any, targets: Any, vocab_size: int) -> Any:
    """Return the cross-entropy of each position, shape (positions,), without gradients."""
    losses = hidden.new_empty(len(hidden), dtype=_wide_type(hidden))
    for rows in _chunks(len(hidden), vocab_size):
        losses[rows] = _losses(_log_probabilities(hidden[rows], weight[:vocab_size]), targets[rows])
    return losses


class _LinearCrossEntropy(torch.autograd.Function):  # type: ignore[misc]
    """Computes the gradients with the loss; the backward pass scales them."""

    @staticmethod
    def forward(ctx: Any, hidden: Any, weight: Any, targets: Any, vocab_size: int) -> Any:
        used_weight = weight[:vocab_size]
        losses = hidden.new_empty(len(hidden), dtype=_wide_type(hidden))
        grad_hidden = torch.empty_like(hidden)
        grad_weight = torch.zeros_like(weight, dtype=losses.dtype)
        for rows in _chunks(len(hidden), vocab_size):
            log_probabilities = _log_probabilities(hidden[rows], used_weight)
            losses[rows] = _losses(log_probabilities, targets[rows])
            grad_logits = log_probabilities.exp_()
            grad_logits[torch.arange(len(grad_logits), device=hidden.device), targets[rows]] -= 1
            grad_logits = grad_logits.to(hidden.dtype)
            grad_hidden[rows] = grad_logits @ used_weight
            grad_weight[:vocab_size] += grad_logits.T @ hidden[rows]
        ctx.save_for_backward(grad_hidden, grad_weight)
        return losses.sum()

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, grad_loss: Any) -> tuple[Any, Any, None, None]:
        grad_hidden, grad_weight = ctx.saved_tensors
        return grad_hidden * grad_loss, (grad_weight * grad_loss).to(grad_hidden.dtype), None, None


def _log_probabilities(hidden: Any, weight: Any) -> Any:
    """Return the logarithm of the softmax over the vocabulary, shape (positions, vocabulary)."""
    return torch.log_softmax(hidden @ weight.T, dim=1, dtype=_wide_type(hidden))


def _losses(log_probabilities: Any, targets: Any) -> Any:
    return -log_probabilities.gather(1, targets.unsqueeze(1)).squeeze(1)


def _chunks(positions: int, vocab_size: int) -> Iterator[slice]:
    size = max(CHUNK_LOGITS // vocab_size, MIN_CHUNK)
    for first in range(0, positions, size):
        yield slice(first, first + size)


def _wide_type(tensor: Any) -> Any:
    return torch.promote_types(tensor.dtype, torch.float32)
