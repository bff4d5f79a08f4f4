"""What is cut: lines, paragraphs and spans of a unit put together, as one column beside its documents."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from gristmill.corpus.arrays import Int64s
from gristmill.transforms.core.edits import EDIT_TYPE
from gristmill.transforms.line_dedup.passage_hashes import LINE, PARAGRAPH, Integers

SPAN = 2
ENTITIES = {LINE: "repeated_line", PARAGRAPH: "repeated_paragraph", SPAN: "repeated_span"}
_RANKED = (PARAGRAPH, LINE, SPAN)
"""Which kind a character counts for that several cut."""

REPEATS_SCHEMA = pa.schema([pa.field("repeated", pa.list_(EDIT_TYPE), nullable=False)])
"""Row-aligned with the documents: what is cut of the text that the line rules of ``judge`` leave, as sorted half-open
ranges of its characters (code points) that do not overlap; ``entity`` says why (``ENTITIES``)."""


class Ranges(NamedTuple):
    """n ranges, parallel: characters ``start`` to ``end`` of the document in row ``row``, cut by ``kind``."""

    row: Integers
    start: Integers
    end: Integers
    kind: Int64s

    @classmethod
    def together(cls, parts: list[Ranges]) -> Ranges:
        nothing = cls(*(np.empty(0, np.int64) for _ in cls._fields))
        return cls(*map(np.concatenate, zip(nothing, *parts, strict=True)))


def disjoint(ranges: Ranges) -> Ranges:
    """The same characters in ranges that are sorted by row and place, do not overlap, and touch only another kind's."""
    row = np.concatenate([ranges.row, ranges.row])
    place = np.concatenate([ranges.start, ranges.end])
    kind = np.concatenate([ranges.kind, ranges.kind])
    step = np.repeat([1, -1], len(ranges.row))
    order = np.lexsort((place, row))
    row, place, kind, step = (column[order] for column in (row, place, kind, step))
    # Between two neighbouring bounds the text is cut by the best-ranked kind of which a range is open there.
    label = np.full(len(row), -1)
    for one in reversed(_RANKED):
        label[np.cumsum(np.where(kind == one, step, 0)) > 0] = one
    held = np.flatnonzero((label >= 0) & (np.append(place[1:], 0) > place))
    row, start, end, label = row[held], place[held], place[held + 1], label[held]
    opens = np.ones(len(held), np.bool_)
    opens[1:] = (row[1:] != row[:-1]) | (start[1:] != end[:-1]) | (label[1:] != label[:-1])
    return Ranges(row[opens], start[opens], end[np.append(opens[1:], True)[: len(opens)]], label[opens])


def cuts_table(ranges: Ranges, rows: int) -> pa.Table:
    """``REPEATS_SCHEMA`` for all ``rows`` of a document file; ``ranges`` are disjoint and sorted."""
    offsets = np.searchsorted(ranges.row, np.arange(rows + 1))
    names = pa.array([ENTITIES[kind] for kind in sorted(ENTITIES)]).take(pa.array(ranges.kind))
    values = pa.StructArray.from_arrays([pa.array(ranges.start), pa.array(ranges.end), names], fields=list(EDIT_TYPE))
    column = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)
    return pa.Table.from_arrays([column], schema=REPEATS_SCHEMA)
