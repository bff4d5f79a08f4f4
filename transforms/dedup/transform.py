"""Beam's view of deduplication: signing units, and deciding over all of them.

Rows of different units meet in files, not in a shuffle: a task reads its partitions of every bands file. What passes
between workers after that are blocks of (bucket, node) of documents that share a bucket, and who goes::

    partitions | shared buckets | (one place) components, in batches | greedy | by unit | removals, row-aligned
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gristmill.corpus import storage
from gristmill.corpus.books import Books
from gristmill.corpus.document import ID_BYTES
from gristmill.corpus.errors import RunError
from gristmill.corpus.record import UnitEnd
from gristmill.corpus.stage import Attempt, StageDirectory, open_table
from gristmill.transforms.blocks import keep
from gristmill.transforms.dedup.buckets import Members, shared
from gristmill.transforms.dedup.components import batches, components
from gristmill.transforms.dedup.greedy import Removals, Rule, greedy
from gristmill.transforms.dedup.minhash import MinHasher
from gristmill.transforms.dedup.passing import NOT_COMPARED, WHOLE
from gristmill.transforms.dedup.rank import ranked
from gristmill.transforms.dedup.section import DedupSection
from gristmill.transforms.dedup.shingles import UInt32s, UInt64s
from gristmill.transforms.dedup.sign import sign, sketch_lengths
from gristmill.transforms.dedup.signature_file import (
    BAND_SCHEMA,
    FINGERPRINT_SCHEMA,
    BandRows,
    band_rows,
    fingerprint_table,
    join_partitions,
    partition_tables,
)
from gristmill.transforms.dedup.signed import Fingerprints, SignedDocuments, SignedUnit
from gristmill.transforms.parcels import Parcel
from gristmill.transforms.units import EachItem, Task, WriteUnits

REMOVALS_SCHEMA = pa.schema(
    [
        pa.field("removed", pa.bool_(), nullable=False),
        pa.field("duplicate", pa.string()),
        pa.field("match", pa.binary(ID_BYTES)),
        pa.field("jaccard", pa.float32()),
        pa.field("cluster", pa.int32(), nullable=False),
    ]
)
"""Row-aligned with the documents. ``duplicate`` says ``exact_duplicate`` or ``near_duplicate``; ``match`` is the kept
document that stands for a removed one. ``cluster`` counts the documents that a kept one stands for, itself among them;
0 for documents that are not kept."""

_BATCH_DOCUMENTS = 20_000
_TASK_ROWS = 2**22  # of bands: 64 MB


class SignDocuments(EachItem):
    """Blocks of documents to blocks of what they are compared by; only rows that ``judge`` kept are signed."""

    def __init__(self, section: DedupSection) -> None:
        super().__init__(partial(_signer, section))


class WriteSignatures(WriteUnits):
    """``bands``, ``fingerprints`` and ``sketches`` of each unit: exchange of this run, index for later ones."""

    def __init__(self, stage: StageDirectory, section: DedupSection) -> None:
        super().__init__(stage, partial(SignatureFold, section.partitions))


class SignedBlock(NamedTuple):
    """A block of documents, signed: fingerprints and bands of those that take part, and how many rows there were."""

    fingerprints: pa.Table
    sketches: UInt32s
    rows: UInt32s
    """Of documents with words, [n]."""
    bands: UInt64s
    """[n, bands]"""
    block_rows: int


class SignatureFold:
    """Writes a unit's fingerprints and sketches, and collects its bands; 14 of these take 168 bytes a document."""

    def __init__(self, partitions: int, attempt: Attempt) -> None:
        self.partitions = partitions
        self.bands = attempt.table("bands", BAND_SCHEMA)
        self.fingerprints = attempt.table("fingerprints", FINGERPRINT_SCHEMA)
        self.sketches = attempt.payload("sketches", ".bin")
        self.rows: list[UInt32s] = []
        self.hashes: list[UInt64s] = []
        self.seen = 0

    def add(self, item: SignedBlock) -> int:
        table = item.fingerprints
        moved = {"row": np.uint32(self.seen), "sketch": np.uint64(self.sketches.rows)}
        for name, by in moved.items():
            place = FINGERPRINT_SCHEMA.get_field_index(name)
            table = table.set_column(place, FINGERPRINT_SCHEMA.field(name), [pa.array(table[name].to_numpy() + by)])
        self.fingerprints.write(table)
        self.sketches.write(item.sketches.astype("<u4", copy=False).data, len(item.sketches))
        self.rows.append(item.rows + np.uint32(self.seen))
        self.hashes.append(item.bands)
        self.seen += item.block_rows
        return int(table.num_rows)

    def finish(self, end: UnitEnd) -> tuple[Books, Mapping[str, Any]]:
        rows = np.concatenate([np.empty(0, np.uint32), *self.rows])
        hashes = np.concatenate(self.hashes) if self.hashes else np.empty((0, 1), np.uint64)
        for table in partition_tables(rows, hashes, self.partitions):
            self.bands.write(table)
        signed = self.fingerprints.rows
        return Books(signed, signed, {}, {}, end.covered, end.expected), {}


class Deduplicate(beam.PTransform):  # type: ignore[misc]
    """Tasks, one a unit, to removals: decided over ``units``, those of the index and then all of this run."""

    def __init__(
        self, section: DedupSection, units: tuple[SignedUnit, ...], parcel: Parcel, stage: StageDirectory
    ) -> None:
        super().__init__()
        self.section = section
        self.ranges = partition_ranges(section, sum(unit.kept for unit in units))
        self.units = parcel
        self.stage = stage

    def expand(self, tasks: beam.PCollection) -> beam.PCollection:
        by_unit = tasks | "task by unit" >> beam.Map(lambda task: (task.unit, task))
        removals = (
            tasks.pipeline
            | beam.Create(self.ranges)
            | "spread partitions" >> beam.Reshuffle()
            | beam.Map(partial(_shared_buckets, units=self.units))
            | "in one place" >> beam.WithKeys(0)
            | "all buckets" >> beam.GroupByKey()
            | beam.FlatMapTuple(_component_batches)
            | "spread batches" >> beam.Reshuffle()
            | beam.FlatMap(partial(_decide, section=self.section, units=self.units))
        )
        return (
            (by_unit, removals)
            | beam.Flatten()
            | "by unit" >> beam.GroupByKey()
            | beam.MapTuple(partial(_write_removals, self.stage))
        )


def partition_ranges(section: DedupSection, documents: int) -> list[range]:
    """The partitions of each task: so many that it has about ``_TASK_ROWS`` rows of bands."""
    rows = documents * section.banding[0] / section.partitions
    together = min(max(int(_TASK_ROWS // max(rows, 1)), 1), section.partitions)
    return [range(at, min(at + together, section.partitions)) for at in range(0, section.partitions, together)]


def _signer(section: DedupSection) -> Any:
    hasher = MinHasher.of(section)

    def step(block: pa.Table) -> SignedBlock:
        kept = keep(block, block["kept"])
        if section.quality is not None:
            kept = kept.append_column("quality", kept[section.quality])
        rows = np.flatnonzero(block["kept"].to_numpy()).astype(np.uint32)
        signed = sign(kept["text"], hasher, section.ngram, section.verify)
        worded = signed.words > 0  # documents without a word have nothing to be alike in
        lengths = sketch_lengths(signed.shingles.astype(np.int64), hasher, section.verify)
        prints = fingerprint_table(kept, rows, signed, lengths)
        return SignedBlock(prints, signed.sketches, rows[worded], signed.bands[worded], block.num_rows)

    return step


def _shared_buckets(partitions: range, units: Parcel) -> Members:
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


def _decide(members: Members, section: DedupSection, units: Parcel) -> Iterator[tuple[str, pa.Table]]:
    """Who goes among the documents of whole components, as blocks of rows for each unit concerned."""
    signed = SignedDocuments(units.open(), section)
    prints = signed.fingerprints(np.unique(members.node))
    ranking = ranked(prints.table, prints.node, prints.generation, prints.sketch, section.priority)
    rule = Rule(section.threshold, section.verify, section.banding[0])
    removals = greedy(ranking, members, partial(signed.sketches, prints), rule)
    yield from _by_unit(removals, prints, signed.units)


def _by_unit(removals: Removals, prints: Fingerprints, units: tuple[SignedUnit, ...]) -> Iterator[tuple[str, pa.Table]]:
    removed, kept = removals.node, removals.kept
    stands, counts = np.unique(np.concatenate([kept, removals.capped]), return_counts=True)
    counts -= np.isin(stands, removals.capped)
    node = np.concatenate([removed, stands])
    none = pa.nulls(len(stands))
    kinds = pa.array(["near_duplicate", "exact_duplicate"])
    ids = prints.table["id"].combine_chunks()
    unseen = removals.similarity == NOT_COMPARED
    table = pa.table(
        {
            "node": node,
            "row": (node & np.uint64(2**32 - 1)).astype(np.uint32),
            "removed": np.arange(len(node)) < len(removed),
            "duplicate": pa.concat_arrays(
                [kinds.take(pa.array(removals.exact.astype(np.int8))), none.cast(pa.string())]
            ),
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


def group_rows(file: pq.ParquetFile) -> list[int]:
    """Rows of each row group."""
    return [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]


def _write_removals(stage: StageDirectory, unit: str, values: Iterable[Any]) -> str:
    """Write a unit's removals, row-aligned with its documents, and its receipt."""
    tables: list[pa.Table] = []
    tasks: list[Task] = []
    for value in values:
        (tasks if isinstance(value, Task) else tables).append(value)
    if len(tasks) != 1:
        raise RunError(f"stage {stage.stage}: removals for unit {unit}, which is not among the tasks")
    signed: SignedUnit = tasks[0].work
    with storage.open_input(signed.documents) as opened:
        groups = group_rows(pq.ParquetFile(opened))
    with storage.open_input(signed.files.fingerprints) as opened:
        rows = pq.read_table(opened, columns=["row"])["row"].to_numpy()
    aligned = _aligned(sum(groups), rows, tables)
    with stage.attempt(unit) as attempt:
        sink = attempt.table("removals", REMOVALS_SCHEMA)
        start = 0
        for count in groups:
            sink.write(aligned.slice(start, count))
            start += count
        reasons = aligned["duplicate"].drop_null().value_counts().to_pylist()
        dropped = {reason["values"]: reason["counts"] for reason in reasons}
        capped = sum(int(np.count_nonzero(table["capped"])) for table in tables)
        attempt.commit(tasks[0].input, Books.of_rows(len(rows), signed.kept, dropped), {"capped": capped})
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
