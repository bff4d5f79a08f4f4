"""Reads the signature files of this run and of the index: buckets by partition, fingerprints and sketches by node."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gristmill.corpus.arrays import Bools, Int64s, UInt32s, UInt64s
from gristmill.store import storage
from gristmill.store.stage_directory import open_table
from gristmill.transforms.core.exchange import node_ids, split_by_file
from gristmill.transforms.core.side_files import SideFile
from gristmill.transforms.dedup.buckets import BucketMembers, shared_buckets
from gristmill.transforms.dedup.dedup_section import DedupSection
from gristmill.transforms.dedup.sign import create_hasher, sketch_lengths
from gristmill.transforms.dedup.signature_file import (
    BandRows,
    join_band_rows,
    read_band_rows,
    read_fingerprints,
    read_sketches,
    take_runs,
)


class SignatureFiles(NamedTuple):
    """The URLs of the files that signing wrote for a unit (see ``signature_file``)."""

    bands: str
    fingerprints: str
    sketches: str


class SignedUnit(NamedTuple):
    """A unit of this run or of the index, as deduplication reads it.

    Attributes:
        unit: Key of the unit.
        documents: URL of the document file.
        files: The unit's signature files.
        kept: Number of signed documents.
        generation: 0 for units of this run, negative for the index, the earliest smallest.
        removals: For a unit of the index, the URL of its removals; empty if nothing was removed.
    """

    unit: str
    documents: str
    files: SignatureFiles
    kept: int
    generation: int = 0
    removals: str = ""


class Fingerprints(NamedTuple):
    """The documents to decide on; arrays parallel to the rows of ``table``.

    Attributes:
        table: ``FINGERPRINT_SCHEMA``.
        node: Ascending.
        generation: That of the document's unit.
        sketch_length: Number of values in the sketch.
    """

    table: pa.Table
    node: UInt64s
    generation: Int64s
    sketch_length: Int64s


def read_shared_buckets(partitions: range, units: SideFile) -> BucketMembers:
    """The shared buckets of some partitions, over the bands files of all units."""
    signed: tuple[SignedUnit, ...] = units.open()

    def read(unit: SignedUnit) -> BandRows:
        with open_table(unit.files.bands) as file:
            return read_band_rows(file, partitions)

    units_of_index = sum(unit.generation < 0 for unit in signed)
    return shared_buckets(*join_band_rows(storage.map_in_threads(read, signed)), units_of_index << 32)


class SignatureReader:
    """Reads fingerprints and sketches by node, which is the position of the unit among ``units`` and the row."""

    def __init__(self, units: tuple[SignedUnit, ...], section: DedupSection) -> None:
        self.units = units
        self.hasher = create_hasher(section)
        self.comparison = section.comparison

    def fingerprints(self, nodes: UInt64s) -> Fingerprints:
        """The fingerprints of ascending ``nodes``, without documents of the index that were removed then."""
        tables, kept_nodes, generations = [], [], []
        for number, rows in split_by_file(nodes):
            unit = self.units[number]
            if unit.removals:
                rows = rows[~_read_removed(unit.removals)[rows]]
            if len(rows):
                tables.append(read_fingerprints(unit.files.fingerprints, rows))
                kept_nodes.append(node_ids(number, rows))
                generations.append(np.full(len(rows), unit.generation))
        table = pa.concat_tables(tables).unify_dictionaries()
        lengths = sketch_lengths(table["shingles"].to_numpy().astype(np.int64), self.hasher, self.comparison)
        return Fingerprints(table, np.concatenate(kept_nodes), np.concatenate(generations), lengths)

    def sketches(self, prints: Fingerprints, nodes: UInt64s) -> UInt32s:
        """The sketches of ``nodes``, which are all among ``prints``, concatenated in the order of ``nodes``."""
        order = np.argsort(nodes)
        places = np.searchsorted(prints.node, nodes[order])
        starts, lengths = prints.table["sketch"].to_numpy()[places].astype(np.int64), prints.sketch_length[places]
        values, at = [np.empty(0, np.uint32)], 0
        for number, rows in split_by_file(nodes[order]):
            own = slice(at, at := at + len(rows))
            values.append(read_sketches(self.units[number].files.sketches, starts[own], lengths[own]))
        begins = lengths.cumsum() - lengths
        back = np.argsort(order)
        return take_runs(np.concatenate(values), begins[back], lengths[back])


def _read_removed(url: str) -> Bools:
    """Which rows of a document file were removed."""
    with storage.open_input(url) as opened:
        column = pq.read_table(opened, columns=["removed"])["removed"]
        return column.to_numpy()  # type: ignore[no-any-return]
