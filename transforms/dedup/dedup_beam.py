"""Beam's view of the decision: who goes among the signed documents of all units.

Rows of different units meet in files, not in a shuffle: a task reads its partitions of every bands file. What passes
between workers after that are blocks of (bucket, node) of documents that share a bucket, and who goes::

    partitions | shared buckets | (one place) components, in batches | greedy | by unit | removals, row-aligned

Where they are too many for one place, ``rounds`` finds the batches before, and each is read from files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gristmill.corpus.document import ID_BYTES
from gristmill.errors import RunError
from gristmill.store import storage
from gristmill.store.counts import RecordCounts
from gristmill.store.stage_directory import StageDirectory, open_table
from gristmill.transforms.core.exchange import partition_ranges
from gristmill.transforms.core.row_blocks import group_rows, write_in_groups
from gristmill.transforms.core.side_files import SideFile
from gristmill.transforms.core.units import Task
from gristmill.transforms.dedup.buckets import Members, shared
from gristmill.transforms.dedup.components import batches, components
from gristmill.transforms.dedup.dedup_section import DedupSection
from gristmill.transforms.dedup.greedy import Removals, Rule, greedy
from gristmill.transforms.dedup.passing import EXACT, NEAR, NOT_COMPARED, SAME_URL, WHOLE
from gristmill.transforms.dedup.rank import ranked
from gristmill.transforms.dedup.shingles import UInt32s
from gristmill.transforms.dedup.signature_file import BandRows, band_rows, join_partitions
from gristmill.transforms.dedup.signed import Fingerprints, SignedDocuments, SignedUnit

REMOVALS_SCHEMA = pa.schema(
    [
        pa.field("removed", pa.bool_(), nullable=False),
        pa.field("duplicate", pa.string()),
        pa.field("match", pa.binary(ID_BYTES)),
        pa.field("jaccard", pa.float32()),
        pa.field("cluster", pa.int32(), nullable=False),
    ]
)
"""Row-aligned with the documents. ``duplicate`` is one of ``DUPLICATE``; ``match`` is the kept document that stands for
a removed one, ``jaccard`` their similarity where one was taken. ``cluster`` counts the documents that a kept one stands
for, itself among them; 0 for documents that are not kept."""

MEMBER_SCHEMA = pa.schema([pa.field(name, pa.uint64(), nullable=False) for name in Members._fields])

DUPLICATE = {NEAR: "near_duplicate", EXACT: "exact_duplicate", SAME_URL: "same_url"}

_BATCH_DOCUMENTS = 20_000


class Batches(NamedTuple):
    """Members of whole components as rounds leave them: files (``MEMBER_SCHEMA``) with a row group for each batch."""

    files: SideFile
    number: int


class Deduplicate(beam.PTransform):  # type: ignore[misc]
    """Tasks, one a unit, to removals: decided over ``units``, those of the index and then all of this run.

    Buckets come together in one place, unless rounds have left ``batches``.
    """

    def __init__(
        self,
        section: DedupSection,
        units: tuple[SignedUnit, ...],
        parcel: SideFile,
        stage: StageDirectory,
        batches: Batches | None = None,
    ) -> None:
        super().__init__()
        self.section = section
        self.ranges = partition_ranges(section.buckets * sum(unit.kept for unit in units), section.partitions)
        self.units = parcel
        self.stage = stage
        self.batches = batches

    def expand(self, tasks: beam.PCollection) -> beam.PCollection:
        by_unit = tasks | "task by unit" >> beam.Map(lambda task: (task.unit, task))
        members = self._dealt(tasks.pipeline, self.batches) if self.batches else self._in_one_place(tasks.pipeline)
        removals = members | beam.FlatMap(partial(_decide, section=self.section, units=self.units))
        return (
            (by_unit, removals)
            | beam.Flatten()
            | "by unit" >> beam.GroupByKey()
            | beam.MapTuple(partial(_write_removals, self.stage))
        )

    def _in_one_place(self, pipeline: beam.Pipeline) -> beam.PCollection:
        return (
            pipeline
            | beam.Create(self.ranges)
            | "spread partitions" >> beam.Reshuffle()
            | beam.Map(partial(shared_buckets, units=self.units))
            | "in one place" >> beam.WithKeys(0)
            | "all buckets" >> beam.GroupByKey()
            | beam.FlatMapTuple(_component_batches)
            | "spread batches" >> beam.Reshuffle()
        )

    def _dealt(self, pipeline: beam.Pipeline, batches: Batches) -> beam.PCollection:
        return (
            pipeline
            | beam.Create(range(batches.number))
            | "spread batches" >> beam.Reshuffle()
            | beam.FlatMap(partial(_read_batch, batches.files))
        )


def shared_buckets(partitions: range, units: SideFile) -> Members:
    """Members of the shared buckets of some partitions; only as many files are open as are being read."""
    signed: tuple[SignedUnit, ...] = units.open()

    def read(unit: SignedUnit) -> BandRows:
        with open_table(unit.files.bands) as file:
            return band_rows(file, partitions)

    fresh = sum(unit.generation < 0 for unit in signed)
    return shared(*join_partitions(storage.threaded(read, signed)), fresh << 32)


def _component_batches(_: int, parts: Iterable[Members]) -> Iterator[Members]:
    """The members of whole components, in batches of about ``_BATCH_DOCUMENTS`` documents."""
    listed = sorted((part for part in parts if len(part.bucket)), key=lambda part: int(part.bucket[0]))
    if not listed:
        return
    members = Members(*map(np.concatenate, zip(*listed, strict=True)))
    found = components(members)
    batch = batches(np.bincount(found.label), _BATCH_DOCUMENTS)[found.label]
    of_member = batch[np.searchsorted(found.node, members.node)]
    order = np.argsort(of_member, kind="stable")
    cuts = np.searchsorted(of_member[order], np.arange(1, of_member.max() + 1))
    yield from (Members(members.bucket[rows], members.node[rows]) for rows in np.split(order, cuts))


def _read_batch(files: SideFile, batch: int) -> Iterator[Members]:
    table = read_tables(files.open(), [batch], MEMBER_SCHEMA).sort_by([("bucket", "ascending"), ("node", "ascending")])
    if table.num_rows:
        yield Members(table["bucket"].to_numpy(), table["node"].to_numpy())


def read_tables(urls: Sequence[str], groups: Sequence[int] | None, schema: pa.Schema) -> pa.Table:
    """Some row groups of every file, or all of them, one file after another."""

    def read(url: str) -> pa.Table:
        with open_table(url) as file:
            return file.read() if groups is None else file.read_row_groups(list(groups))

    return pa.concat_tables([schema.empty_table(), *storage.threaded(read, urls)])


def _decide(members: Members, section: DedupSection, units: SideFile) -> Iterator[tuple[str, pa.Table]]:
    """Who goes among the documents of whole components, as blocks of rows for each unit concerned."""
    signed = SignedDocuments(units.open(), section)
    prints = signed.fingerprints(np.unique(members.node))
    ranking = ranked(prints.table, prints.node, prints.generation, prints.sketch, section.priority)
    rule = Rule.of(section)
    removals = greedy(ranking, members, partial(signed.sketches, prints), rule)
    yield from _by_unit(removals, prints, signed.units)


def _by_unit(removals: Removals, prints: Fingerprints, units: tuple[SignedUnit, ...]) -> Iterator[tuple[str, pa.Table]]:
    removed, kept = removals.node, removals.kept
    stands, counts = np.unique(np.concatenate([kept, removals.capped]), return_counts=True)
    counts -= np.isin(stands, removals.capped)
    node = np.concatenate([removed, stands])
    none = pa.nulls(len(stands))
    kinds = pa.array([DUPLICATE[why] for why in range(len(DUPLICATE))])
    ids = prints.table["id"].combine_chunks()
    unseen = removals.similarity == NOT_COMPARED
    table = pa.table(
        {
            "node": node,
            "row": (node & np.uint64(2**32 - 1)).astype(np.uint32),
            "removed": np.arange(len(node)) < len(removed),
            "duplicate": pa.concat_arrays([kinds.take(pa.array(removals.why)), none.cast(pa.string())]),
            "match": pa.concat_arrays([ids.take(pa.array(np.searchsorted(prints.node, kept))), none.cast(ids.type)]),
            "jaccard": pa.concat_arrays(
                [pa.array((removals.similarity / WHOLE).astype(np.float32), mask=unseen), none.cast(pa.float32())]
            ),
            "cluster": np.concatenate([np.zeros(len(removed), np.int32), (counts + 1).astype(np.int32)]),
            "capped": np.isin(node, removals.capped),
        }
    )
    number = (node >> np.uint64(32)).astype(np.int64)
    for file in np.unique(number).tolist():
        if not units[file].generation:
            yield units[file].unit, table.take(pa.array(np.flatnonzero(number == file))).drop_columns(["node"])


def _write_removals(stage: StageDirectory, unit: str, values: Iterable[Any]) -> str:
    """Write a unit's removals, row-aligned with its documents, and its receipt."""
    tables: list[pa.Table] = []
    tasks: list[Task] = []
    for value in values:
        (tasks if isinstance(value, Task) else tables).append(value)
    if len(tasks) != 1:
        raise RunError(f"stage {stage.stage}: removals for unit {unit}, which is not among the tasks")
    signed: SignedUnit = tasks[0].work
    groups = group_rows(signed.documents)
    with storage.open_input(signed.files.fingerprints) as opened:
        rows = pq.read_table(opened, columns=["row"])["row"].to_numpy()
    aligned = _aligned(sum(groups), rows, tables)
    with stage.attempt(unit) as attempt:
        write_in_groups(attempt.table("removals", REMOVALS_SCHEMA), aligned, groups)
        reasons = aligned["duplicate"].drop_null().value_counts().to_pylist()
        dropped = {reason["values"]: reason["counts"] for reason in reasons}
        capped = sum(int(np.count_nonzero(table["capped"])) for table in tables)
        attempt.commit(tasks[0].input, RecordCounts.of_rows(len(rows), signed.kept, dropped), {"capped": capped})
    return unit


def _aligned(rows: int, kept: UInt32s, tables: list[pa.Table]) -> pa.Table:
    """``REMOVALS_SCHEMA`` for all ``rows`` of a document file: documents that no table names stand for themselves."""
    cluster = np.zeros(rows, np.int32)
    cluster[kept] = 1
    if not tables:
        absent = {name: pa.nulls(rows, REMOVALS_SCHEMA.field(name).type) for name in ("duplicate", "match", "jaccard")}
        return pa.table({"removed": np.zeros(rows, bool), **absent, "cluster": cluster}, schema=REMOVALS_SCHEMA)
    named = pa.concat_tables(tables)
    place = np.full(rows, -1)
    place[named["row"].to_numpy()] = np.arange(named.num_rows)
    cluster[named["row"].to_numpy()] = named["cluster"].to_numpy()
    taken = named.take(pa.array(place, pa.int64(), mask=place < 0))
    removed = taken["removed"].combine_chunks().fill_null(False)
    return pa.table(
        {
            "removed": removed,
            **{name: taken[name] for name in ("duplicate", "match", "jaccard")},
            "cluster": cluster,
        }
    ).cast(REMOVALS_SCHEMA)
