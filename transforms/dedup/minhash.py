"""MinHash signatures and their bands, for many documents at once.

Broder 1997: under a random permutation of all shingles, two sets have the same minimum with probability equal to their
Jaccard similarity. The permutations here are h → a·h + b mod 2^32 with odd ``a`` (a bijection) of shingles, which are
mixed hashes. This family is not min-wise independent in the strict sense, but on mixed hashes its error is that of
ideal permutations (tested), and a product of uint32 is several times faster than the remainder by a Mersenne prime.

The concatenated shingles of many documents are processed in blocks that fit the processor's cache, one permutation at a
time; a document may span blocks. Beyond input and output, memory is a few blocks and 4·bands·rows bytes for each piece
of a document in a block.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gristmill.corpus.arrays import Int64s, UInt32s, UInt64s
from gristmill.corpus.multilinear_hash import mix64
from gristmill.transforms.dedup.dedup_section import DedupSection
from gristmill.transforms.dedup.shingles import ShingleSets

_BLOCK = 2**16  # shingles: two arrays of 256 KiB, which fit the L2 cache
BAND_MASK = np.uint64(2**12 - 1)
"""The low bits of a band hash, which hold the number of the band."""

URL_BAND = BAND_MASK
"""The band number of URL buckets; those of bands are smaller."""

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class MinHasher:
    """``bands`` x ``rows`` permutations, which depend on ``seed`` alone."""

    bands: int
    rows: int
    seed: int

    @classmethod
    def from_section(cls, section: DedupSection) -> MinHasher:
        bands, rows = section.banding
        return cls(bands, rows, section.seed)

    @property
    def width(self) -> int:
        """Values in a signature."""
        return self.bands * self.rows

    def signatures(self, sets: ShingleSets) -> UInt32s:
        """The minimum of each set under each permutation, uint32 [sets, bands x rows]; 2^32 - 1 for an empty set."""
        total, starts = len(sets.values), sets.starts
        result = np.full((len(starts), self.bands * self.rows), 2**32 - 1, np.uint32)
        filled = np.flatnonzero(sets.counts)
        if not len(filled):
            return result
        cuts = np.union1d(starts[filled], np.arange(0, total, _BLOCK))
        pieces = np.empty((self.bands * self.rows, len(cuts)), np.uint32)
        for begin in range(0, total, _BLOCK):
            first, last = np.searchsorted(cuts, (begin, begin + _BLOCK))
            self._minima(sets.values[begin : begin + _BLOCK], cuts[first:last] - begin, pieces[:, first:last])
        result[filled] = np.minimum.reduceat(pieces, np.searchsorted(cuts, starts[filled]), axis=1).T
        return result

    def band_hashes(self, signatures: UInt32s) -> UInt64s:
        """uint64 [documents, bands]: a hash of the band's values, with the band's number in the ``BAND_MASK`` bits."""
        values = signatures.reshape(len(signatures), self.bands, self.rows)
        numbers = np.arange(self.bands, dtype=np.uint64)
        hashes = np.broadcast_to(mix64(numbers), values.shape[:2])
        for row in range(self.rows):
            hashes = mix64(hashes ^ values[:, :, row])
        result: UInt64s = hashes & ~BAND_MASK | numbers
        return result

    @cached_property
    def _permutations(self) -> tuple[UInt32s, UInt32s]:
        counter = np.arange(1, self.bands * self.rows + 1, dtype=np.uint64) * _GOLDEN
        stream = mix64(counter + mix64(np.array([self.seed], np.uint64)))
        return (stream >> np.uint64(32)).astype(np.uint32) | np.uint32(1), stream.astype(np.uint32)

    def _minima(self, shingles: UInt32s, starts: Int64s, out: UInt32s) -> None:
        """Write the minima of a block's non-empty pieces, beginning at ``starts``, to ``out`` [values, pieces]."""
        permuted = np.empty_like(shingles)
        for index, (factor, summand) in enumerate(zip(*self._permutations, strict=True)):
            np.multiply(shingles, factor, out=permuted)
            np.add(permuted, summand, out=permuted)
            np.minimum.reduceat(permuted, starts, out=out[index])
