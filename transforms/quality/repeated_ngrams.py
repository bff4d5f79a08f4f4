"""N-grams of words that occur more than once in their document, found for many documents at once.

Words are represented by hashes, so the search is integer arithmetic. An n-gram can only repeat where both its
(n-1)-grams do, so each length searches what the previous one left: in ordinary text, a third of the words after pairs
and next to nothing after 5-grams. Apart from collisions of 64-bit hashes, results do not depend on how documents are
batched.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from gristmill.corpus.arrays import Int64s, UInt64s
from gristmill.corpus.multilinear_hash import mix64

TOP_N = (2, 3, 4)
"""Lengths of n-grams of which the most frequent one counts (Rae et al. 2021, table A1)."""

DUPLICATE_N = (5, 6, 7, 8, 9, 10)
"""Lengths of n-grams of which every one counts that occurs more than once (the same table)."""


class Tokens(NamedTuple):
    """The words of several documents, concatenated.

    ``hashes`` [words] identify the words; ``totals`` [words + 1] is the cumulative number of characters before each
    word, ending with the total; ``offsets`` [documents + 1] is the index of each document's first word.
    """

    hashes: UInt64s
    totals: Int64s
    offsets: Int64s

    @classmethod
    def of(cls, hashes: UInt64s, lengths: Int64s, offsets: Int64s) -> Tokens:
        """Create tokens from the ``lengths`` [words] of the words in characters."""
        return cls(hashes, np.concatenate([[0], np.cumsum(lengths)]), offsets)

    def counts(self) -> Int64s:
        """Return the number of words of each document: int64 [documents]."""
        return np.diff(self.offsets)

    def characters(self) -> Int64s:
        """Return the number of characters in the words of each document: int64 [documents]."""
        return np.diff(self.totals[self.offsets])


class RepeatedNgrams(NamedTuple):
    """The n-grams of one length that occur at least twice in their document.

    ``positions`` [occurrences] is the word at which each occurrence starts, ascending; ``ngram_ids`` [occurrences]
    numbers the n-grams from 0; ``counts`` [n-grams] is the number of occurrences of each.
    """

    n: int
    positions: Int64s
    ngram_ids: Int64s
    counts: Int64s


def find_repeated_ngrams(tokens: Tokens, max_n: int = DUPLICATE_N[-1]) -> Iterator[RepeatedNgrams]:
    """Yield the repeated n-grams for each n from 2 to ``max_n``."""
    words = _salted_hashes(tokens)
    within_document = np.ones(max(len(words) - 1, 0), bool)
    inner_offsets = tokens.offsets[1:-1]
    within_document[inner_offsets[(inner_offsets > 0) & (inner_offsets < len(words))] - 1] = False
    positions = np.flatnonzero(within_document)
    hashes = words[positions]
    for n in range(2, max_n + 1):
        hashes = hashes * _STEP + words[positions + n - 1]
        repeated, ngram_ids, counts = _find_repeated(hashes)
        positions, hashes = positions[repeated], hashes[repeated]
        yield RepeatedNgrams(n, positions, ngram_ids, counts)
        followed = np.flatnonzero(positions[1:] == positions[:-1] + 1)
        positions, hashes = positions[followed], hashes[followed]


class TopNgrams(NamedTuple):
    """The most frequent n-gram of each document that has a repeated one.

    ``documents`` [n-grams] is the document's index; ``positions`` [n-grams] the word at which the n-gram first occurs,
    ``counts`` [n-grams] the number of its occurrences, ``ngram_ids`` [n-grams] its number in ``RepeatedNgrams``.
    """

    documents: Int64s
    positions: Int64s
    counts: Int64s
    ngram_ids: Int64s


def most_frequent_ngrams(tokens: Tokens, repeated: RepeatedNgrams, *, prefer_longest: bool) -> TopNgrams:
    """Return the most frequent n-grams; among equally frequent ones the longest in characters, or else the first."""
    first_positions = np.empty(len(repeated.counts), np.int64)
    first_positions[repeated.ngram_ids[::-1]] = repeated.positions[::-1]  # the last assignment wins
    documents = np.searchsorted(tokens.offsets, first_positions, side="right") - 1
    highest_counts = np.zeros(len(tokens.offsets) - 1, np.int64)
    np.maximum.at(highest_counts, documents, repeated.counts)
    candidates = np.flatnonzero(repeated.counts == highest_counts[documents])
    starts = first_positions[candidates]
    ranks = tokens.totals[starts] - tokens.totals[starts + repeated.n] if prefer_longest else np.zeros_like(starts)
    order = np.lexsort((starts, ranks, documents[candidates]))
    best = candidates[order[np.diff(documents[candidates][order], prepend=-1) != 0]]
    return TopNgrams(documents[best], first_positions[best], repeated.counts[best], best)


def top_ngram_characters(tokens: Tokens, repeated: RepeatedNgrams) -> Int64s:
    """Return the number of characters in occurrences of each document's most frequent n-gram, overlaps counted once:
    int64 [documents], 0 if no n-gram repeats.
    """
    is_top = np.zeros(len(repeated.counts), bool)
    is_top[most_frequent_ngrams(tokens, repeated, prefer_longest=True).ngram_ids] = True
    return covered_characters(tokens, repeated.positions[is_top[repeated.ngram_ids]], repeated.n)


def covered_characters(tokens: Tokens, positions: Int64s, n: int) -> Int64s:
    """Return the number of characters in the ``n`` words at each of ``positions`` (ascending), overlaps counted once:
    int64 [documents].
    """
    totals = tokens.totals
    ends = positions + n
    starts = np.maximum(positions, np.concatenate([[0], ends[:-1]]))  # ends ascend too
    sums = np.concatenate([[0], np.cumsum(totals[ends] - totals[starts])])
    return np.diff(sums[np.searchsorted(positions, tokens.offsets)])


def later_occurrence_characters(tokens: Tokens, repeated: RepeatedNgrams) -> Int64s:
    """Return the number of characters in n-grams that occurred before, in datatrove's way: int64 [documents].

    It reads from left to right, continues behind each n-gram that occurred before, and does not remember n-grams that
    start inside such an n-gram.
    """
    totals = tokens.totals
    lengths = (totals[repeated.positions + repeated.n] - totals[repeated.positions]).tolist()
    seen: set[int] = set()
    next_position = 0
    counted = [0] * len(lengths)
    occurrences = zip(repeated.positions.tolist(), repeated.ngram_ids.tolist(), strict=True)
    for index, (position, ngram_id) in enumerate(occurrences):
        if position < next_position:
            continue
        if ngram_id in seen:
            counted[index] = lengths[index]
            next_position = position + repeated.n
        else:
            seen.add(ngram_id)
    sums = np.concatenate([[0], np.cumsum(np.array(counted, np.int64))])
    return np.diff(sums[np.searchsorted(repeated.positions, tokens.offsets)])


_STEP = np.uint64(0x9E3779B97F4A7C15)


def _salted_hashes(tokens: Tokens) -> UInt64s:
    """Return the words' hashes with a salt per document, so that words of different documents never match."""
    counts = tokens.counts()
    salts = mix64(np.arange(1, len(counts) + 1, dtype=np.uint64) * _STEP)
    return tokens.hashes ^ np.repeat(salts, counts)


def _find_repeated(hashes: UInt64s) -> tuple[Int64s, Int64s, Int64s]:
    """Return the indices of hashes that occur at least twice, ascending; each one's number; and each number's count."""
    order = _order(hashes)
    ordered = hashes[order]
    same_as_previous = ordered[1:] == ordered[:-1]
    repeated = np.zeros(len(hashes), bool)
    repeated[1:] = same_as_previous
    repeated[:-1] |= same_as_previous
    first_of_group = repeated.copy()
    first_of_group[1:] &= ~same_as_previous
    ngram_ids = np.full(len(hashes), -1)
    ngram_ids[order[repeated]] = numbers = np.cumsum(first_of_group)[repeated] - 1
    indices = np.flatnonzero(ngram_ids >= 0)
    return indices, ngram_ids[indices], np.bincount(numbers)


def _order(hashes: UInt64s) -> Int64s:
    """Return indices that group equal hashes, ascending within each group.

    The upper bits of the hashes are sorted with the index in the lower bits, which is several times faster than
    ``argsort``. If two different hashes share their upper bits, which is rare, they are sorted in full.
    """
    mask = np.uint64((1 << max(len(hashes), 1).bit_length()) - 1)
    packed = (hashes & ~mask) | np.arange(len(hashes), dtype=np.uint64)
    packed.sort()
    order = (packed & mask).astype(np.int64)
    ordered = hashes[order]
    if (((ordered[1:] ^ ordered[:-1]) & ~mask == 0) & (ordered[1:] != ordered[:-1])).any():
        return np.argsort(hashes, kind="stable")
    result: Int64s = order
    return result
