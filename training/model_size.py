"""The size of a model, and the floating-point operations to train it. It does not import torch."""

from __future__ import annotations

from gristmill.training.model_section import ModelSection


def parameter_count(shape: ModelSection, vocab_size: int) -> int:
    """Return the number of parameters of a ``Decoder``, without the padding of its embeddings."""
    attention = shape.dim * shape.head_dim * (2 * shape.heads + 2 * shape.key_value_heads)
    norms = 2 * shape.dim + (2 * shape.head_dim if shape.qk_norm else 0)
    block = attention + 3 * shape.dim * shape.ffn_dim + norms
    embeddings = vocab_size * shape.dim * (1 if shape.tie_embeddings else 2)
    return embeddings + shape.layers * block + shape.dim


def flops_per_token(shape: ModelSection, vocab_size: int, length: int) -> int:
    """Return the floating-point operations to train on one token (PaLM, Chowdhery et al. 2022, appendix B).

    These are 6 per weight that takes part in a matrix multiplication, plus 12 × layers × dim × length for attention,
    as if every position attended to all ``length`` positions.
    """
    return _matrix_flops(shape, vocab_size) + 12 * shape.layers * shape.dim * length


def causal_flops_per_token(shape: ModelSection, vocab_size: int, length: int) -> int:
    """Return ``flops_per_token`` with attention to visible positions only: half of them, or fewer with a window."""
    window = min(shape.window or length, length)
    visible = window * (window + 1) // 2 + (length - window) * window  # the sum of min(i + 1, window) over positions i
    return _matrix_flops(shape, vocab_size) + round(12 * shape.layers * shape.dim * visible / length)


def _matrix_flops(shape: ModelSection, vocab_size: int) -> int:
    lookup_only = 0 if shape.tie_embeddings else vocab_size * shape.dim
    return 6 * (parameter_count(shape, vocab_size) - lookup_only)
