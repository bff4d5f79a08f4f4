"""Multilinear hashes of sequences of numbers (Lemire and Kaser 2014, "Strongly universal string hashing is fast").

The hash of a sequence is the sum of its numbers times fixed multipliers, one per position, finalized by ``mix64``. The
numbers are the code points of a word, or the hashes of the words of a shingle.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gristmill.corpus.arrays import Int64s, UInt64s

_USUAL_LENGTH = 4096  # longer sequences are rare; they compute their multipliers each time


def shingle_hashes(hashes: UInt64s, n: int) -> UInt64s:
    """The hash of every ``n`` consecutive words, in order, from the hashes of the words: uint64 [words - n + 1].

    Fewer than ``n`` words make one shingle together, no words make none. Raises ValueError if ``n`` < 1.
    """
    if n < 1:
        raise ValueError(f"a shingle has at least one word, not {n}")
    n = min(n, len(hashes))
    count = len(hashes) - n + 1 if n else 0
    total = np.zeros(count, np.uint64)
    for position, multiplier in enumerate(multipliers(n)[:n]):
        total += hashes[position : position + count] * multiplier
    return mix64(total)


def shingle_hashes_at(hashes: UInt64s, places: NDArray[np.integer[Any]], n: int) -> UInt64s:
    """``shingle_hashes(hashes, n)[places]``, without computing the others: uint64 [places]. Each has ``n`` words."""
    total = np.zeros(len(places), np.uint64)
    for position, multiplier in enumerate(multipliers(n)[:n]):
        total += hashes.take(places + position) * multiplier
    return mix64(total)


def sequence_hashes(hashes: UInt64s, counts: Int64s) -> UInt64s:
    """The hash of each sequence of words, equal to that of one shingle of all its words: uint64 [sequences].

    ``hashes`` [words] holds the sequences one after another, ``counts`` [sequences] their numbers of words. The hash of
    an empty sequence is 0.
    """
    total = np.zeros(len(counts), np.uint64)
    filled = counts > 0
    firsts = (counts.cumsum() - counts)[filled]
    if len(firsts):
        places = np.arange(len(hashes)) - np.repeat(firsts, counts[filled])
        terms = multipliers(int(counts.max())).take(places)
        terms *= hashes
        total[filled] = np.add.reduceat(terms, firsts)
    return mix64(total)


def mix64(values: UInt64s) -> UInt64s:
    """The finalizer of SplitMix64 (Steele, Lea and Flood 2014): a bijection in which each bit depends on all bits."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    result: UInt64s = values ^ (values >> np.uint64(31))
    return result


@lru_cache(maxsize=1)
def usual_multipliers() -> UInt64s:
    return _stream(_USUAL_LENGTH)


def multipliers(length: int) -> UInt64s:
    """At least ``length`` fixed pseudo-random odd numbers: a prefix of the same sequence for every length."""
    return usual_multipliers() if length <= _USUAL_LENGTH else _stream(length)


def _stream(length: int) -> UInt64s:
    golden = np.uint64(0x9E3779B97F4A7C15)
    result: UInt64s = mix64(np.arange(1, length + 1, dtype=np.uint64) * golden) | np.uint64(1)
    return result
