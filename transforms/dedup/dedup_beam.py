"""Beam transforms of deduplication.

Signing processes each unit by itself::

    blocks of documents | SignDocuments | WriteSignatures

``Deduplicate`` decides over the signed documents of all units. Rows of different units meet in files, not in a shuffle:
a task reads its partitions of every bands file. Workers exchange only blocks of (bucket, node) for documents that share
a bucket, and removals::

    partitions | shared buckets | (one place) batches of components | removals | by unit | row-aligned sidecars

If the shared buckets may not fit on one worker, ``rounds`` write the batches to files first, and each batch is read
from these.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

import apache_beam as beam
import numpy as np
import pyarrow as pa

from gristmill.store.stage_directory import StageDirectory
from gristmill.transforms.core.core_beam import MapItems, WriteUnits
from gristmill.transforms.core.exchange import partitions_per_task
from gristmill.transforms.core.side_files import SideFile
from gristmill.transforms.dedup.buckets import BucketMembers
from gristmill.transforms.dedup.components import component_batches
from gristmill.transforms.dedup.dedup_section import DedupSection
from gristmill.transforms.dedup.rank import rank_documents
from gristmill.transforms.dedup.removals import MatchRule, find_removals
from gristmill.transforms.dedup.removals_file import removals_by_unit, write_removals
from gristmill.transforms.dedup.round_files import BatchFiles, read_batch
from gristmill.transforms.dedup.signature_reader import SignatureReader, SignedUnit, read_shared_buckets
from gristmill.transforms.dedup.signature_writer import SignatureWriter, block_signer

BATCH_DOCUMENTS = 20_000
"""Documents that are decided together, on average, without rounds."""


class SignDocuments(MapItems):
    """Blocks of documents to ``SignedBlock``s, which hold what the documents kept by ``judge`` are compared by."""

    def __init__(self, section: DedupSection) -> None:
        super().__init__(partial(block_signer, section))


class WriteSignatures(WriteUnits):
    """Writes ``bands``, ``fingerprints`` and ``sketches`` of each unit: the exchange of this run, and an index."""

    def __init__(self, stage: StageDirectory, section: DedupSection) -> None:
        super().__init__(stage, partial(SignatureWriter, section))


class Deduplicate(beam.PTransform):  # type: ignore[misc]
    """Tasks, one for each unit of this run, to the keys of the units whose removals are written.

    Args:
        section: The recipe's section.
        units: The units of the index, then all of this run.
        units_file: Side file that holds ``units``.
        stage: Directory of the stage.
        batch_files: Batches that rounds wrote; None to bring the shared buckets together on one worker.
    """

    def __init__(
        self,
        section: DedupSection,
        units: tuple[SignedUnit, ...],
        units_file: SideFile,
        stage: StageDirectory,
        batch_files: BatchFiles | None = None,
    ) -> None:
        super().__init__()
        self.section = section
        self.ranges = partitions_per_task(section.buckets * sum(unit.kept for unit in units), section.partitions)
        self.units_file = units_file
        self.stage = stage
        self.batch_files = batch_files

    def expand(self, tasks: beam.PCollection) -> beam.PCollection:
        pipeline, files = tasks.pipeline, self.batch_files
        batches = self._read_batches(pipeline, files) if files else self._find_batches(pipeline)
        removals = batches | beam.FlatMap(partial(_find_removals, section=self.section, units=self.units_file))
        by_unit = tasks | "task by unit" >> beam.Map(lambda task: (task.unit, task))
        return (
            (by_unit, removals)
            | beam.Flatten()
            | "by unit" >> beam.GroupByKey()
            | beam.MapTuple(partial(write_removals, self.stage))
        )

    def _find_batches(self, pipeline: beam.Pipeline) -> beam.PCollection:
        return (
            pipeline
            | beam.Create(self.ranges)
            | "distribute partitions" >> beam.Reshuffle()
            | beam.Map(partial(read_shared_buckets, units=self.units_file))
            | "in one place" >> beam.WithKeys(0)
            | "all buckets" >> beam.GroupByKey()
            | beam.FlatMapTuple(_split_into_batches)
            | "distribute batches" >> beam.Reshuffle()
        )

    def _read_batches(self, pipeline: beam.Pipeline, batch_files: BatchFiles) -> beam.PCollection:
        return (
            pipeline
            | beam.Create(range(batch_files.batches))
            | "distribute batches" >> beam.Reshuffle()
            | beam.FlatMap(partial(read_batch, batch_files.files))
        )


def _split_into_batches(_: int, parts: Iterable[BucketMembers]) -> Iterator[BucketMembers]:
    """Combine the buckets of all partitions and split them into batches of whole components."""
    filled = sorted((part for part in parts if len(part.bucket)), key=lambda part: int(part.bucket[0]))
    if filled:
        yield from component_batches(BucketMembers(*map(np.concatenate, zip(*filled, strict=True))), BATCH_DOCUMENTS)


def _find_removals(members: BucketMembers, section: DedupSection, units: SideFile) -> Iterator[tuple[str, pa.Table]]:
    """The removals among the documents of whole components, as (unit, rows)."""
    reader = SignatureReader(units.open(), section)
    prints = reader.fingerprints(np.unique(members.node))
    ranked = rank_documents(prints.table, prints.node, prints.generation, prints.sketch_length, section.priority)
    rule = MatchRule.from_section(section)
    removals = find_removals(ranked, members, partial(reader.sketches, prints), rule)
    yield from removals_by_unit(removals, prints, reader.units)
