"""SimHash fingerprints and the tables by which close ones meet, for many documents at once.

Charikar 2002: every shingle has a hash of 64 bits, and a bit of the fingerprint says whether more than half of the
document's shingles have it. The share of bits in which two fingerprints differ estimates the angle between the two
documents as vectors. The vectors here are those of *sets* of shingles: repetition inside a page (menus, tables) does
not outweigh what is said once, and documents are compared by the very sets that MinHash compares.

Manku, Jain and Das Sarma 2007, 3: to find all pairs within Hamming distance d, cut the 64 bits into d + 3 blocks and
have a table for every choice of three of them. d differing bits touch d blocks at most, so at least three blocks are
equal, and their table has the two in one bucket: nothing is missed. d = 3 makes 20 tables of keys of 31 to 33 bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, pairwise

import numpy as np

from gristmill.corpus.words import mix
from gristmill.transforms.dedup.minhash import BAND_MASK
from gristmill.transforms.dedup.shingles import Integers, Sets, UInt32s, UInt64s

BITS = 64
_EQUAL_BLOCKS = 3
_LANES = np.uint64(0x0101010101010101)
_LANE_MOST = 255  # what a lane of eight bits can count to


@dataclass(frozen=True)
class SimHasher:
    """Finds what is within a Hamming ``distance``."""

    distance: int
    width = 2
    """Values in a signature: the low and the high half of the fingerprint."""

    @property
    def bands(self) -> int:
        """Tables."""
        return len(self._masks)

    def signatures(self, sets: Sets) -> UInt32s:
        """Fingerprints of the sets, uint32 [sets, 2], low half first; of an empty one 0."""
        return fingerprints(sets).astype("<u8").view("<u4").astype(np.uint32, copy=False).reshape(-1, 2)

    def band_hashes(self, signatures: UInt32s) -> UInt64s:
        """uint64 [documents, tables]: a hash of the table's blocks, in the low 12 bits the table's number."""
        prints = signatures[:, 0] | signatures[:, 1].astype(np.uint64) << np.uint64(32)
        numbers = np.arange(self.bands, dtype=np.uint64)
        return mix(prints[:, None] & self._masks ^ mix(numbers)) & ~BAND_MASK | numbers

    @cached_property
    def _masks(self) -> UInt64s:
        """Which bits each table looks at."""
        blocks = self.distance + _EQUAL_BLOCKS
        cuts = [BITS * block // blocks for block in range(blocks + 1)]
        masks = [(1 << end) - (1 << begin) for begin, end in pairwise(cuts)]
        return np.array([sum(chosen) for chosen in combinations(masks, _EQUAL_BLOCKS)], np.uint64)


def fingerprints(sets: Sets) -> UInt64s:
    """The SimHash of each set, uint64 [sets]; of an empty one 0. A bit that just half of the shingles have is 0.

    Bits are counted eight at a time: every eighth bit of a hash is a lane of eight in a sum of up to 255 hashes.
    """
    result = np.zeros(len(sets.counts), np.uint64)
    filled = sets.counts > 0
    counts = sets.counts[filled]
    if len(counts):
        result[filled] = _majorities(_bit_counts(mix(sets.values.astype(np.uint64)), counts), counts)
    return result


def _bit_counts(hashes: UInt64s, counts: Integers) -> Integers:
    """How many hashes of each run of ``counts`` have each bit: int64 [runs, 64]."""
    pieces = -(-counts // _LANE_MOST)
    firsts = pieces.cumsum() - pieces
    inside = np.arange(pieces.sum()) - np.repeat(firsts, pieces)
    starts = np.repeat(counts.cumsum() - counts, pieces) + _LANE_MOST * inside
    lanes = np.stack([np.add.reduceat(hashes >> np.uint64(bit) & _LANES, starts) for bit in range(8)], axis=1)
    in_pieces = lanes.astype("<u8").view(np.uint8).reshape(-1, 8, 8)  # bit within the byte, byte
    return np.add.reduceat(in_pieces.astype(np.int64), firsts).transpose(0, 2, 1).reshape(-1, BITS)


def _majorities(bit_counts: Integers, counts: Integers) -> UInt64s:
    bits = 2 * bit_counts > counts[:, None]
    return np.packbits(bits, axis=1, bitorder="little").view("<u8").ravel().astype(np.uint64)
