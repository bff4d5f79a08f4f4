"""Beam's view of signing: blocks of documents to what they are compared by, and a unit's files of it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from gristmill.corpus.record import UnitSummary
from gristmill.store.counts import RecordCounts
from gristmill.store.stage_directory import Attempt, StageDirectory
from gristmill.transforms.core.row_blocks import keep
from gristmill.transforms.core.units import MapItems, WriteUnits
from gristmill.transforms.dedup.dedup_section import DedupSection
from gristmill.transforms.dedup.shingles import UInt32s, UInt64s
from gristmill.transforms.dedup.sign import Signed, hasher_of, sign, sketch_lengths
from gristmill.transforms.dedup.signature_file import (
    BAND_SCHEMA,
    FINGERPRINT_SCHEMA,
    URL_FIELD,
    fingerprint_schema,
    fingerprint_table,
    partition_tables,
)
from gristmill.transforms.dedup.urls import url_buckets, url_hashes


class SignDocuments(MapItems):
    """Blocks of documents to blocks of what they are compared by; only rows that ``judge`` kept are signed."""

    def __init__(self, section: DedupSection) -> None:
        super().__init__(partial(_signer, section))


class WriteSignatures(WriteUnits):
    """``bands``, ``fingerprints`` and ``sketches`` of each unit: exchange of this run, index for later ones."""

    def __init__(self, stage: StageDirectory, section: DedupSection) -> None:
        super().__init__(stage, partial(SignatureFold, section))


class SignedBlock(NamedTuple):
    """A block of documents, signed: fingerprints and buckets, and how many rows there were."""

    fingerprints: pa.Table
    sketches: UInt32s
    rows: UInt32s
    bands: UInt64s
    """[buckets], parallel: the documents' bands where they have words, and their URLs where these count."""
    block_rows: int


class SignatureFold:
    """Writes a unit's fingerprints and sketches, and collects its bands; 14 of these take 168 bytes a document."""

    def __init__(self, section: DedupSection, attempt: Attempt) -> None:
        self.partitions = section.partitions
        self.bands = attempt.table("bands", BAND_SCHEMA)
        self.fingerprints = attempt.table("fingerprints", fingerprint_schema(section.urls))
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

    def finish(self, end: UnitSummary) -> tuple[RecordCounts, Mapping[str, Any]]:
        rows = np.concatenate([np.empty(0, np.uint32), *self.rows])
        hashes = np.concatenate([np.empty(0, np.uint64), *self.hashes])
        for table in partition_tables(rows, hashes, self.partitions):
            self.bands.write(table)
        signed = self.fingerprints.rows
        return RecordCounts(signed, signed, {}, {}, end.covered, end.expected), {}


def _signer(section: DedupSection) -> Any:
    hasher = hasher_of(section)

    def step(block: pa.Table) -> SignedBlock:
        kept = keep(block, block["kept"])
        if section.quality is not None:
            kept = kept.append_column("quality", kept[section.quality])
        rows = np.flatnonzero(block["kept"].to_numpy()).astype(np.uint32)
        signed = sign(kept["text"], hasher, section.ngram, section.comparison, section.shingle)
        if section.urls:
            kept = kept.append_column(URL_FIELD, url_hashes(kept["url"]))
        lengths = sketch_lengths(signed.shingles.astype(np.int64), hasher, section.comparison)
        prints = fingerprint_table(kept, rows, signed, lengths)
        return SignedBlock(prints, signed.sketches, *_buckets(rows, signed, prints), block.num_rows)

    return step


def _buckets(rows: UInt32s, signed: Signed, prints: pa.Table) -> tuple[UInt32s, UInt64s]:
    """(rows, hashes) of the buckets of documents: what has no words has nothing to be alike in, but may have a URL."""
    worded = signed.words > 0
    bands = signed.bands[worded]
    members, buckets = [np.repeat(rows[worded], bands.shape[1])], [bands.ravel()]
    if URL_FIELD.name in prints.column_names:
        hashes = prints[URL_FIELD.name].combine_chunks()
        members.append(rows[hashes.is_valid().to_numpy(zero_copy_only=False)])
        buckets.append(url_buckets(hashes.drop_null()))
    return np.concatenate(members), np.concatenate(buckets)
