"""Lines and paragraphs of texts, each with a hash of its normalised words; arithmetic on the arrays of many at a time.

A *line* ends with a line feed or with its document; ``\\r`` and the line and paragraph separators of Unicode are
characters of a line. A line of white space alone (ASCII) is *blank*. A *paragraph* is a run of lines that are not blank
and the blank lines behind it; so lines and paragraphs go with what ends them. A line that is a paragraph of its own
takes the blank lines behind it along.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa

from gristmill.corpus.arrays import Bools, Int64s, UInt8s, UInt64s
from gristmill.corpus.multilinear_hash import sequence_hashes
from gristmill.corpus.words import hashes_of_texts
from gristmill.transforms.core.text_runs import TextRun, text_runs

Integers: TypeAlias = Int64s
Bools: TypeAlias = Bools

LINE, PARAGRAPH = 0, 1
"""The kind of a passage: the lowest bit of its hash."""

_SOLID = np.ones(256, np.bool_)
_SOLID[list(b" \t\n\v\f\r")] = False
_LINE_FEED = ord("\n")


class Passages(NamedTuple):
    """n lines and paragraphs, in the order of documents; of a document first the lines, each kind in order."""

    hash: UInt64s
    """Equal where kind and normalised words are (63 bits hang on these, one says the kind)."""
    document: Integers
    """Place among the texts."""
    start: Integers
    end: Integers
    """Half-open, in characters (code points) of the document."""


def find_passages(texts: pa.ChunkedArray, min_words: Mapping[int, int]) -> Passages:
    """The passages of ``texts``, none of them null, of each kind in ``min_words`` that have as many words."""
    parts = [_NOTHING]
    before = 0
    for run in (run for chunk in texts.chunks for run in text_runs(chunk)):
        found = _of_run(run, min_words)
        parts.append(found._replace(document=found.document + before))
        before += len(run.offsets) - 1
    return _joined(parts)


def kinds_of(hashes: UInt64s) -> Integers:
    """The kind that each hash tells: int64 [hashes]."""
    return (hashes & np.uint64(1)).astype(np.int64)


_NOTHING = Passages(np.empty(0, np.uint64), *(np.empty(0, np.int64) for _ in range(3)))


class _Lines(NamedTuple):
    """The lines of a run that are not blank, one after another."""

    document: Integers
    start: Integers
    """Where in its document each begins, in characters."""
    end: Integers
    after: Integers
    """Where the next one of the document begins, or the document ends: behind the blank lines after it."""
    begins: Bools
    """Whether a paragraph begins with it."""
    words: UInt64s
    """Hashes of their words, one line's after another's."""
    counts: Integers
    """How many words each has."""


def _of_run(run: TextRun, min_words: Mapping[int, int]) -> Passages:
    lines = _lines(run)
    if not len(lines.counts):
        return _NOTHING
    found = []
    heads = np.flatnonzero(lines.begins)
    tails = np.append(heads[1:], len(lines.begins)) - 1
    if LINE in min_words:
        end = lines.end.copy()
        alone = heads[heads == tails]
        end[alone] = lines.after[alone]
        found.append(_long(LINE, min_words, lines.words, lines.counts, lines.document, lines.start, end))
    if PARAGRAPH in min_words:
        counts = np.add.reduceat(lines.counts, heads)
        places = lines.document[heads], lines.start[heads], lines.after[tails]
        found.append(_long(PARAGRAPH, min_words, lines.words, counts, *places))
    joined = _joined(found)
    order = np.argsort(joined.document, kind="stable")
    return Passages(joined.hash[order], joined.document[order], joined.start[order], joined.end[order])


def _joined(parts: list[Passages]) -> Passages:
    return Passages(*map(np.concatenate, zip(*parts, strict=True)))


def _long(
    kind: int,
    min_words: Mapping[int, int],
    words: UInt64s,
    counts: Integers,
    document: Integers,
    start: Integers,
    end: Integers,
) -> Passages:
    long = counts >= min_words[kind]
    hashes = (sequence_hashes(words, counts) & ~np.uint64(1)) | np.uint64(kind)
    return Passages(hashes[long], document[long], start[long], end[long])


def _lines(run: TextRun) -> _Lines:
    data, edges = run.data, run.offsets
    opens = np.zeros(len(data) + 1, np.bool_)
    opens[1:] = data == _LINE_FEED
    opens[edges] = True
    firsts = np.flatnonzero(opens[:-1])  # in bytes, of blank lines too: they tile the run
    solid = np.logical_or.reduceat(_SOLID[data], firsts) if len(firsts) else _SOLID[:0]
    held = np.flatnonzero(solid)
    document = np.searchsorted(edges, firsts[held], side="right") - 1
    places = _characters(data, firsts)
    base = places[np.searchsorted(firsts, edges)]  # where each document begins
    start, ended = places[held], base[document + 1]
    after = np.minimum(np.append(start[1:], places[-1]), ended)
    begins = np.ones(len(held), np.bool_)
    begins[1:] = (np.diff(held) > 1) | (np.diff(document) > 0)
    # Blank lines have no words, so they may stand behind the line before them.
    words, counts = hashes_of_texts(data, np.append(firsts[held], len(data)))
    base = base[document]
    return _Lines(document, start - base, places[held + 1] - base, after - base, begins, words, counts)


def _characters(data: UInt8s, firsts: Integers) -> Integers:
    """How many characters of UTF-8 begin before each of ``firsts``, and in all: int64 [firsts + 1]."""
    ends = np.append(firsts, len(data))
    if not len(firsts) or data.max() < 0x80:
        return ends
    begun = (data & 0xC0) != 0x80
    return np.append(0, np.add.reduceat(begun, firsts, dtype=np.int64).cumsum())
