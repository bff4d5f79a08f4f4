"""Finds the lines and paragraphs of texts and hashes their normalized words, for many texts at once.

A *line* ends with a line feed or with its document; ``\\r`` and the Unicode line and paragraph separators do not end
it. A line of ASCII white space alone is *blank*. A *paragraph* is a run of lines that are not blank, and the blank
lines after it. So lines and paragraphs include what ends them; a line that is a paragraph by itself includes the blank
lines after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from gristmill.corpus.arrays import Bools, Int64s, UInt8s, UInt64s
from gristmill.corpus.multilinear_hash import sequence_hashes
from gristmill.corpus.words import hashes_of_texts
from gristmill.transforms.core.text_runs import TextRun, text_runs

LINE, PARAGRAPH = 0, 1
"""The kind of a passage: the lowest bit of its hash."""

_SOLID = np.ones(256, np.bool_)
_SOLID[list(b" \t\n\v\f\r")] = False
_LINE_FEED = ord("\n")


class Passages(NamedTuple):
    """n lines and paragraphs, in the order of documents; in each document lines come first, each kind in order.

    Attributes:
        hash: Equal if kind and normalized words are (63 bits depend on these, one is the kind).
        document: Index among the texts.
        start: First character (code point) in the document.
        end: Character after the last.
    """

    hash: UInt64s
    document: Int64s
    start: Int64s
    end: Int64s


def find_passages(texts: pa.ChunkedArray, min_words: Mapping[int, int]) -> Passages:
    """The passages of ``texts``, none of them null, for each kind in ``min_words``, with at least that many words."""
    parts = [_NO_PASSAGES]
    documents = 0
    for run in (run for chunk in texts.chunks for run in text_runs(chunk)):
        passages = _find_in_run(run, min_words)
        parts.append(passages._replace(document=passages.document + documents))
        documents += len(run.offsets) - 1
    return _concatenate(parts)


def passage_kinds(hashes: UInt64s) -> Int64s:
    """The kind of the passage with each hash: int64 [hashes]."""
    result: Int64s = (hashes & np.uint64(1)).astype(np.int64)
    return result


_NO_PASSAGES = Passages(np.empty(0, np.uint64), *(np.empty(0, np.int64) for _ in range(3)))


class _Lines(NamedTuple):
    """The lines of a run that are not blank.

    Attributes:
        document: Index in the run.
        start: First character in the document.
        end: Character after the line's end.
        after: Where the next line of the document that is not blank begins, or the document ends.
        begins: Whether a paragraph begins with the line.
        words: Hashes of the words of all lines, concatenated.
        counts: Number of words of each line.
    """

    document: Int64s
    start: Int64s
    end: Int64s
    after: Int64s
    begins: Bools
    words: UInt64s
    counts: Int64s


def _find_in_run(run: TextRun, min_words: Mapping[int, int]) -> Passages:
    lines = _find_lines(run)
    if not len(lines.counts):
        return _NO_PASSAGES
    parts = []
    heads = np.flatnonzero(lines.begins)
    tails = np.append(heads[1:], len(lines.begins)) - 1
    if LINE in min_words:
        end = lines.end.copy()
        alone = heads[heads == tails]
        end[alone] = lines.after[alone]
        parts.append(_long_passages(LINE, min_words, lines.words, lines.counts, lines.document, lines.start, end))
    if PARAGRAPH in min_words:
        counts = np.add.reduceat(lines.counts, heads)
        places = lines.document[heads], lines.start[heads], lines.after[tails]
        parts.append(_long_passages(PARAGRAPH, min_words, lines.words, counts, *places))
    hashes, document, start, end = _concatenate(parts)
    order = np.argsort(document, kind="stable")
    return Passages(hashes[order], document[order], start[order], end[order])


def _concatenate(parts: list[Passages]) -> Passages:
    return Passages(*map(np.concatenate, zip(*parts, strict=True)))


def _long_passages(
    kind: int,
    min_words: Mapping[int, int],
    words: UInt64s,
    counts: Int64s,
    document: Int64s,
    start: Int64s,
    end: Int64s,
) -> Passages:
    """The passages, with ``counts`` of the concatenated ``words`` each, that have at least the minimum of words."""
    long = counts >= min_words[kind]
    hashes = (sequence_hashes(words, counts) & ~np.uint64(1)) | np.uint64(kind)
    return Passages(hashes[long], document[long], start[long], end[long])


def _find_lines(run: TextRun) -> _Lines:
    data, offsets = run.data, run.offsets
    opens = np.zeros(len(data) + 1, np.bool_)
    opens[1:] = data == _LINE_FEED
    opens[offsets] = True
    firsts = np.flatnonzero(opens[:-1])  # the first byte of every line, blank ones included
    is_solid = np.logical_or.reduceat(_SOLID[data], firsts) if len(firsts) else _SOLID[:0]
    solid = np.flatnonzero(is_solid)
    document = np.searchsorted(offsets, firsts[solid], side="right") - 1
    places = _character_offsets(data, firsts)
    document_places = places[np.searchsorted(firsts, offsets)]
    start, document_end = places[solid], document_places[document + 1]
    after = np.minimum(np.append(start[1:], places[-1]), document_end)
    begins = np.ones(len(solid), np.bool_)
    begins[1:] = (np.diff(solid) > 1) | (np.diff(document) > 0)
    # Blank lines have no words, so they can be hashed together with the line before them.
    words, counts = hashes_of_texts(data, np.append(firsts[solid], len(data)))
    base = document_places[document]
    return _Lines(document, start - base, places[solid + 1] - base, after - base, begins, words, counts)


def _character_offsets(data: UInt8s, firsts: Int64s) -> Int64s:
    """The number of UTF-8 characters that begin before each of ``firsts``, and in all: int64 [firsts + 1]."""
    ends = np.append(firsts, len(data))
    if not len(firsts) or data.max() < 0x80:
        return ends
    is_start = (data & 0xC0) != 0x80
    return np.append(0, np.add.reduceat(is_start, firsts, dtype=np.int64).cumsum())
