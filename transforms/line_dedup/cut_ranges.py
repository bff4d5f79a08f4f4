"""Merges what is cut of a unit's lines, paragraphs and spans into one column beside its documents."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from gristmill.corpus.arrays import Int64s
from gristmill.transforms.core.edits import EDIT_TYPE
from gristmill.transforms.line_dedup.passage_hashes import LINE, PARAGRAPH

SPAN = 2
ENTITIES = {LINE: "repeated_line", PARAGRAPH: "repeated_paragraph", SPAN: "repeated_span"}
_PRECEDENCE = (PARAGRAPH, LINE, SPAN)
"""A character that several kinds cut is reported as the first of these."""

REPEATS_SCHEMA = pa.schema([pa.field("repeated", pa.list_(EDIT_TYPE), nullable=False)])
"""Row-aligned with the documents: the ranges to cut from the text that the line rules of ``judge`` leave, sorted,
half-open and disjoint, in characters (code points). ``entity`` is one of ``ENTITIES``."""


class CutRanges(NamedTuple):
    """n ranges, parallel: characters ``start`` to ``end`` of the document in row ``row``, cut by ``kind``."""

    row: Int64s
    start: Int64s
    end: Int64s
    kind: Int64s

    @classmethod
    def concatenate(cls, parts: list[CutRanges]) -> CutRanges:
        empty = cls(*(np.empty(0, np.int64) for _ in cls._fields))
        return cls(*map(np.concatenate, zip(empty, *parts, strict=True)))


def merge_ranges(ranges: CutRanges) -> CutRanges:
    """The same characters in disjoint ranges, sorted by row and start; ranges touch only if their kinds differ."""
    row = np.concatenate([ranges.row, ranges.row])
    place = np.concatenate([ranges.start, ranges.end])
    kind = np.concatenate([ranges.kind, ranges.kind])
    step = np.repeat([1, -1], len(ranges.row))
    order = np.lexsort((place, row))
    row, place, kind, step = (column[order] for column in (row, place, kind, step))
    # Between two neighboring bounds, the text is cut by the first kind in `_PRECEDENCE` with an open range there.
    label = np.full(len(row), -1)
    for candidate in reversed(_PRECEDENCE):
        label[np.cumsum(np.where(kind == candidate, step, 0)) > 0] = candidate
    cut = np.flatnonzero((label >= 0) & (np.append(place[1:], 0) > place))
    row, start, end, label = row[cut], place[cut], place[cut + 1], label[cut]
    opens = np.ones(len(cut), np.bool_)
    opens[1:] = (row[1:] != row[:-1]) | (start[1:] != end[:-1]) | (label[1:] != label[:-1])
    return CutRanges(row[opens], start[opens], end[np.append(opens[1:], True)[: len(opens)]], label[opens])


def cuts_table(ranges: CutRanges, rows: int) -> pa.Table:
    """``REPEATS_SCHEMA`` for all ``rows`` of a document file; ``ranges`` are disjoint and sorted."""
    offsets = np.searchsorted(ranges.row, np.arange(rows + 1))
    names = pa.array([ENTITIES[kind] for kind in sorted(ENTITIES)]).take(pa.array(ranges.kind))
    values = pa.StructArray.from_arrays([pa.array(ranges.start), pa.array(ranges.end), names], fields=list(EDIT_TYPE))
    column = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)
    return pa.Table.from_arrays([column], schema=REPEATS_SCHEMA)
