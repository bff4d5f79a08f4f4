"""What a word is: one answer for filters, deduplication and decontamination.

A word is a run of letters, digits and marks; everything else separates words. Han, kana, Thai, Lao, Khmer and Myanmar
are written without spaces between words, so each of their characters, with the marks on it, counts as a word. The
script of each character decides, not the language of the document: mixed text works, a wrong language label does no
harm, and a document's words do not change when its label does.

Boundaries are found in an array of code points by a table of their kinds (``character_tables``); hashes are sums over
the same array. No step loops over words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gristmill.corpus.arrays import Bools, Int64s, UInt8s, UInt64s
from gristmill.corpus.character_tables import (
    AS_MARK,
    BREAK,
    MARK,
    begins_word,
    code_points,
    fold,
    fold_table,
    folded_code_points,
    kind_table,
    kinds_of,
    without_invisible,
)
from gristmill.corpus.hashed_words import COMPILED, WordHasher
from gristmill.corpus.multilinear_hash import mix64, multipliers, usual_multipliers

_TOGETHER = 2**18
"""Up to this many bytes of consecutive short texts are converted to code points together."""


def words(text: str) -> list[str]:
    """The words of ``text`` in order, unfolded and without invisible characters."""
    text = without_invisible(text)
    kinds = kinds_of(code_points(text))
    begins = begins_word(kinds)
    last = kinds != BREAK  # a word ends before a break, before the start of another word, or with the text
    last[:-1] &= begins[1:] | ~last[1:]
    starts, ends = np.flatnonzero(begins), np.flatnonzero(last) + 1
    return [text[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]


def normalize(text: str) -> str:
    """The words of ``text``, compatibility-composed (NFKC) and case-folded, separated by single spaces.

    Texts that differ only in case, punctuation, symbols, spacing, width or invisible characters become equal. Digits
    and accents are kept, unlike in CCNet (Wenzek et al. 2020): the numbers in a benchmark question matter.
    """
    return " ".join(words(fold(text)))


def word_hashes(text: str) -> UInt64s:
    """The hash of each word of ``normalize(text)``, in order: uint64 [words]. Equal on all machines."""
    return find_words(text).hashes()


def character_hashes(text: str) -> UInt64s:
    """The hash of each character of ``normalize(text)``, in order: uint64 [characters]."""
    return mix64(code_points(normalize(text)).astype(np.uint64))


class Words(NamedTuple):
    """The words of ``normalize(text)`` as arrays.

    ``codes`` and ``kinds`` [characters] are the code points from the first word to the end of the text and their kinds;
    ``starts`` [words] are the positions in them at which words begin. Characters between words have the kind ``BREAK``.
    """

    codes: Int64s
    kinds: UInt8s
    starts: Int64s

    def sums(self, values: NDArray[Any]) -> NDArray[Any]:
        """The sum of ``values`` [characters] over each word and the breaks that follow it: [words]."""
        return np.add.reduceat(values, self.starts) if len(self.starts) else values[:0]

    def lengths(self) -> Int64s:
        """The number of code points in each word: int64 [words]."""
        return self.sums((self.kinds != BREAK).astype(np.int64))

    def hashes(self) -> UInt64s:
        """The multilinear hash of the code points of each word, independent of its neighbors: uint64 [words]."""
        spans = np.empty_like(self.starts)
        spans[:-1], spans[-1:] = self.starts[1:] - self.starts[:-1], len(self.codes) - self.starts[-1:]
        positions = np.arange(len(self.codes)) - np.repeat(self.starts, spans)
        terms = multipliers(int(spans.max(initial=0))).take(positions)
        terms *= self.codes.view(np.uint64)
        terms *= self.kinds != BREAK  # breaks add nothing to the word before them
        return mix64(self.sums(terms))


def find_words(text: str) -> Words:
    """Find the words of ``normalize(text)`` without copying them out."""
    codes = folded_code_points(text)
    kinds = kinds_of(codes)
    starts = np.flatnonzero(begins_word(kinds))
    first = int(starts[0]) if len(starts) else len(codes)
    return Words(codes[first:], kinds[first:], starts - first)


@lru_cache(maxsize=1)
def word_hasher() -> WordHasher:
    """The hasher that computes ``word_hashes`` of UTF-8 in one pass."""
    return WordHasher(fold_table(), kind_table(), AS_MARK, MARK, usual_multipliers())


def hashes_of_texts(data: UInt8s, ends: Sequence[int] | Int64s) -> tuple[UInt64s, Int64s]:
    """The ``word_hashes`` of many texts, concatenated: uint64 [words]; and the number of words in each: int64 [texts].

    Text i is the UTF-8 ``data[ends[i] : ends[i + 1]]``. The compiled hasher processes all texts that it can; texts
    whose characters compose or expand are processed as arrays, together with neighbors of the same sort.
    """
    edges = np.ascontiguousarray(ends, np.int64)
    out = np.empty(len(data) // 2 + len(edges), np.uint64)
    counts = np.empty(len(edges) - 1, np.int64)
    parts = []
    begin = end = text = waiting = 0  # out[begin:end] is not in `parts` yet, nor are the `waiting` texts before `text`
    while True:
        reached = word_hasher().hash_texts(data, edges, text, out, end, counts) if COMPILED else text
        if waiting and (reached > text or text == len(counts) or edges[text] - edges[text - waiting] > _TOGETHER):
            hashes, counts[text - waiting : text] = _hashes_of_each(data, edges[text - waiting : text + 1].tolist())
            parts += [out[begin:end], hashes]
            begin, waiting = end, 0
        if text == len(counts):
            return np.concatenate([*parts, out[begin:end]]), counts
        end += int(counts[text:reached].sum())
        text = reached
        if text < len(counts):  # its characters compose or expand
            waiting, text = waiting + 1, text + 1


def _hashes_of_each(data: UInt8s, edges: list[int]) -> tuple[UInt64s, Int64s]:
    """``hashes_of_texts`` by arrays of code points. Line feeds separate the texts: they never compose with anything."""
    texts = [data[start:end].tobytes().decode() for start, end in pairwise(edges)]
    codes = folded_code_points("\n".join((*texts, "")))
    last = np.cumsum([text.count("\n") + 1 for text in texts]) - 1  # the line feed that ends each text
    kinds = kinds_of(codes)
    starts = np.flatnonzero(begins_word(kinds))
    counts = np.diff(np.searchsorted(starts, np.flatnonzero(codes == ord("\n"))[last]), prepend=0)
    first = int(starts[0]) if len(starts) else len(codes)
    return Words(codes[first:], kinds[first:], starts - first).hashes(), counts


def word_places(text: str) -> tuple[Int64s, Int64s]:
    """The start and end in ``text`` of each word of ``normalize(text)``, in characters: int64 [words], int64 [words].

    If folding splits a character into several words (``½`` becomes ``1 2``), each of them spans that character.
    """
    folds = fold_table().take(code_points(text))
    starts = np.arange(len(folds))
    ends = starts + 1
    if (folds < 0).any():
        # Only code points that the table does not fold compose with the one before them, unless that is a separator.
        simple = folds >= 0
        first = simple | (starts == 0)
        first[1:] |= simple[:-1] & (kind_table().take(folds[:-1]) == BREAK)
        firsts = np.flatnonzero(first)
        lasts = np.append(firsts[1:], len(folds))
        done, parts = 0, []
        for begin, end in _pairs(firsts, lasts, (lasts - firsts > 1) | ~simple[firsts]):
            folded = code_points(fold(text[begin:end]))
            parts += [(folds[done:begin], starts[done:begin], ends[done:begin])]
            parts += [(folded, np.full(len(folded), begin), np.full(len(folded), end))]
            done = end
        parts += [(folds[done:], starts[done:], ends[done:])]
        folds, starts, ends = (np.concatenate(column) for column in zip(*parts, strict=True))
    kinds = kinds_of(folds)
    begins = begins_word(kinds)
    last = kinds != BREAK
    last[:-1] &= begins[1:] | ~last[1:]
    return starts[begins], ends[last]


def _pairs(left: Int64s, right: Int64s, chosen: Bools) -> Iterator[tuple[int, int]]:
    return zip(left[chosen].tolist(), right[chosen].tolist(), strict=True)
