"""Decides and writes the cuts of a group of units: which passages and spans are cut from each document."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from gristmill.corpus.arrays import Int64s, UInt32s
from gristmill.errors import RunError
from gristmill.store import storage
from gristmill.store.counts import RecordCounts
from gristmill.store.stage_directory import StageDirectory, open_table
from gristmill.transforms.core.exchange import split_by_file
from gristmill.transforms.core.row_blocks import row_group_sizes, write_row_groups
from gristmill.transforms.core.side_files import SideFile
from gristmill.transforms.core.tasks import Task
from gristmill.transforms.line_dedup.cut_ranges import ENTITIES, REPEATS_SCHEMA, CutRanges, cuts_table, merge_ranges
from gristmill.transforms.line_dedup.line_dedup_unit import LineDedupUnit
from gristmill.transforms.line_dedup.passage_copies import copies_to_cut
from gristmill.transforms.line_dedup.passage_file import PLACES_SCHEMA, join_passages
from gristmill.transforms.line_dedup.passage_hashes import passage_kinds
from gristmill.transforms.line_dedup.repeats_section import RepeatsSection
from gristmill.transforms.line_dedup.span_groups import find_spans


class CutPassages(NamedTuple):
    """The passages to cut from a unit: their numbers and kinds, parallel."""

    unit: str
    number: UInt32s
    kind: Int64s


def find_copies(
    partitions: range, section: RepeatsSection, units: SideFile, priority: tuple[str, ...]
) -> Iterator[tuple[int, CutPassages]]:
    """(group, passages to cut from one of its units), decided over some partitions of all units."""
    hashed: tuple[LineDedupUnit, ...] = units.open()

    def read(unit: LineDedupUnit) -> pa.Table:
        with open_table(unit.passages) as file:
            return file.read_row_groups(list(partitions))

    tables = storage.map_in_threads(read, hashed)
    passages = join_passages(tables, [unit.priority(priority) for unit in hashed])
    hashes, nodes = copies_to_cut(passages, section.passage_rules)
    order = np.argsort(nodes)
    kinds, at = passage_kinds(hashes[order]), 0
    for unit, numbers in split_by_file(nodes[order]):
        own = slice(at, at := at + len(numbers))
        yield hashed[unit].group, CutPassages(hashed[unit].unit, numbers, kinds[own])


def write_group(
    group: int,
    values: Iterable[Task | CutPassages],
    section: RepeatsSection,
    priority: tuple[str, ...],
    stage: StageDirectory,
) -> Iterator[str]:
    """Find the spans to cut from the units of a group, and write all cuts; yields the keys of the units."""
    tasks: list[Task] = []
    passages: dict[str, list[CutPassages]] = defaultdict(list)
    for value in values:
        if isinstance(value, Task):
            tasks.append(value)
        else:
            passages[value.unit].append(value)
    if unknown := sorted(passages.keys() - {task.unit for task in tasks}):
        raise RunError(
            f"stage {stage.stage}: there are passages to cut from units {unknown}, which are not among the tasks"
        )
    tasks.sort(key=lambda task: (task.input["source"], task.input["documents"]))  # the order in which they were grouped
    ranges = {task.unit: [_passage_ranges(task.work, passages[task.unit])] for task in tasks}
    if section.spans:
        cut = {unit: merge_ranges(own) for unit, (own,) in ranges.items()}
        for unit, spans in find_spans([task.work for task in tasks], cut, section, section.spans, priority):
            ranges[unit].append(spans)
    for task in tasks:
        _write_unit(stage, task, CutRanges.concatenate(ranges[task.unit]))
        yield task.unit


def _passage_ranges(unit: LineDedupUnit, passages: list[CutPassages]) -> CutRanges:
    """The ranges of the passages to cut from a unit."""
    if not passages:
        return CutRanges.concatenate([])
    numbers, kinds = (
        np.concatenate(column) for column in zip(*((own.number, own.kind) for own in passages), strict=True)
    )
    with open_table(unit.places) as file:
        places = file.read().take(pa.array(numbers))
    row, start, end = (places[name].to_numpy().astype(np.int64) for name in PLACES_SCHEMA.names)
    return CutRanges(row, start, end, kinds)


def _write_unit(stage: StageDirectory, task: Task, ranges: CutRanges) -> None:
    """Write the cuts of a unit, row-aligned with its documents, and its receipt."""
    work: LineDedupUnit = task.work
    merged = merge_ranges(ranges)
    groups = row_group_sizes(work.documents.files[0].url)
    rows = sum(groups)
    with stage.attempt(task.unit) as attempt:
        write_row_groups(attempt.table("repeats", REPEATS_SCHEMA), cuts_table(merged, rows), groups)
        summary = {
            "cut": _sum_by_entity(ranges.kind, np.ones(len(ranges.kind), np.int64)),
            "characters": _sum_by_entity(merged.kind, merged.end - merged.start),
        }
        counts = RecordCounts(work.kept, work.kept, {}, {}, rows, work.documents.rows)
        attempt.commit(task.input, counts, summary)


def _sum_by_entity(kinds: Int64s, amounts: Int64s) -> dict[str, int]:
    """The sum of ``amounts`` for each kind, without those of which it is 0."""
    sums = {name: int(amounts[kinds == kind].sum()) for kind, name in ENTITIES.items()}
    return {name: amount for name, amount in sums.items() if amount}
