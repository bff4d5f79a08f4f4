"""MinHash signatures and their bands, for many documents at once.

Broder 1997: under a random permutation of all shingles two sets have the same minimum with probability equal to their
Jaccard similarity. Permutations here are h → a·h + b mod 2^32 with odd ``a`` (a bijection) on the upper 32 bits of the
shingle hashes, which come mixed. That family is not min-wise independent in the strict sense; on mixed hashes its error
is that of ideal permutations (tested), and a product in uint32 is several times faster than the remainder by a Mersenne
prime. At 32 bits, n/2^33 of a set of n shingles collide: one in a thousand at 10 million, and candidates are verified.

Shingles of many documents lie in one array and are worked on in blocks that stay in the processor's cache, one
permutation after another; a document may span blocks. Beyond input and output, memory is a few blocks and
4·bands·rows bytes for each piece of a document in a block.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gristmill.corpus.words import mix
from gristmill.transforms.dedup.section import DedupSection
from gristmill.transforms.dedup.shingles import UInt32s, UInt64s

_BLOCK = 16384  # shingles: two arrays of 64 KiB in the second-level cache
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class MinHasher:
    """``bands`` x ``rows`` permutations, which follow from ``seed`` alone."""

    bands: int
    rows: int
    seed: int

    @classmethod
    def of(cls, section: DedupSection) -> MinHasher:
        bands, rows = section.banding
        return cls(bands, rows, section.seed)

    def signatures(self, shingles: UInt64s, starts: NDArray[np.int64]) -> UInt32s:
        """Minima of each document under each permutation, uint32 [documents, bands x rows].

        ``shingles`` holds the documents' shingle hashes one after another (repeats do no harm), and document i begins
        at ``starts[i]``. A document without shingles gets the largest value everywhere.
        """
        total = len(shingles)
        result = np.full((len(starts), self.bands * self.rows), 2**32 - 1, np.uint32)
        filled = np.flatnonzero(np.diff(starts, append=total))
        if not len(filled):
            return result
        cuts = np.union1d(starts[filled], np.arange(0, total, _BLOCK))
        pieces = np.empty((self.bands * self.rows, len(cuts)), np.uint32)
        for begin in range(0, total, _BLOCK):
            first, last = np.searchsorted(cuts, (begin, begin + _BLOCK))
            self._minima(shingles[begin : begin + _BLOCK], cuts[first:last] - begin, pieces[:, first:last])
        result[filled] = np.minimum.reduceat(pieces, np.searchsorted(cuts, starts[filled]), axis=1).T
        return result

    def band_hashes(self, signatures: UInt32s) -> UInt64s:
        """uint64 [documents, bands]: a hash of the band's number and its values, so that bands cannot be confused."""
        values = signatures.reshape(len(signatures), self.bands, self.rows)
        hashes = np.broadcast_to(mix(np.arange(self.bands, dtype=np.uint64)), values.shape[:2])
        for row in range(self.rows):
            hashes = mix(hashes ^ values[:, :, row])
        return hashes

    @cached_property
    def _permutations(self) -> tuple[UInt32s, UInt32s]:
        counter = np.arange(1, self.bands * self.rows + 1, dtype=np.uint64) * _GOLDEN
        stream = mix(counter + mix(np.array([self.seed], np.uint64)))
        return (stream >> np.uint64(32)).astype(np.uint32) | np.uint32(1), stream.astype(np.uint32)

    def _minima(self, shingles: UInt64s, starts: NDArray[np.int64], out: UInt32s) -> None:
        """Minima of a block's pieces, which begin at ``starts``, none empty, into ``out`` [permutations, pieces]."""
        hashes = (shingles >> np.uint64(32)).astype(np.uint32)
        permuted = np.empty_like(hashes)
        for index, (factor, summand) in enumerate(zip(*self._permutations, strict=True)):
            np.multiply(hashes, factor, out=permuted)
            np.add(permuted, summand, out=permuted)
            np.minimum.reduceat(permuted, starts, out=out[index])
