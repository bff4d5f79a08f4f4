"""Groups of units that are searched for repeated spans together: in what line and paragraph rules leave of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gristmill.corpus.arrays import UInt64s
from gristmill.corpus.record import UnitSummary
from gristmill.transforms.core.row_blocks import filter_rows, read_blocks
from gristmill.transforms.line_dedup.cut_ranges import SPAN, Ranges
from gristmill.transforms.line_dedup.line_dedup_unit import RepeatsUnit, taking_part, texts_left
from gristmill.transforms.line_dedup.passage_file import order_of
from gristmill.transforms.line_dedup.passage_hashes import Integers
from gristmill.transforms.line_dedup.repeated_spans import repeated_spans
from gristmill.transforms.line_dedup.repeats_section import RepeatsSection, SpanRule
from gristmill.transforms.line_dedup.trim_spans import trimmed


class _Piece(NamedTuple):
    """Fragments of the documents of a block, in their order: texts between which something is cut already.

    The rest is parallel: the document's row, its rank by source and by order, and where in it the fragment begins.
    """

    unit: str
    texts: pa.Array
    row: Integers
    priority: Integers
    order: UInt64s
    start: Integers


def unit_groups(text_bytes: Sequence[int], group_bytes: int) -> list[int]:
    """The group of each unit: neighbours go together, as many as have ``group_bytes`` of text, and at least one."""
    groups: list[int] = []
    total = 0
    for size in text_bytes:
        fits = bool(groups) and total + size <= group_bytes
        groups.append(groups[-1] + (not fits) if groups else 0)
        total = total + size if fits else size
    return groups


def spans_of_units(
    units: Iterable[RepeatsUnit],
    cut: Mapping[str, Ranges],
    section: RepeatsSection,
    rule: SpanRule,
    priority: Sequence[str],
) -> Iterator[tuple[str, Ranges]]:
    """(unit, spans that go in it) of a group, of which the disjoint ranges ``cut``, by unit, go already.

    A unit of more text than ``group_bytes`` is searched in parts of as much, so that it fits the memory.
    """
    pieces = (piece for unit in units for piece in _pieces(unit, cut[unit.unit], section, priority))
    for part in _parts(pieces, rule.group_bytes):
        yield from _spans_of(part, rule)


def _pieces(unit: RepeatsUnit, cut: Ranges, section: RepeatsSection, priority: Sequence[str]) -> Iterator[_Piece]:
    seen = 0
    for block in read_blocks(unit.documents):
        if isinstance(block, UnitSummary):
            return
        chosen = taking_part(block, section)
        documents = filter_rows(block, chosen)
        row = np.flatnonzero(chosen.to_numpy()) + seen
        seen += block.num_rows
        if len(row):
            texts, of, start = _fragments(texts_left(documents).combine_chunks(), row, cut)
            best = np.full(len(of), unit.priority(priority))
            yield _Piece(unit.unit, texts, row[of], best, order_of(documents["id"])[of], start)


def _fragments(texts: pa.Array, row: Integers, cut: Ranges) -> tuple[pa.Array, Integers, Integers]:
    """What ``cut`` leaves of the texts in rows ``row``: fragments, the text of each, and where it begins there."""
    first, last = np.searchsorted(cut.row, row), np.searchsorted(cut.row, row, side="right")
    found, of, starts = [], [], []
    for number, (text, begin, end) in enumerate(zip(texts, first.tolist(), last.tolist(), strict=True)):
        if begin == end:
            bounds = [0, None]
        else:
            bounds = [0, *np.stack([cut.start[begin:end], cut.end[begin:end]], axis=1).ravel().tolist(), None]
        whole = text.as_py()
        found += [whole[start:stop] for start, stop in zip(bounds[::2], bounds[1::2], strict=True)]
        starts += bounds[::2]
        of += [number] * (len(bounds) // 2)
    return pa.array(found, pa.large_string()), np.array(of, np.int64), np.array(starts, np.int64)


def _parts(pieces: Iterable[_Piece], group_bytes: int) -> Iterator[list[_Piece]]:
    """Neighbouring pieces: as many as have ``group_bytes`` of text, and at least one."""
    waiting: list[_Piece] = []
    total = 0
    for piece in pieces:
        size = pc.sum(pc.binary_length(piece.texts)).as_py()
        if waiting and total + size > group_bytes:
            yield waiting
            waiting, total = [], 0
        waiting.append(piece)
        total += size
    if waiting:
        yield waiting


def _spans_of(pieces: list[_Piece], rule: SpanRule) -> Iterator[tuple[str, Ranges]]:
    names, *columns = zip(*pieces, strict=True)
    texts, (row, priority, order, start) = pa.concat_arrays(columns[0]), map(np.concatenate, columns[1:])
    # Of equal ones the smaller node first, as among passages; the fragments of a document in their order.
    ranked = np.lexsort((order, priority))
    texts = texts.take(pa.array(ranked))
    spans = trimmed(texts, repeated_spans(texts, rule.min_bytes))
    of = ranked[spans.text]
    begin, end = spans.start + start[of], spans.end + start[of]
    edges = np.cumsum([0, *(len(piece.row) for piece in pieces)])
    for name, (first, last) in zip(names, pairwise(edges.tolist()), strict=True):
        own = (of >= first) & (of < last)
        yield name, Ranges(row[of[own]], begin[own], end[own], np.full(np.count_nonzero(own), SPAN))
