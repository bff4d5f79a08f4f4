"""What was signed, read by node: fingerprints and sketches of documents of this run and of the index."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from gristmill.store import storage
from gristmill.transforms.core.exchange import by_file, node
from gristmill.transforms.dedup.dedup_section import DedupSection
from gristmill.transforms.dedup.shingles import Integers, UInt32s, UInt64s
from gristmill.transforms.dedup.sign import hasher_of, sketch_lengths
from gristmill.transforms.dedup.signature_file import read_fingerprints, read_sketches, runs


class SignedFiles(NamedTuple):
    """What signing wrote of a unit."""

    bands: str
    fingerprints: str
    sketches: str


class SignedUnit(NamedTuple):
    """A unit's files as deduplication reads them, and how many documents are signed."""

    unit: str
    documents: str
    files: SignedFiles
    kept: int
    generation: int = 0
    """0: of this run. Below: of the index, the earliest least."""
    removals: str = ""
    """Of the index: who went then. Where it is empty, nobody did."""


class Fingerprints(NamedTuple):
    """Documents that can match or be matched: ``table`` (``FINGERPRINT_SCHEMA``) and the rest are parallel."""

    table: pa.Table
    node: UInt64s
    """Ascending."""
    generation: Integers
    sketch: Integers
    """Values in the sketch."""


class SignedDocuments:
    """Documents by node: a unit's place among ``units``, and the row."""

    def __init__(self, units: tuple[SignedUnit, ...], section: DedupSection) -> None:
        self.units = units
        self.hasher = hasher_of(section)
        self.comparison = section.comparison

    def fingerprints(self, nodes: UInt64s) -> Fingerprints:
        """Those of ascending ``nodes`` that were not removed when the index was made."""
        tables, found, generations = [], [], []
        for number, rows in by_file(nodes):
            unit = self.units[number]
            if unit.removals:
                rows = rows[~_removed(unit.removals)[rows]]
            if len(rows):
                tables.append(read_fingerprints(unit.files.fingerprints, rows))
                found.append(node(number, rows))
                generations.append(np.full(len(rows), unit.generation))
        table = pa.concat_tables(tables).unify_dictionaries()
        lengths = sketch_lengths(table["shingles"].to_numpy().astype(np.int64), self.hasher, self.comparison)
        return Fingerprints(table, np.concatenate(found), np.concatenate(generations), lengths)

    def sketches(self, prints: Fingerprints, nodes: UInt64s) -> UInt32s:
        """The sketches of ``nodes``, all among ``prints``, in their order, one after another."""
        order = np.argsort(nodes)
        places = np.searchsorted(prints.node, nodes[order])
        starts, lengths = prints.table["sketch"].to_numpy()[places].astype(np.int64), prints.sketch[places]
        values, at = [np.empty(0, np.uint32)], 0
        for number, rows in by_file(nodes[order]):
            own = slice(at, at := at + len(rows))
            values.append(read_sketches(self.units[number].files.sketches, starts[own], lengths[own]))
        begins = lengths.cumsum() - lengths
        back = np.argsort(order)
        return runs(np.concatenate(values), begins[back], lengths[back])


def _removed(url: str) -> NDArray[np.bool_]:
    """Which rows of a document file were removed."""
    with storage.open_input(url) as opened:
        column = pq.read_table(opened, columns=["removed"])["removed"]
        return column.to_numpy()  # type: ignore[no-any-return]
