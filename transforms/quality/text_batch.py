"""Several texts as arrays: their characters, lines and words, each found once for all that is measured.

Texts stand one behind the other, each followed by a line break of ours. Arrays over many documents spare the start of
numpy's functions, which costs more than their work on one page; nothing of a document hangs on its neighbours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gristmill.corpus.words import Words, begins_word, code_points, folded_code_points, kinds_of
from gristmill.transforms.quality.characters import (
    CLOSER,
    END,
    SPACE,
    UNSPACED,
    UNSPACED_END_MARKS,
    bit_table,
    set_table,
)
from gristmill.transforms.quality.ngram_repetition import Int64s, Tokens

CHARACTERS = 1 << 17
"""A batch is closed when it holds as many: its arrays then stay in the processor's cache."""

BREAK = ord("\n")


def batches(lengths: Iterable[int]) -> Iterator[slice]:
    """Documents by the slice, given each one's length in characters."""
    first = total = 0
    place = -1
    for place, length in enumerate(lengths):
        total += length
        if total >= CHARACTERS:
            yield slice(first, place + 1)
            first, total = place + 1, 0
    if first <= place:
        yield slice(first, place + 1)


class Lines(NamedTuple):
    """The lines of a batch that are not blank. Places count the batch's characters.

    ``starts`` and ``ends`` [lines] frame each line between its breaks (the break is at ``ends``), ``firsts`` and
    ``lasts`` what is left of it without white space around it; ``edges`` [documents + 1] is where in them each document
    begins.
    """

    starts: Int64s
    ends: Int64s
    firsts: Int64s
    lasts: Int64s
    edges: Int64s

    def per_document(self, values: NDArray[Any]) -> Int64s:
        """Sums of a number or truth value for each line: int64 [documents]."""
        return np.diff(np.concatenate([[0], np.cumsum(values)])[self.edges])

    def counts(self) -> Int64s:
        """Lines of each document: int64 [documents]."""
        return np.diff(self.edges)


class Batch(NamedTuple):
    """``codes`` and ``bits`` [characters] of the texts, each with a break behind it; ``edges`` [documents + 1].

    ``lower`` are the texts in lower case; ``firsts`` and ``lasts`` [runs] frame the runs of characters between white
    space.
    """

    texts: Sequence[str]
    lower: Sequence[str]
    codes: Int64s
    bits: NDArray[np.uint8]
    edges: Int64s
    firsts: Int64s
    lasts: Int64s

    @classmethod
    def of(cls, texts: Sequence[str]) -> Batch:
        codes = code_points("\n".join((*texts, "")))
        bits = bit_table().take(codes)
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        turns = np.flatnonzero(np.diff(bits & SPACE, prepend=SPACE))  # in and out of white space
        edges = np.concatenate([[0], np.cumsum(lengths + 1)])
        return cls(texts, list(map(lowered, texts)), codes, bits, edges, turns[::2], turns[1::2])

    def lines(self) -> Lines:
        """Lines end at a line feed. Those of white space alone are left out."""
        ends = np.flatnonzero(self.codes == BREAK)
        starts = np.concatenate([[0], ends + 1])
        places = np.searchsorted(self.firsts, starts)
        held = np.flatnonzero(places[1:] > places[:-1])
        starts = starts[held]
        firsts, lasts = self.firsts[places[held]], self.lasts[places[held + 1] - 1]
        return Lines(starts, ends[held], firsts, lasts, np.searchsorted(starts, self.edges))

    def token_starts(self) -> Int64s:
        """Where tokens between spaces begin; in a script without spaces, every character does: int64 [tokens]."""
        begins = self.bits & UNSPACED != 0
        begins[self.firsts] = True
        return np.flatnonzero(begins)

    def token_bits(self, starts: Int64s) -> NDArray[np.uint8]:
        """The bits that any character of each token has, the space behind it included: uint8 [tokens]."""
        return np.bitwise_or.reduceat(self.bits, starts) if len(starts) else self.bits[:0]

    def sentence_ends(self, lines: Lines) -> Int64s:
        """The last character of each sentence, ascending: int64 [sentences].

        A sentence ends at an end mark (with the marks and closing quotes or brackets behind it) that white space
        follows, or anything if the script has no spaces; and with its line. No list of abbreviations is asked.
        """
        marks = np.flatnonzero(self.bits & END)
        closers = self.bits & (END | CLOSER) != 0
        runs = np.flatnonzero(closers[:-1] & ~closers[1:])  # where marks, quotes and brackets in a row end
        closed = runs[np.searchsorted(runs, marks)]
        free = set_table(UNSPACED_END_MARKS)[self.codes[marks]]
        ended = np.zeros(len(self.bits), bool)
        ended[closed[free | (self.bits[closed + 1] & SPACE != 0)]] = True
        ended[lines.lasts - 1] = True
        return np.flatnonzero(ended)

    def words(self) -> Tokens:
        """The house's words (``corpus.words``), case-folded and composed."""
        parts = [part for text in self.texts for part in (folded_code_points(text), _BREAKS)]
        codes = np.concatenate(parts) if parts else np.empty(0, np.int64)
        edges = np.concatenate([[0], np.cumsum([len(part) for part in parts])[1::2]]).astype(np.int64)
        kinds = kinds_of(codes)
        starts = np.flatnonzero(begins_word(kinds))
        first = int(starts[0]) if len(starts) else len(codes)
        found = Words(codes[first:], kinds[first:], starts - first)
        return Tokens.of(found.hashes(), found.lengths(), np.searchsorted(starts, edges))


_BREAKS = np.array([BREAK])


def lowered(text: str) -> str:
    """``text`` in lower case, character by character, so that places in it stay what they are."""
    lower = text.lower()
    return lower if len(lower) == len(text) else "".join(c if len(c.lower()) > 1 else c.lower() for c in text)


def count_in(places: Int64s, starts: Int64s, ends: Int64s) -> Int64s:
    """How many of ``places`` (ascending) lie in each span: int64 [spans]."""
    return np.searchsorted(places, ends) - np.searchsorted(places, starts)
