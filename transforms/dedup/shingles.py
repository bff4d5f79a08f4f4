"""What documents are compared by: the set of their shingles, and a hash of all of their words.

Both follow from the word hashes alone, so documents of equal text hash have equal shingle sets by construction. That is
why exact duplicates need no band of their own: they share every band of the LSH.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from gristmill.corpus.words import shingle_hashes, word_hashes

HASH_BYTES = 16

UInt64s: TypeAlias = NDArray[np.uint64]
UInt32s: TypeAlias = NDArray[np.uint32]

DIGITS = 4
"""Similarities are rounded to this many digits before they decide."""


def text_hash(words: UInt64s) -> bytes:
    """16 bytes that equal those of another document iff the normalised words are the same, in the same order."""
    return blake2b(words.astype("<u8", copy=False).tobytes(), digest_size=HASH_BYTES).digest()


def shingle_set(words: UInt64s, ngram: int) -> UInt64s:
    """The distinct shingle hashes of a document's word hashes, ascending. Empty for a document without words."""
    hashes = np.sort(shingle_hashes(words, ngram))
    return hashes[np.insert(hashes[1:] != hashes[:-1], 0, True)] if len(hashes) else hashes


def text_shingles(text: str, ngram: int) -> UInt64s:
    """``shingle_set`` of a text."""
    return shingle_set(word_hashes(text), ngram)


def jaccard(left: UInt64s, right: UInt64s) -> float:
    """|left ∩ right| / |left ∪ right| of two ascending sets, rounded; 1 for two empty ones."""
    if len(left) > len(right):
        left, right = right, left
    if not len(right):
        return 1.0
    found = np.searchsorted(right, left)
    shared = np.count_nonzero(right.take(found, mode="clip") == left)
    return round(float(shared) / float(len(left) + len(right) - shared), DIGITS)
