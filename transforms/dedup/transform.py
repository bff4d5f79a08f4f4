"""Beam's view of deduplication: signing units, and deciding over all of them.

Rows of different units meet in files, not in a shuffle: a partition's task reads its row group of every bands file.
What passes between workers after that are blocks of (bucket, node) of documents that share a bucket, and who goes::

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
from gristmill.transforms.dedup.greedy import Removals, greedy
from gristmill.transforms.dedup.minhash import MinHasher
from gristmill.transforms.dedup.rank import ranked
from gristmill.transforms.dedup.section import DedupSection
from gristmill.transforms.dedup.shingles import UInt32s, UInt64s, text_shingles
from gristmill.transforms.dedup.signature_file import (
    BAND_SCHEMA,
    FINGERPRINT_SCHEMA,
    BandRows,
    band_rows,
    fingerprint_table,
    join_partition,
    partition_tables,
    sign,
)
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


class SignedUnit(NamedTuple):
    """A unit's files as deduplication reads them, and the rows that ``judge`` announced as kept."""

    unit: str
    documents: str
    bands: str
    fingerprints: str
    kept: int


class SignDocuments(EachItem):
    """Blocks of documents to blocks of what they are compared by; only rows that ``judge`` kept are signed."""

    def __init__(self, section: DedupSection) -> None:
        super().__init__(partial(_signer, section))


class WriteSignatures(WriteUnits):
    """``bands`` and ``fingerprints`` of each unit: the exchange of this run, and the index for later ones."""

    def __init__(self, stage: StageDirectory, section: DedupSection) -> None:
        super().__init__(stage, partial(SignatureFold, section.partitions))


class SignatureFold:
    """Collects a unit's signatures; 14 bands take 168 bytes a document."""

    def __init__(self, partitions: int, attempt: Attempt) -> None:
        self.partitions = partitions
        self.bands = attempt.table("bands", BAND_SCHEMA)
        self.fingerprints = attempt.table("fingerprints", FINGERPRINT_SCHEMA)
        self.rows: list[UInt32s] = []
        self.hashes: list[UInt64s] = []
        self.seen = 0

    def add(self, item: tuple[pa.Table, UInt32s, UInt64s, int]) -> int:
        table, rows, bands, block_rows = item
        places = pa.array(table["row"].to_numpy() + np.uint32(self.seen))
        self.fingerprints.write(table.set_column(0, FINGERPRINT_SCHEMA.field("row"), [places]))
        self.rows.append(rows + np.uint32(self.seen))
        self.hashes.append(bands)
        self.seen += block_rows
        return int(table.num_rows)

    def finish(self, end: UnitEnd) -> tuple[Books, Mapping[str, Any]]:
        rows = np.concatenate([np.empty(0, np.uint32), *self.rows])
        hashes = np.concatenate(self.hashes) if self.hashes else np.empty((0, 1), np.uint64)
        for table in partition_tables(rows, hashes, self.partitions):
            self.bands.write(table)
        signed = self.fingerprints.rows
        return Books(signed, signed, {}, {}, end.covered, end.expected), {}


class Deduplicate(beam.PTransform):  # type: ignore[misc]
    """Tasks, one a unit, to removals: decided over ``units``, a parcel of the whole of them, in node order."""

    def __init__(self, section: DedupSection, units: Parcel, stage: StageDirectory) -> None:
        super().__init__()
        self.section = section
        self.units = units
        self.stage = stage

    def expand(self, tasks: beam.PCollection) -> beam.PCollection:
        by_unit = tasks | "task by unit" >> beam.Map(lambda task: (task.unit, task))
        removals = (
            tasks.pipeline
            | beam.Create(range(self.section.partitions))
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


def _signer(section: DedupSection) -> Any:
    hasher = MinHasher.of(section)

    def step(block: pa.Table) -> tuple[pa.Table, UInt32s, UInt64s, int]:
        kept = keep(block, block["kept"])
        rows = np.flatnonzero(block["kept"].to_numpy()).astype(np.uint32)
        signed = sign(kept["text"].to_pylist(), hasher, section.ngram)
        worded = signed.words > 0  # documents without a word have nothing to be alike in
        return fingerprint_table(kept, rows, signed), rows[worded], signed.bands[worded], block.num_rows

    return step


def _shared_buckets(partition: int, units: Parcel) -> Members:
    """Members of a partition's shared buckets, from every unit's file; only as many are open as are being read."""

    def read(unit: SignedUnit) -> BandRows:
        with open_table(unit.bands) as file:
            return band_rows(file, partition)

    return shared(*join_partition(storage.threaded(read, units.open())))


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
    signed: tuple[SignedUnit, ...] = units.open()
    nodes = np.unique(members.node)
    texts = _Texts(signed, section.ngram)
    prints = texts.fingerprints(nodes)
    ranking = ranked(prints, nodes, np.zeros(len(nodes), np.int64), section.priority)
    removals = greedy(ranking, members, texts.shingles, section.threshold)
    yield from _by_unit(removals, nodes, prints, signed)


def _by_unit(
    removals: Removals, nodes: UInt64s, prints: pa.Table, units: tuple[SignedUnit, ...]
) -> Iterator[tuple[str, pa.Table]]:
    removed, kept = removals.node, removals.kept
    stands, counts = np.unique(kept, return_counts=True)
    node = np.concatenate([removed, stands])
    ids = prints["id"].combine_chunks()
    table = pa.table(
        {
            "node": node,
            "row": (node & np.uint64(2**32 - 1)).astype(np.uint32),
            "removed": np.arange(len(node)) < len(removed),
            "duplicate": [
                *np.where(removals.exact, "exact_duplicate", "near_duplicate").tolist(),
                *[None] * len(stands),
            ],
            "match": pa.concat_arrays(
                [ids.take(pa.array(np.searchsorted(nodes, kept))), pa.nulls(len(stands), ids.type)]
            ),
            "jaccard": pa.array([*removals.jaccard.tolist(), *[None] * len(stands)], pa.float32()),
            "cluster": pa.array(np.concatenate([np.zeros(len(removed)), counts + 1]), pa.int32(), safe=False),
        }
    )
    number = (node >> np.uint64(32)).astype(np.int64)
    for file in np.unique(number).tolist():
        yield units[file].unit, table.take(pa.array(np.flatnonzero(number == file))).drop_columns(["node"])


class _Texts:
    """Fingerprints and shingles of documents by node, read from the row groups that hold them."""

    def __init__(self, units: tuple[SignedUnit, ...], ngram: int) -> None:
        self.units = units
        self.ngram = ngram

    def fingerprints(self, nodes: UInt64s) -> pa.Table:
        """Rows of ``FINGERPRINT_SCHEMA`` of ascending ``nodes``, in their order."""
        tables = []
        for file, rows in _rows_by_file(nodes):
            with storage.open_input(self.units[file].fingerprints) as opened:
                table = pq.read_table(opened)
            tables.append(table.take(pa.array(np.searchsorted(table["row"].to_numpy(), rows))))
        return pa.concat_tables(tables).unify_dictionaries()

    def shingles(self, nodes: UInt64s) -> list[UInt64s]:
        """The shingle set of each of ``nodes``, in their order."""
        order = np.argsort(nodes)
        sets = [
            text_shingles(text, self.ngram)
            for file, rows in _rows_by_file(nodes[order])
            for text in _texts(self.units[file].documents, rows)
        ]
        back = np.argsort(order).tolist()
        return [sets[place] for place in back]


def _rows_by_file(nodes: UInt64s) -> Iterator[tuple[int, UInt32s]]:
    """(file number, rows) of ascending nodes."""
    files = (nodes >> np.uint64(32)).astype(np.int64)
    rows = (nodes & np.uint64(2**32 - 1)).astype(np.uint32)
    for file in np.unique(files).tolist():
        yield file, rows[files == file]


def _texts(url: str, rows: UInt32s) -> Iterator[str]:
    """Texts of ascending ``rows`` of a document file; reads only the row groups that hold them."""
    with storage.open_input(url) as opened:
        file = pq.ParquetFile(opened)
        starts = np.cumsum([0, *group_rows(file)])
        groups = np.searchsorted(starts, rows, side="right") - 1
        for group in np.unique(groups).tolist():
            texts = file.read_row_group(group, ["text"])["text"]
            yield from texts.take(pa.array(rows[groups == group] - starts[group])).to_pylist()


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
    with storage.open_input(signed.fingerprints) as opened:
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
        attempt.commit(tasks[0].input, Books.of_rows(len(rows), signed.kept, dropped))
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
