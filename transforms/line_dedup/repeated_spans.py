"""Long spans that repeat: every run of ``min_bytes`` bytes that an earlier place has, too, within a group of documents.

The rule is that of Lee et al. 2022, *Deduplicating Training Data Makes Language Models Better* (4.1, exact substrings,
there of 50 tokens): a *window*, ``min_bytes`` bytes inside one document, repeats if the same bytes begin at an earlier
place of any document or of its own. What goes is the union of the windows that repeat; so of each, one copy is left.

Equal windows are neighbours in the suffix array, with common prefixes as long as a window from each to the next.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa

from gristmill.corpus.arrays import Bools, Int64s, UInt8s

Bytes: TypeAlias = UInt8s
Integers: TypeAlias = Int64s

SPANS_TYPE = pa.list_(pa.struct([("start", pa.int64()), ("end", pa.int64())]))

_END = 0xFF
"""Stands after each document: a byte that UTF-8 has not."""


def repeated_spans(texts: pa.Array, min_bytes: int) -> pa.Array:
    """What to cut of each of ``texts``, which are in the order in which copies are kept: ``SPANS_TYPE``.

    ``texts`` are large_string, none of them null. The spans are half-open, in characters (code points), ascending and
    disjoint; a character of which not all bytes repeat stays. Memory: 15 to 30 bytes a byte of text, by how much
    repeats.
    """
    corpus = _Corpus.of(texts)
    spans = _covered(_repeating(corpus, min_bytes), min_bytes)
    return _by_document(corpus, _whole_characters(corpus.data, spans))


class _Corpus(NamedTuple):
    """UTF-8 of the documents, one after another, ``_END`` after each.

    Document i is ``data[edges[i] : edges[i + 1] - 1]``.
    """

    data: Bytes
    edges: Integers

    @classmethod
    def of(cls, texts: pa.Array) -> _Corpus:
        _, offsets, buffer = texts.buffers()
        bare = np.zeros(1, np.int64)
        if len(texts):
            bare = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
        edges = bare - bare[0] + np.arange(len(bare))
        data = np.full(edges[-1], _END, np.uint8)
        inside = np.ones(len(data), np.bool_)
        inside[edges[1:] - 1] = False
        if buffer:
            data[inside] = np.frombuffer(buffer, np.uint8)[bare[0] : bare[-1]]
        return cls(data, edges)


class _Spans(NamedTuple):
    """Ranges of bytes, ascending and disjoint."""

    begin: Integers
    end: Integers


def _repeating(corpus: _Corpus, size: int) -> Bools:
    """At which places a window of ``size`` bytes begins that repeats an earlier one."""
    from pydivsufsort import divsufsort, kasai  # here, for few have a use for it

    repeats = np.zeros(len(corpus.data), np.bool_)
    if len(corpus.data) <= size:
        return repeats
    suffixes = divsufsort(corpus.data)
    with_next = kasai(corpus.data, suffixes) >= size
    with_next[-1] = False  # there is none
    grouped = with_next.copy()
    grouped[1:] |= with_next[:-1]
    members, ends = suffixes[grouped], ~with_next[grouped]
    del suffixes, grouped
    if len(members):
        counts = np.diff(np.flatnonzero(ends), prepend=-1)
        first = np.minimum.reduceat(members, counts.cumsum() - counts)
        repeats[members[members != np.repeat(first, counts)]] = True
    lengths = np.diff(corpus.edges)
    beyond = np.minimum(lengths, size)  # places of a document, its end among them, where no whole window begins
    repeats[np.repeat(corpus.edges[1:] - beyond.cumsum(), beyond) + np.arange(beyond.sum())] = False
    return repeats


def _covered(repeats: Bools, size: int) -> _Spans:
    """The ranges that windows of ``size`` bytes cover, those that touch as one; two documents' never touch."""
    turns = np.flatnonzero(np.diff(repeats, prepend=False, append=False))
    begins, ends = turns[::2], turns[1::2] + size - 1
    apart = begins[1:] > ends[:-1]
    return _Spans(begins[np.insert(apart, 0, True)[: len(begins)]], ends[np.append(apart, True)[: len(ends)]])


def _whole_characters(data: Bytes, spans: _Spans) -> _Spans:
    """The spans without the parts of characters at their ends: bytes after a character's first are 10xxxxxx."""
    begin, end = spans
    for _ in range(3):
        begin = begin + (data[begin] & 0xC0 == 0x80)
        end = end - (data[end] & 0xC0 == 0x80)
    return _Spans(begin, end)


def _by_document(corpus: _Corpus, spans: _Spans) -> pa.Array:
    """``SPANS_TYPE``: each document's spans, in its characters."""
    characters = np.cumsum(corpus.data & 0xC0 != 0x80) - 1  # before the character that a byte begins
    document = np.searchsorted(corpus.edges, spans.begin, side="right") - 1
    before = characters[corpus.edges[document]]
    structs = pa.StructArray.from_arrays(
        [pa.array(characters[spans.begin] - before), pa.array(characters[spans.end] - before)],
        fields=list(SPANS_TYPE.value_type),
    )
    offsets = np.searchsorted(document, np.arange(len(corpus.edges)))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), structs).cast(SPANS_TYPE)
