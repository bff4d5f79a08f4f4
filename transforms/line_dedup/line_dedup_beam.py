"""Beam's view of repeats: hashing the lines and paragraphs of units, and deciding over all of them.

Rows of different units meet in files, as those of deduplication do. What passes between workers after that are blocks
of what goes in a unit::

    partitions of passages | copies that go | by group of units | repeated spans in the rest | cuts, row-aligned
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gristmill.corpus.arrays import UInt32s, UInt64s
from gristmill.corpus.record import UnitSummary
from gristmill.errors import RunError
from gristmill.store import storage
from gristmill.store.attempts import Attempt
from gristmill.store.counts import RecordCounts
from gristmill.store.stage_directory import StageDirectory, open_table
from gristmill.transforms.core.core_beam import MapItems, WriteUnits
from gristmill.transforms.core.exchange import partitions_per_task, split_by_file
from gristmill.transforms.core.row_blocks import filter_rows, row_group_sizes, write_row_groups
from gristmill.transforms.core.side_files import SideFile
from gristmill.transforms.core.tasks import Task
from gristmill.transforms.line_dedup.cut_ranges import ENTITIES, REPEATS_SCHEMA, Ranges, cuts_table, disjoint
from gristmill.transforms.line_dedup.line_dedup_unit import RepeatsUnit, left, taking_part, texts_left
from gristmill.transforms.line_dedup.passage_copies import copies_to_cut
from gristmill.transforms.line_dedup.passage_file import (
    PASSAGES_SCHEMA,
    PLACES_SCHEMA,
    join_partitions,
    order_of,
    partition_tables,
    places_table,
)
from gristmill.transforms.line_dedup.passage_hashes import Integers, find_passages, kinds_of
from gristmill.transforms.line_dedup.repeats_section import RepeatsSection
from gristmill.transforms.line_dedup.span_groups import spans_of_units

_TASK_ROWS = 2**21  # passages: 200 MB


class HashPassages(MapItems):
    """Blocks of documents to blocks of the passages of those that take part."""

    def __init__(self, section: RepeatsSection) -> None:
        super().__init__(partial(partial, _hashed, section))


class WritePassages(WriteUnits):
    """``passages`` and ``places`` of each unit."""

    def __init__(self, stage: StageDirectory, section: RepeatsSection) -> None:
        super().__init__(stage, partial(PassageFold, section.partitions))


class HashedBlock(NamedTuple):
    """The passages of a block of documents, how many of these deduplication left, and how many rows there were."""

    hashes: UInt64s
    order: UInt64s
    places: pa.Table
    left: int
    block_rows: int


class PassageFold:
    """Writes a unit's places and collects its hashes: 16 bytes a passage."""

    def __init__(self, partitions: int, attempt: Attempt) -> None:
        self.partitions = partitions
        self.passages = attempt.table("passages", PASSAGES_SCHEMA)
        self.places = attempt.table("places", PLACES_SCHEMA)
        self.hashes: list[UInt64s] = []
        self.order: list[UInt64s] = []
        self.left = 0
        self.seen = 0

    def add(self, item: HashedBlock) -> int:
        self.places.write(item.places.set_column(0, "row", pc.add(item.places["row"], self.seen)))
        self.hashes.append(item.hashes)
        self.order.append(item.order)
        self.left += item.left
        self.seen += item.block_rows
        return item.left

    def finish(self, end: UnitSummary) -> tuple[RecordCounts, Mapping[str, Any]]:
        hashes, order = (np.concatenate([np.empty(0, np.uint64), *part]) for part in (self.hashes, self.order))
        for table in partition_tables(hashes, order, self.partitions):
            self.passages.write(table)
        return RecordCounts(self.left, self.left, {}, {}, end.covered, end.expected), {}


class CutRepeats(beam.PTransform):  # type: ignore[misc]
    """Tasks, one a unit, to what goes: decided over all ``units``, which are sorted by source and documents.

    ``priority`` names sources, best first, as in deduplication.
    """

    def __init__(
        self,
        section: RepeatsSection,
        priority: tuple[str, ...],
        units: tuple[RepeatsUnit, ...],
        parcel: SideFile,
        stage: StageDirectory,
    ) -> None:
        super().__init__()
        self.ranges = partitions_per_task(sum(unit.hashed for unit in units), section.partitions, _TASK_ROWS)
        self.section = section
        self.priority = priority
        self.units = parcel
        self.stage = stage

    def expand(self, tasks: beam.PCollection) -> beam.PCollection:
        parts = [tasks | "tasks by group" >> beam.Map(lambda task: (task.work.group, task))]
        if self.section.passage_rules:
            copies = partial(_copies, section=self.section, units=self.units, priority=self.priority)
            parts.append(
                tasks.pipeline
                | beam.Create(self.ranges)
                | "spread partitions" >> beam.Reshuffle()
                | "copies" >> beam.FlatMap(copies)
            )
        write = partial(_write_group, section=self.section, priority=self.priority, stage=self.stage)
        return parts | beam.Flatten() | "by group" >> beam.GroupByKey() | beam.FlatMapTuple(write)


class Gone(NamedTuple):
    """The passages that go in a unit: their numbers and kinds, parallel."""

    unit: str
    number: UInt32s
    kind: Integers


def _hashed(section: RepeatsSection, block: pa.Table) -> HashedBlock:
    chosen = taking_part(block, section)
    documents = filter_rows(block, chosen)
    fewest = {kind: rule.min_words for kind, rule in section.passage_rules.items()}
    found = find_passages(texts_left(documents), fewest)
    places = places_table(found, np.flatnonzero(chosen.to_numpy()))
    order = order_of(documents["id"])[found.document]
    return HashedBlock(found.hash, order, places, pc.sum(left(block)).as_py() or 0, block.num_rows)


def _copies(
    partitions: range, section: RepeatsSection, units: SideFile, priority: tuple[str, ...]
) -> Iterator[tuple[int, Gone]]:
    """(group, passages that go in one of its units) of some partitions."""
    hashed: tuple[RepeatsUnit, ...] = units.open()

    def read(unit: RepeatsUnit) -> pa.Table:
        with open_table(unit.passages) as file:
            return file.read_row_groups(list(partitions))

    tables = storage.map_in_threads(read, hashed)
    copies = join_partitions(tables, [unit.priority(priority) for unit in hashed])
    hashes, nodes = copies_to_cut(copies, section.passage_rules)
    order = np.argsort(nodes)
    kinds, at = kinds_of(hashes[order]), 0
    for unit, numbers in split_by_file(nodes[order]):
        own = slice(at, at := at + len(numbers))
        yield hashed[unit].group, Gone(hashed[unit].unit, numbers, kinds[own])


def _write_group(
    group: int, values: Iterable[Task | Gone], section: RepeatsSection, priority: tuple[str, ...], stage: StageDirectory
) -> Iterator[str]:
    """Find the spans that go in a group's units, and write what goes in each."""
    tasks: list[Task] = []
    gone: dict[str, list[Gone]] = defaultdict(list)
    for value in values:
        if isinstance(value, Task):
            tasks.append(value)
        else:
            gone[value.unit].append(value)
    if unknown := sorted(gone.keys() - {task.unit for task in tasks}):
        raise RunError(f"stage {stage.stage}: repeats for units {unknown}, which are not among the tasks")
    tasks.sort(key=lambda task: (task.input["source"], task.input["documents"]))  # as the launcher did
    found = {task.unit: [_passages(task.work, gone[task.unit])] for task in tasks}
    if section.spans:
        cut = {unit: disjoint(passages) for unit, (passages,) in found.items()}
        units = [task.work for task in tasks]
        for unit, spans in spans_of_units(units, cut, section, section.spans, priority):
            found[unit].append(spans)
    for task in tasks:
        _write(stage, task, Ranges.together(found[task.unit]))
        yield task.unit


def _passages(unit: RepeatsUnit, gone: list[Gone]) -> Ranges:
    """The passages that go in a unit, by their places."""
    if not gone:
        return Ranges.together([])
    numbers, kinds = (np.concatenate(column) for column in zip(*((one.number, one.kind) for one in gone), strict=True))
    with open_table(unit.places) as file:
        places = file.read().take(pa.array(numbers))
    row, start, end = (places[name].to_numpy().astype(np.int64) for name in PLACES_SCHEMA.names)
    return Ranges(row, start, end, kinds)


def _write(stage: StageDirectory, task: Task, found: Ranges) -> None:
    """Write what goes in a unit, row-aligned with its documents, and its receipt."""
    work: RepeatsUnit = task.work
    cut = disjoint(found)
    groups = row_group_sizes(work.documents.files[0].url)
    rows = sum(groups)
    with stage.attempt(task.unit) as attempt:
        write_row_groups(attempt.table("repeats", REPEATS_SCHEMA), cuts_table(cut, rows), groups)
        summary = {
            "cut": _by_entity(found.kind, np.ones(len(found.kind), np.int64)),
            "characters": _by_entity(cut.kind, cut.end - cut.start),
        }
        counts = RecordCounts(work.left, work.left, {}, {}, rows, work.documents.rows)
        attempt.commit(task.input, counts, summary)


def _by_entity(kinds: Any, amounts: Any) -> dict[str, int]:
    """The sum of ``amounts`` for each kind that there is."""
    sums = {name: int(amounts[kinds == kind].sum()) for kind, name in ENTITIES.items()}
    return {name: amount for name, amount in sums.items() if amount}
