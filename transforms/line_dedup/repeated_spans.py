"""Finds long repeated spans: runs of at least ``min_bytes`` bytes that occur earlier in a group of documents.

The rule is that of Lee et al. 2022, *Deduplicating Training Data Makes Language Models Better* (4.1, exact substrings,
there of 50 tokens). A *window*, ``min_bytes`` bytes within one document, is repeated if the same bytes begin at an
earlier position of any document. The union of the repeated windows is cut, so one copy of each is left.

Equal windows are neighbors in the suffix array, and each has a common prefix of at least a window with the next.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from gristmill.corpus.arrays import Bools, Int64s, UInt8s

SPANS_TYPE = pa.list_(pa.struct([("start", pa.int64()), ("end", pa.int64())]))

_END = 0xFF
"""Follows each document: a byte that does not occur in UTF-8."""


def repeated_spans(texts: pa.Array, min_bytes: int) -> pa.Array:
    """The spans to cut from each of ``texts``, which are in the order in which copies are kept: ``SPANS_TYPE``.

    ``texts`` are large_string, none of them null. The spans are half-open, in characters (code points), ascending and
    disjoint; a character of which not all bytes are repeated is left. Memory: 15 to 30 bytes for each byte of text,
    depending on how much is repeated.
    """
    corpus = _Corpus.from_texts(texts)
    spans = _cover(_repeated_windows(corpus, min_bytes), min_bytes)
    return _by_document(corpus, _whole_characters(corpus.data, spans))


class _Corpus(NamedTuple):
    """UTF-8 of all documents, each followed by ``_END``. Document i is ``data[edges[i] : edges[i + 1] - 1]``."""

    data: UInt8s
    edges: Int64s

    @classmethod
    def from_texts(cls, texts: pa.Array) -> _Corpus:
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


class _ByteSpans(NamedTuple):
    """Ranges of bytes, ascending and disjoint."""

    begin: Int64s
    end: Int64s


def _repeated_windows(corpus: _Corpus, size: int) -> Bools:
    """At which positions a window of ``size`` bytes begins that repeats an earlier one."""
    from pydivsufsort import divsufsort, kasai  # imported late: few recipes need it

    repeated = np.zeros(len(corpus.data), np.bool_)
    if len(corpus.data) <= size:
        return repeated
    suffixes = divsufsort(corpus.data)
    equals_next = kasai(corpus.data, suffixes) >= size
    equals_next[-1] = False  # the last suffix has no next
    grouped = equals_next.copy()
    grouped[1:] |= equals_next[:-1]
    members, ends = suffixes[grouped], ~equals_next[grouped]
    del suffixes, grouped
    if len(members):
        counts = np.diff(np.flatnonzero(ends), prepend=-1)
        first = np.minimum.reduceat(members, counts.cumsum() - counts)
        repeated[members[members != np.repeat(first, counts)]] = True
    lengths = np.diff(corpus.edges)
    too_late = np.minimum(lengths, size)  # positions at a document's end, `_END` included, where no whole window begins
    repeated[np.repeat(corpus.edges[1:] - too_late.cumsum(), too_late) + np.arange(too_late.sum())] = False
    return repeated


def _cover(repeated: Bools, size: int) -> _ByteSpans:
    """The ranges that the windows of ``size`` bytes cover, merged if they touch; those of two documents never do."""
    changes = np.flatnonzero(np.diff(repeated, prepend=False, append=False))
    begins, ends = changes[::2], changes[1::2] + size - 1
    apart = begins[1:] > ends[:-1]
    return _ByteSpans(begins[np.insert(apart, 0, True)[: len(begins)]], ends[np.append(apart, True)[: len(ends)]])


def _whole_characters(data: UInt8s, spans: _ByteSpans) -> _ByteSpans:
    """The spans without parts of characters at their ends: the bytes after a character's first are 10xxxxxx."""
    begin, end = spans
    for _ in range(3):
        begin = begin + (data[begin] & 0xC0 == 0x80)
        end = end - (data[end] & 0xC0 == 0x80)
    return _ByteSpans(begin, end)


def _by_document(corpus: _Corpus, spans: _ByteSpans) -> pa.Array:
    """``SPANS_TYPE``: each document's spans, in its characters."""
    characters = np.cumsum(corpus.data & 0xC0 != 0x80) - 1  # number of characters before the one that a byte begins
    document = np.searchsorted(corpus.edges, spans.begin, side="right") - 1
    before = characters[corpus.edges[document]]
    structs = pa.StructArray.from_arrays(
        [pa.array(characters[spans.begin] - before), pa.array(characters[spans.end] - before)],
        fields=list(SPANS_TYPE.value_type),
    )
    offsets = np.searchsorted(document, np.arange(len(corpus.edges)))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), structs).cast(SPANS_TYPE)
