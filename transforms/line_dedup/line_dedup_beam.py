"""Beam transforms of line deduplication.

Hashing processes each unit by itself::

    blocks of documents | HashPassages | WritePassages

``MarkRepeatedText`` decides over all units. Rows of different units meet in files, as in deduplication; workers
exchange only the passages to cut from each unit::

    partitions of passages | copies to cut | by group of units | spans in the text that is left | row-aligned cuts
"""

from __future__ import annotations

from functools import partial

import apache_beam as beam

from gristmill.store.stage_directory import StageDirectory
from gristmill.transforms.core.core_beam import MapItems, WriteUnits
from gristmill.transforms.core.exchange import partitions_per_task
from gristmill.transforms.core.side_files import SideFile
from gristmill.transforms.line_dedup.line_dedup_unit import LineDedupUnit
from gristmill.transforms.line_dedup.passage_writer import PassageWriter, hash_block
from gristmill.transforms.line_dedup.repeats_section import RepeatsSection
from gristmill.transforms.line_dedup.write_cuts import find_copies, write_group

_TASK_ROWS = 2**21  # passages: 200 MB


class HashPassages(MapItems):
    """Blocks of documents to ``HashedBlock``s, which hold the passages of the documents that take part."""

    def __init__(self, section: RepeatsSection) -> None:
        super().__init__(partial(partial, hash_block, section))


class WritePassages(WriteUnits):
    """Writes ``passages`` and ``places`` of each unit."""

    def __init__(self, stage: StageDirectory, section: RepeatsSection) -> None:
        super().__init__(stage, partial(PassageWriter, section.partitions))


class MarkRepeatedText(beam.PTransform):  # type: ignore[misc]
    """Tasks, one for each unit, to the keys of the units whose cuts are written. The stage ``refine`` applies the cuts.

    Args:
        section: The recipe's section.
        priority: Names of sources, best first, as in deduplication.
        units: All units, sorted by source and documents.
        units_file: Side file that holds ``units``.
        stage: Directory of the stage.
    """

    def __init__(
        self,
        section: RepeatsSection,
        priority: tuple[str, ...],
        units: tuple[LineDedupUnit, ...],
        units_file: SideFile,
        stage: StageDirectory,
    ) -> None:
        super().__init__()
        passages = sum(unit.passage_count for unit in units)
        self.ranges = partitions_per_task(passages, section.partitions, _TASK_ROWS)
        self.section = section
        self.priority = priority
        self.units_file = units_file
        self.stage = stage

    def expand(self, tasks: beam.PCollection) -> beam.PCollection:
        parts = [tasks | "tasks by group" >> beam.Map(lambda task: (task.work.group, task))]
        if self.section.passage_rules:
            parts.append(self._find_copies(tasks.pipeline))
        write = partial(write_group, section=self.section, priority=self.priority, stage=self.stage)
        return parts | beam.Flatten() | "by group" >> beam.GroupByKey() | beam.FlatMapTuple(write)

    def _find_copies(self, pipeline: beam.Pipeline) -> beam.PCollection:
        find = partial(find_copies, section=self.section, units=self.units_file, priority=self.priority)
        return (
            pipeline
            | beam.Create(self.ranges)
            | "distribute partitions" >> beam.Reshuffle()
            | "copies" >> beam.FlatMap(find)
        )
