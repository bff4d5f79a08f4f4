"""What documents are compared by: the set of their shingles.

A shingle is a number of 32 bits: the upper half of the hash of ``ngram`` consecutive words. In a set of n shingles
n²/2^33 pairs are expected to share a number, so a similarity is off by some n/2^33: a hundred-thousandth for a book of
100,000 words, nothing for a page. Sets follow from the word hashes alone, so documents of equal words have equal sets.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gristmill.corpus.words import shingle_hashes

UInt64s: TypeAlias = NDArray[np.uint64]
UInt32s: TypeAlias = NDArray[np.uint32]
Integers: TypeAlias = NDArray[np.int64]

_HALF = np.uint64(32)


class Sets(NamedTuple):
    """Sets one after another: ``values`` uint32 [sum of ``counts``], ascending inside each; ``counts`` int64 [sets]."""

    values: UInt32s
    counts: Integers

    @property
    def starts(self) -> Integers:
        """Where each set begins."""
        return self.counts.cumsum() - self.counts


def shingle_sets(words: UInt64s, counts: Integers, ngram: int) -> Sets:
    """The shingles of documents whose word hashes lie one after another, ``counts`` int64 [documents] of each.

    A document of fewer words than ``ngram`` has one shingle of them all; one without words has none.
    """
    many = np.where(counts < ngram, counts > 0, counts - ngram + 1)
    values = np.empty(many.sum(), np.uint32)
    ends = many.cumsum()
    # Windows over all words, those of two documents taken out; then the few documents that are shorter than a window.
    inside = np.repeat(np.arange(len(counts)), counts)
    within = inside[: len(words) - ngram + 1] == inside[ngram - 1 :] if len(words) >= ngram else inside[:0] != 0
    full = np.repeat(counts >= ngram, many)
    values[full] = (shingle_hashes(words, ngram)[: len(within)][within] >> _HALF).astype(np.uint32)
    firsts = counts.cumsum() - counts
    for short in np.flatnonzero((counts > 0) & (counts < ngram)).tolist():
        own = words[firsts[short] : firsts[short] + counts[short]]
        values[ends[short] - 1] = int(shingle_hashes(own, ngram)[0]) >> 32
    begin = 0
    for end in ends.tolist():
        values[
            begin:end
        ].sort()  # one by one: numpy sorts a few hundred of 32 bits several times faster than all at once
        begin = end
    distinct = np.empty(len(values), np.bool_)
    distinct[1:] = values[1:] != values[:-1]
    distinct[(ends - many)[many > 0]] = True
    return Sets(values[distinct], np.diff(np.insert(distinct.cumsum(), 0, 0)[np.insert(ends, 0, 0)]))
