"""Searches groups of units for repeated spans, in the text that the rules for lines and paragraphs leave."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gristmill.corpus.arrays import Int64s, UInt64s
from gristmill.corpus.record import UnitSummary
from gristmill.transforms.core.row_blocks import filter_rows, read_blocks
from gristmill.transforms.line_dedup.cut_ranges import SPAN, CutRanges
from gristmill.transforms.line_dedup.line_dedup_unit import (
    LineDedupUnit,
    searched_documents,
    texts_after_line_rules,
)
from gristmill.transforms.line_dedup.passage_file import document_order
from gristmill.transforms.line_dedup.repeated_spans import repeated_spans
from gristmill.transforms.line_dedup.repeats_section import RepeatsSection, SpanRule
from gristmill.transforms.line_dedup.trim_spans import trim_spans


class _FragmentBlock(NamedTuple):
    """The fragments of a block's documents, in order: the texts between what is cut already.

    The arrays are parallel: the document's row, its rank by source and by order, and the start of the fragment in it.
    """

    unit: str
    texts: pa.Array
    row: Int64s
    priority: Int64s
    order: UInt64s
    start: Int64s


def unit_groups(text_bytes: Sequence[int], group_bytes: int) -> list[int]:
    """The group of each unit: consecutive units with up to ``group_bytes`` of text together, and at least one."""
    groups: list[int] = []
    total = 0
    for size in text_bytes:
        fits = bool(groups) and total + size <= group_bytes
        groups.append(groups[-1] + (not fits) if groups else 0)
        total = total + size if fits else size
    return groups


def find_spans(
    units: Iterable[LineDedupUnit],
    cut: Mapping[str, CutRanges],
    section: RepeatsSection,
    rule: SpanRule,
    priority: Sequence[str],
) -> Iterator[tuple[str, CutRanges]]:
    """(unit, spans to cut) for the units of a group. ``cut``, by unit, are the disjoint ranges that are cut already.

    A unit with more text than ``group_bytes`` is searched in parts of that size, to bound the memory.
    """
    blocks = (block for unit in units for block in _read_fragments(unit, cut[unit.unit], section, priority))
    for part in _split_into_parts(blocks, rule.group_bytes):
        yield from _spans_of_part(part, rule)


def _read_fragments(
    unit: LineDedupUnit, cut: CutRanges, section: RepeatsSection, priority: Sequence[str]
) -> Iterator[_FragmentBlock]:
    rows_read = 0
    for block in read_blocks(unit.documents):
        if isinstance(block, UnitSummary):
            return
        searched = searched_documents(block, section)
        documents = filter_rows(block, searched)
        row = np.flatnonzero(searched.to_numpy()) + rows_read
        rows_read += block.num_rows
        if len(row):
            texts, of, start = _fragments(texts_after_line_rules(documents).combine_chunks(), row, cut)
            priorities = np.full(len(of), unit.priority(priority))
            order = document_order(documents["id"])
            yield _FragmentBlock(unit.unit, texts, row[of], priorities, order[of], start)


def _fragments(texts: pa.Array, row: Int64s, cut: CutRanges) -> tuple[pa.Array, Int64s, Int64s]:
    """What ``cut`` leaves of the texts in rows ``row``: (fragments, index of the text, start in the text)."""
    first, last = np.searchsorted(cut.row, row), np.searchsorted(cut.row, row, side="right")
    fragments, of, starts = [], [], []
    for number, (text, begin, end) in enumerate(zip(texts, first.tolist(), last.tolist(), strict=True)):
        if begin == end:
            bounds = [0, None]
        else:
            bounds = [0, *np.stack([cut.start[begin:end], cut.end[begin:end]], axis=1).ravel().tolist(), None]
        whole = text.as_py()
        fragments += [whole[start:stop] for start, stop in zip(bounds[::2], bounds[1::2], strict=True)]
        starts += bounds[::2]
        of += [number] * (len(bounds) // 2)
    return pa.array(fragments, pa.large_string()), np.array(of, np.int64), np.array(starts, np.int64)


def _split_into_parts(blocks: Iterable[_FragmentBlock], group_bytes: int) -> Iterator[list[_FragmentBlock]]:
    """Consecutive blocks with up to ``group_bytes`` of text together, and at least one."""
    part: list[_FragmentBlock] = []
    total = 0
    for block in blocks:
        size = pc.sum(pc.binary_length(block.texts)).as_py()
        if part and total + size > group_bytes:
            yield part
            part, total = [], 0
        part.append(block)
        total += size
    if part:
        yield part


def _spans_of_part(blocks: list[_FragmentBlock], rule: SpanRule) -> Iterator[tuple[str, CutRanges]]:
    units, *columns = zip(*blocks, strict=True)
    texts, (row, priority, order, start) = pa.concat_arrays(columns[0]), map(np.concatenate, columns[1:])
    # A stable sort: equal documents stay in the order of nodes, as for passages, and fragments in that of the document.
    ranked = np.lexsort((order, priority))
    texts = texts.take(pa.array(ranked))
    spans = trim_spans(texts, repeated_spans(texts, rule.min_bytes))
    of = ranked[spans.text]
    begin, end = spans.start + start[of], spans.end + start[of]
    edges = np.cumsum([0, *(len(block.row) for block in blocks)])
    for unit, (first, last) in zip(units, pairwise(edges.tolist()), strict=True):
        own = (of >= first) & (of < last)
        yield unit, CutRanges(row[of[own]], begin[own], end[own], np.full(np.count_nonzero(own), SPAN))
