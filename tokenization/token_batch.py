"""Arrays of tokens: their type, and batches of several documents. Does not import ``tokenizers``."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gristmill.corpus.arrays import Int64s

Tokens: TypeAlias = NDArray[Any]
"""Token numbers, little-endian uint16 or uint32."""


class TokenBatch(NamedTuple):
    """The tokens of documents, concatenated, and the number of tokens of each document: int64 [documents]."""

    tokens: Tokens
    lengths: Int64s


def token_dtype(vocab_size: int) -> np.dtype[Any]:
    """Return the type of a token on disk: uint16 for vocabularies of fewer than 65,500 entries, else uint32."""
    return np.dtype("<u2" if vocab_size < 65_500 else "<u4")
