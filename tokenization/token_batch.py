"""Arrays of tokens: their type, and batches of several documents. Does not import ``tokenizers``."""

from __future__ import annotations

from collections.abc import Sequence
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

    def documents(self) -> list[Tokens]:
        """Return the tokens of each document."""
        ends = np.cumsum(self.lengths).tolist()
        return [self.tokens[start:end] for start, end in zip([0, *ends], ends, strict=False)]

    def select(self, rows: Int64s) -> TokenBatch:
        """Return the documents at ``rows``, in that order."""
        documents = self.documents()
        selected = [documents[row] for row in rows.tolist()]
        return TokenBatch(np.concatenate([self.tokens[:0], *selected]), self.lengths[rows])


def token_dtype(vocab_size: int) -> np.dtype[Any]:
    """Return the type of a token on disk: uint16 for vocabularies of fewer than 65,500 entries, else uint32."""
    return np.dtype("<u2" if vocab_size < 65_500 else "<u4")


def concatenate(batches: Sequence[TokenBatch]) -> TokenBatch:
    """Return the documents of all batches as one batch; there must be at least one."""
    tokens, lengths = (np.concatenate(part) for part in zip(*batches, strict=True))
    return TokenBatch(tokens, lengths)
