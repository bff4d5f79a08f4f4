"""N-grams of words that occur more than once in their document, found for many documents at once.

Words are told apart by a hash each, so all is arithmetic on whole numbers. An n-gram can only occur twice where both
(n-1)-grams in it do, so each length looks at what the one before it left: of a usual text a third of the words are
left after pairs, and next to nothing after five. Nothing hangs on which documents are looked at together, but for a
collision of two 64-bit hashes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gristmill.corpus.words import UInt64s, mix

Int64s: TypeAlias = NDArray[np.int64]

TOP_N = (2, 3, 4)
"""N-grams of which the most frequent one counts (Rae et al. 2021, table A1)."""

DUPLICATE_N = (5, 6, 7, 8, 9, 10)
"""N-grams of which all count that occur more than once (the same table)."""


class Tokens(NamedTuple):
    """The words of several documents, one document after the other.

    ``hashes`` [words] say which word it is; ``totals`` [words + 1] how many characters all words before it have, and
    last how many all have; ``edges`` [documents + 1] where each document begins, and where the last one ends.
    """

    hashes: UInt64s
    totals: Int64s
    edges: Int64s

    @classmethod
    def of(cls, hashes: UInt64s, lengths: Int64s, edges: Int64s) -> Tokens:
        """From the ``lengths`` [words] of the words, in characters."""
        return cls(hashes, np.concatenate([[0], np.cumsum(lengths)]), edges)

    def counts(self) -> Int64s:
        """Words of each document: int64 [documents]."""
        return np.diff(self.edges)

    def characters(self) -> Int64s:
        """Characters in the words of each document: int64 [documents]."""
        return np.diff(self.totals[self.edges])


class Repeats(NamedTuple):
    """The n-grams of one length that occur at least twice in their document.

    ``positions`` [occurrences] ascend and say at which word each occurrence begins; ``kinds`` [occurrences] which
    n-gram it is, counted from 0; ``counts`` [n-grams] how often that one occurs.
    """

    n: int
    positions: Int64s
    kinds: Int64s
    counts: Int64s


def repeats(tokens: Tokens, longest: int = DUPLICATE_N[-1]) -> Iterator[Repeats]:
    """What occurs again, for n from 2 to ``longest``."""
    words = _salted(tokens)
    inside = np.ones(max(len(words) - 1, 0), bool)
    inside[tokens.edges[1:-1][(tokens.edges[1:-1] > 0) & (tokens.edges[1:-1] < len(words))] - 1] = False
    positions = np.flatnonzero(inside)
    hashes = words[positions]
    for n in range(2, longest + 1):
        hashes = hashes * _STEP + words[positions + n - 1]
        again, kinds, counts = _again(hashes)
        positions, hashes = positions[again], hashes[again]
        yield Repeats(n, positions, kinds, counts)
        followed = np.flatnonzero(positions[1:] == positions[:-1] + 1)
        positions, hashes = positions[followed], hashes[followed]


class Top(NamedTuple):
    """The most frequent n-gram of each document in which one repeats.

    ``documents`` [found] says of which; ``firsts`` [found] is the word at which it first occurs, ``counts`` [found] how
    often it does, ``kinds`` [found] which one of ``Repeats`` it is.
    """

    documents: Int64s
    firsts: Int64s
    counts: Int64s
    kinds: Int64s


def most_frequent(tokens: Tokens, found: Repeats, *, longest: bool) -> Top:
    """The most frequent n-grams; of equally frequent ones the longest (in characters), or else the first."""
    firsts = np.empty(len(found.counts), np.int64)
    firsts[found.kinds[::-1]] = found.positions[::-1]  # what is written last stays
    documents = np.searchsorted(tokens.edges, firsts, side="right") - 1
    most = np.zeros(len(tokens.edges) - 1, np.int64)
    np.maximum.at(most, documents, found.counts)
    rivals = np.flatnonzero(found.counts == most[documents])
    starts = firsts[rivals]
    ranks = tokens.totals[starts] - tokens.totals[starts + found.n] if longest else np.zeros_like(starts)
    order = np.lexsort((starts, ranks, documents[rivals]))
    best = rivals[order[np.diff(documents[rivals][order], prepend=-1) != 0]]
    return Top(documents[best], firsts[best], found.counts[best], best)


def top_characters(tokens: Tokens, found: Repeats) -> Int64s:
    """Characters in the most frequent n-gram of each document, each once: int64 [documents]; 0 where none repeats."""
    chosen = np.zeros(len(found.counts), bool)
    chosen[most_frequent(tokens, found, longest=True).kinds] = True
    return covered_characters(tokens, found.positions[chosen[found.kinds]], found.n)


def covered_characters(tokens: Tokens, positions: Int64s, n: int) -> Int64s:
    """Characters in the ``n`` words from each of ``positions`` (ascending) on, each once: int64 [documents]."""
    totals = tokens.totals
    ends = positions + n
    begins = np.maximum(positions, np.concatenate([[0], ends[:-1]]))  # ends ascend too
    sums = np.concatenate([[0], np.cumsum(totals[ends] - totals[begins])])
    return np.diff(sums[np.searchsorted(positions, tokens.edges)])


def later_characters(tokens: Tokens, found: Repeats) -> Int64s:
    """Characters of n-grams that stood before, read as datatrove reads: int64 [documents].

    From left to right; after an n-gram that stood before, reading goes on behind it, and what begins inside it is not
    remembered.
    """
    totals = tokens.totals
    spans = (totals[found.positions + found.n] - totals[found.positions]).tolist()
    seen: set[int] = set()
    free = 0
    taken = [0] * len(spans)
    for place, (position, kind) in enumerate(zip(found.positions.tolist(), found.kinds.tolist(), strict=True)):
        if position < free:
            continue
        if kind in seen:
            taken[place] = spans[place]
            free = position + found.n
        else:
            seen.add(kind)
    sums = np.concatenate([[0], np.cumsum(np.array(taken, np.int64))])
    return np.diff(sums[np.searchsorted(found.positions, tokens.edges)])


_STEP = np.uint64(0x9E3779B97F4A7C15)


def _salted(tokens: Tokens) -> UInt64s:
    """The words' hashes, each document's its own: a word of one is no word of another."""
    counts = tokens.counts()
    salts = mix(np.arange(1, len(counts) + 1, dtype=np.uint64) * _STEP)
    return tokens.hashes ^ np.repeat(salts, counts)


def _again(hashes: UInt64s) -> tuple[Int64s, Int64s, Int64s]:
    """Where those are that occur at least twice, ascending; which one each is; and how often each of them occurs."""
    order = _order(hashes)
    ordered = hashes[order]
    same = ordered[1:] == ordered[:-1]
    twice = np.zeros(len(hashes), bool)
    twice[1:] = same
    twice[:-1] |= same
    begins = twice.copy()
    begins[1:] &= ~same
    kinds = np.full(len(hashes), -1)
    kinds[order[twice]] = named = np.cumsum(begins)[twice] - 1
    again = np.flatnonzero(kinds >= 0)
    return again, kinds[again], np.bincount(named)


def _order(hashes: UInt64s) -> Int64s:
    """Places of the hashes with equal ones together, and among those in order.

    Sorted are numbers whose lower bits are places: several times faster than sorting places by hashes. Where two
    different hashes are equal in the upper bits, which is rare, they are sorted in full.
    """
    mask = np.uint64((1 << max(len(hashes), 1).bit_length()) - 1)
    packed = (hashes & ~mask) | np.arange(len(hashes), dtype=np.uint64)
    packed.sort()
    order = (packed & mask).astype(np.int64)
    ordered = hashes[order]
    if (((ordered[1:] ^ ordered[:-1]) & ~mask == 0) & (ordered[1:] != ordered[:-1])).any():
        return np.argsort(hashes, kind="stable")
    return order
