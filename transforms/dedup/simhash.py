"""SimHash fingerprints, and tables in which similar ones share a bucket, for many documents at once.

Charikar 2002: every shingle has a 64-bit hash, and a bit of the fingerprint is 1 if more than half of the document's
shingles have it. The share of bits in which two fingerprints differ estimates the angle between the two documents as
vectors. The vectors here are those of shingle *sets*: repetition within a page (menus, tables) does not outweigh what
is said once, and documents are compared by the same sets as with MinHash.

Manku, Jain and Das Sarma 2007, 3: to find all pairs within Hamming distance d, cut the 64 bits into d + 3 blocks and
build a table for every choice of three blocks. At most d blocks differ, so at least three are equal, and in their table
the pair shares a bucket: no pair is missed. d = 3 makes 20 tables with keys of 31 to 33 bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, pairwise

import numpy as np

from gristmill.corpus.arrays import Int64s, UInt32s, UInt64s
from gristmill.corpus.multilinear_hash import mix64
from gristmill.transforms.dedup.minhash import BAND_MASK
from gristmill.transforms.dedup.shingles import ShingleSets

BITS = 64
_EQUAL_BLOCKS = 3
_LANES = np.uint64(0x0101010101010101)
_LANE_MAX = 255  # the largest count that a lane of eight bits can hold


@dataclass(frozen=True)
class SimHasher:
    """Finds documents within a Hamming ``distance``."""

    distance: int
    width = 2
    """Values in a signature: the low and the high half of the fingerprint."""

    @property
    def bands(self) -> int:
        """Number of tables."""
        return len(self._masks)

    def signatures(self, sets: ShingleSets) -> UInt32s:
        """The fingerprints of the sets, uint32 [sets, 2], low half first; 0 for an empty set."""
        return simhash_fingerprints(sets).astype("<u8").view("<u4").astype(np.uint32, copy=False).reshape(-1, 2)

    def band_hashes(self, signatures: UInt32s) -> UInt64s:
        """uint64 [documents, tables]: a hash of the table's blocks, with the table's number in the low 12 bits."""
        prints = signatures[:, 0] | signatures[:, 1].astype(np.uint64) << np.uint64(32)
        numbers = np.arange(self.bands, dtype=np.uint64)
        result: UInt64s = mix64(prints[:, None] & self._masks ^ mix64(numbers)) & ~BAND_MASK | numbers
        return result

    @cached_property
    def _masks(self) -> UInt64s:
        """The bits that each table compares."""
        blocks = self.distance + _EQUAL_BLOCKS
        cuts = [BITS * block // blocks for block in range(blocks + 1)]
        masks = [(1 << end) - (1 << begin) for begin, end in pairwise(cuts)]
        return np.array([sum(chosen) for chosen in combinations(masks, _EQUAL_BLOCKS)], np.uint64)


def simhash_fingerprints(sets: ShingleSets) -> UInt64s:
    """The SimHash of each set, uint64 [sets]; 0 for an empty set. A bit that exactly half of the shingles have is 0.

    Bits are counted eight at a time: every eighth bit of a hash is an eight-bit lane in a sum of up to 255 hashes.
    """
    result = np.zeros(len(sets.counts), np.uint64)
    filled = sets.counts > 0
    counts = sets.counts[filled]
    if len(counts):
        result[filled] = _majorities(_bit_counts(mix64(sets.values.astype(np.uint64)), counts), counts)
    return result


def _bit_counts(hashes: UInt64s, counts: Int64s) -> Int64s:
    """How many hashes of each run have each bit: int64 [runs, 64]. ``counts`` are the lengths of the runs."""
    pieces = -(-counts // _LANE_MAX)
    firsts = pieces.cumsum() - pieces
    piece = np.arange(pieces.sum()) - np.repeat(firsts, pieces)
    starts = np.repeat(counts.cumsum() - counts, pieces) + _LANE_MAX * piece
    lanes = np.stack([np.add.reduceat(hashes >> np.uint64(bit) & _LANES, starts) for bit in range(8)], axis=1)
    in_pieces = lanes.astype("<u8").view(np.uint8).reshape(-1, 8, 8)  # bit within the byte, byte
    result: Int64s = np.add.reduceat(in_pieces.astype(np.int64), firsts).transpose(0, 2, 1).reshape(-1, BITS)
    return result


def _majorities(bit_counts: Int64s, counts: Int64s) -> UInt64s:
    bits = 2 * bit_counts > counts[:, None]
    return np.packbits(bits, axis=1, bitorder="little").view("<u8").ravel().astype(np.uint64)
