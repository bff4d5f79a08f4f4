"""Several texts as arrays of characters, lines and words, which all signals share.

The texts are concatenated, each followed by a line feed. Arrays over many documents save the overhead of calling NumPy,
which costs more than its work on a single page. What is measured on a document does not depend on its neighbours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gristmill.corpus.arrays import Float64s, Int64s, UInt8s
from gristmill.corpus.character_tables import begins_word, code_points, folded_code_points, kinds_of
from gristmill.corpus.words import Words
from gristmill.transforms.quality.character_flags import (
    CLOSER,
    END,
    SPACE,
    UNSPACED,
    UNSPACED_END_MARKS,
    character_flags,
    character_set,
)
from gristmill.transforms.quality.repeated_ngrams import Tokens

MAX_BATCH_CHARACTERS = 1 << 17
"""A batch is complete when it holds this many: its arrays then fit into the processor's cache."""

LINE_FEED = ord("\n")


def batch_slices(lengths: Iterable[int]) -> Iterator[slice]:
    """Yield slices that split documents of these lengths, in characters, into batches."""
    first = total = 0
    index = -1
    for index, length in enumerate(lengths):
        total += length
        if total >= MAX_BATCH_CHARACTERS:
            yield slice(first, index + 1)
            first, total = index + 1, 0
    if first <= index:
        yield slice(first, index + 1)


class Lines(NamedTuple):
    """The lines of a batch that are not blank. Positions are those of the batch's characters; ends are exclusive.

    ``starts`` and ``ends`` [lines] delimit each line (its line feed is at ``ends``), ``text_starts`` and ``text_ends``
    the line without surrounding white space; ``offsets`` [documents + 1] is the index of each document's first line.
    """

    starts: Int64s
    ends: Int64s
    text_starts: Int64s
    text_ends: Int64s
    offsets: Int64s

    def sum_per_document(self, values: NDArray[Any]) -> Int64s:
        """Return the sum over each document of numbers or truth values [lines]: int64 [documents]."""
        return np.diff(np.concatenate([[0], np.cumsum(values)])[self.offsets])

    def counts(self) -> Int64s:
        """Return the number of lines of each document: int64 [documents]."""
        return np.diff(self.offsets)


class Batch(NamedTuple):
    """``codes`` and ``flags`` [characters] of the concatenated texts; ``offsets`` [documents + 1] of each text.

    ``lower`` holds the texts in lower case; ``run_starts`` and ``run_ends`` [runs] delimit the runs of characters
    between white space.
    """

    texts: Sequence[str]
    lower: Sequence[str]
    codes: Int64s
    flags: UInt8s
    offsets: Int64s
    run_starts: Int64s
    run_ends: Int64s

    @classmethod
    def of(cls, texts: Sequence[str]) -> Batch:
        codes = code_points("\n".join((*texts, "")))
        flags = character_flags().take(codes)
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        boundaries = np.flatnonzero(np.diff(flags & SPACE, prepend=SPACE))  # alternately starts and ends of runs
        offsets = np.concatenate([[0], np.cumsum(lengths + 1)])
        return cls(texts, list(map(lower_same_length, texts)), codes, flags, offsets, boundaries[::2], boundaries[1::2])

    def lengths(self) -> Int64s:
        """Return the number of characters of each document: int64 [documents]."""
        return np.diff(self.offsets) - 1

    def count_per_document(self, positions: Int64s) -> Int64s:
        """Return how many of ``positions`` (ascending) lie in each document: int64 [documents]."""
        return np.diff(np.searchsorted(positions, self.offsets))

    def lines(self) -> Lines:
        """Return the lines, which end at line feeds, except those of white space only."""
        ends = np.flatnonzero(self.codes == LINE_FEED)
        starts = np.concatenate([[0], ends + 1])
        first_runs = np.searchsorted(self.run_starts, starts)
        not_blank = np.flatnonzero(first_runs[1:] > first_runs[:-1])
        starts = starts[not_blank]
        text_starts = self.run_starts[first_runs[not_blank]]
        text_ends = self.run_ends[first_runs[not_blank + 1] - 1]
        return Lines(starts, ends[not_blank], text_starts, text_ends, np.searchsorted(starts, self.offsets))

    def token_starts(self) -> Int64s:
        """Return where whitespace-separated tokens start; in scripts without spaces, at every character: int64
        [tokens].
        """
        is_start = self.flags & UNSPACED != 0
        is_start[self.run_starts] = True
        return np.flatnonzero(is_start)

    def token_flags(self, starts: Int64s) -> UInt8s:
        """Return the flags of all characters of each token, and of the white space after it: uint8 [tokens]."""
        return np.bitwise_or.reduceat(self.flags, starts) if len(starts) else self.flags[:0]

    def sentence_ends(self, lines: Lines) -> Int64s:
        """Return the position of the last character of each sentence, ascending: int64 [sentences].

        A sentence ends with its line, or at an end mark (and the marks, closing quotes and brackets after it) that is
        followed by white space, or by anything if the script has no spaces. Abbreviations are not recognized.
        """
        marks = np.flatnonzero(self.flags & END)
        closers = self.flags & (END | CLOSER) != 0
        closer_ends = np.flatnonzero(closers[:-1] & ~closers[1:])  # the last one of marks, quotes and brackets in a row
        closed = closer_ends[np.searchsorted(closer_ends, marks)]
        unspaced = character_set(UNSPACED_END_MARKS)[self.codes[marks]]
        ended = np.zeros(len(self.flags), bool)
        ended[closed[unspaced | (self.flags[closed + 1] & SPACE != 0)]] = True
        ended[lines.text_ends - 1] = True
        return np.flatnonzero(ended)

    def words(self) -> Tokens:
        """Return the words as defined by ``corpus.words``, case-folded and composed."""
        parts = [part for text in self.texts for part in (folded_code_points(text), _LINE_FEEDS)]
        codes = np.concatenate(parts) if parts else np.empty(0, np.int64)
        offsets = np.concatenate([[0], np.cumsum([len(part) for part in parts])[1::2]]).astype(np.int64)
        kinds = kinds_of(codes)
        starts = np.flatnonzero(begins_word(kinds))
        first = int(starts[0]) if len(starts) else len(codes)
        words = Words(codes[first:], kinds[first:], starts - first)
        return Tokens.of(words.hashes(), words.lengths(), np.searchsorted(starts, offsets))


_LINE_FEEDS = np.array([LINE_FEED])


def lower_same_length(text: str) -> str:
    """Return ``text`` in lower case, except characters whose lower case is longer, so that positions stay the same."""
    lower = text.lower()
    return lower if len(lower) == len(text) else "".join(c if len(c.lower()) > 1 else c.lower() for c in text)


def count_in(positions: Int64s, starts: Int64s, ends: Int64s) -> Int64s:
    """Return how many of ``positions`` (ascending) lie in each span: int64 [spans]."""
    return np.searchsorted(positions, ends) - np.searchsorted(positions, starts)


def ratio(part: NDArray[np.generic], whole: NDArray[np.generic]) -> Float64s:
    """Return ``part`` divided by ``whole``, or by 1 where ``whole`` is 0."""
    ratios: Float64s = part / np.maximum(whole, 1)
    return ratios
