"""Shingle sets, by which documents are compared.

A shingle is a 32-bit number: the upper half of the hash of ``ngram`` consecutive words. In a set of n shingles, n²/2^33
pairs are expected to collide, so a similarity is off by about n/2^33: 1/100,000 for a book of 100,000 words, nothing
for a page. The sets depend on the word hashes alone, so documents with equal words have equal sets.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gristmill.corpus.arrays import Int64s, UInt32s, UInt64s
from gristmill.corpus.multilinear_hash import shingle_hashes

_HALF = np.uint64(32)


class ShingleSets(NamedTuple):
    """Concatenated sets: ``values`` uint32 [sum of ``counts``], ascending within each; ``counts`` int64 [sets]."""

    values: UInt32s
    counts: Int64s

    @property
    def starts(self) -> Int64s:
        """Where each set begins."""
        return self.counts.cumsum() - self.counts


def shingle_sets(words: UInt64s, counts: Int64s, ngram: int) -> ShingleSets:
    """The shingle sets of documents, given their concatenated word hashes and the number of words of each.

    A document with fewer words than ``ngram`` has one shingle of all its words; one without words has none.
    """
    shingles = np.where(counts < ngram, counts > 0, counts - ngram + 1)
    values = np.empty(shingles.sum(), np.uint32)
    ends = shingles.cumsum()
    # Windows over all words, without those that span two documents; then the few documents shorter than a window.
    document = np.repeat(np.arange(len(counts)), counts)
    within = document[: len(words) - ngram + 1] == document[ngram - 1 :] if len(words) >= ngram else document[:0] != 0
    full = np.repeat(counts >= ngram, shingles)
    values[full] = (shingle_hashes(words, ngram)[: len(within)][within] >> _HALF).astype(np.uint32)
    firsts = counts.cumsum() - counts
    for short in np.flatnonzero((counts > 0) & (counts < ngram)).tolist():
        own = words[firsts[short] : firsts[short] + counts[short]]
        values[ends[short] - 1] = int(shingle_hashes(own, ngram)[0]) >> 32
    begin = 0
    for end in ends.tolist():
        values[begin:end].sort()  # one by one: NumPy sorts a few hundred uint32 several times faster than all at once
        begin = end
    distinct = np.empty(len(values), np.bool_)
    distinct[1:] = values[1:] != values[:-1]
    distinct[(ends - shingles)[shingles > 0]] = True
    return ShingleSets(values[distinct], np.diff(np.insert(distinct.cumsum(), 0, 0)[np.insert(ends, 0, 0)]))
