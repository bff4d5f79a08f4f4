"""Signs blocks of documents, and writes a unit's signature files from the signed blocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from gristmill.corpus.arrays import UInt32s, UInt64s
from gristmill.corpus.metadata import META_PREFIX, meta_numbers
from gristmill.corpus.record import UnitSummary
from gristmill.store.attempts import Attempt
from gristmill.store.counts import RecordCounts
from gristmill.transforms.core.row_blocks import filter_rows
from gristmill.transforms.dedup.canonical_urls import url_buckets, url_hashes
from gristmill.transforms.dedup.dedup_section import DedupSection
from gristmill.transforms.dedup.sign import SignedTexts, create_hasher, sign_texts, sketch_lengths
from gristmill.transforms.dedup.signature_file import (
    BAND_SCHEMA,
    FINGERPRINT_SCHEMA,
    URL_FIELD,
    band_tables,
    fingerprint_schema,
    fingerprint_table,
)


class SignedBlock(NamedTuple):
    """A signed block of documents.

    Attributes:
        fingerprints: Fingerprints of the documents that were kept before.
        sketches: Their sketches, concatenated.
        rows: Row of the document for each of ``bands``.
        bands: Buckets of the documents: bands if they have words, and URLs if these are compared.
        block_rows: Number of rows of the block.
    """

    fingerprints: pa.Table
    sketches: UInt32s
    rows: UInt32s
    bands: UInt64s
    block_rows: int


def block_signer(section: DedupSection) -> Callable[[pa.Table], SignedBlock]:
    """Returns a function that signs the rows of a block that ``judge`` kept."""
    hasher = create_hasher(section)

    def sign_block(block: pa.Table) -> SignedBlock:
        kept = filter_rows(block, block["kept"])
        if section.quality is not None:
            kept = kept.append_column("quality", quality_column(kept, section.quality))
        rows = np.flatnonzero(block["kept"].to_numpy()).astype(np.uint32)
        signed = sign_texts(kept["text"], hasher, section.ngram, section.comparison, section.shingle)
        if section.urls:
            kept = kept.append_column(URL_FIELD, url_hashes(kept["url"]))
        lengths = sketch_lengths(signed.shingles.astype(np.int64), hasher, section.comparison)
        prints = fingerprint_table(kept, rows, signed, lengths)
        return SignedBlock(prints, signed.sketches, *_buckets(rows, signed, prints), block.num_rows)

    return sign_block


def quality_column(block: pa.Table, name: str) -> pa.Array | pa.ChunkedArray:
    """Return the signal, the score or the number in the metadata (``meta.<column>``) that documents are ranked by."""
    if name.startswith(META_PREFIX):
        return meta_numbers(block["meta"], name.removeprefix(META_PREFIX))
    return block[name]


def _buckets(rows: UInt32s, signed: SignedTexts, prints: pa.Table) -> tuple[UInt32s, UInt64s]:
    """(rows, bucket hashes). A document without words has no bands, but it may have a URL."""
    has_words = signed.words > 0
    bands = signed.bands[has_words]
    members, buckets = [np.repeat(rows[has_words], bands.shape[1])], [bands.ravel()]
    if URL_FIELD.name in prints.column_names:
        hashes = prints[URL_FIELD.name].combine_chunks()
        members.append(rows[hashes.is_valid().to_numpy(zero_copy_only=False)])
        buckets.append(url_buckets(hashes.drop_null()))
    return np.concatenate(members), np.concatenate(buckets)


class SignatureWriter:
    """Writes a unit's fingerprints and sketches, and collects its bands: 14 take 168 bytes a document in memory."""

    def __init__(self, section: DedupSection, attempt: Attempt) -> None:
        self.partitions = section.partitions
        self.bands = attempt.table("bands", BAND_SCHEMA)
        self.fingerprints = attempt.table("fingerprints", fingerprint_schema(section.urls))
        self.sketches = attempt.payload("sketches", ".bin")
        self.rows: list[UInt32s] = []
        self.hashes: list[UInt64s] = []
        self.rows_read = 0

    def add(self, item: SignedBlock) -> int:
        table = item.fingerprints
        offsets = {"row": np.uint32(self.rows_read), "sketch": np.uint64(self.sketches.rows)}
        for name, offset in offsets.items():
            place = FINGERPRINT_SCHEMA.get_field_index(name)
            column = pa.array(table[name].to_numpy() + offset)
            table = table.set_column(place, FINGERPRINT_SCHEMA.field(name), [column])
        self.fingerprints.write(table)
        self.sketches.write(item.sketches.astype("<u4", copy=False).data, len(item.sketches))
        self.rows.append(item.rows + np.uint32(self.rows_read))
        self.hashes.append(item.bands)
        self.rows_read += item.block_rows
        return int(table.num_rows)

    def finish(self, end: UnitSummary) -> tuple[RecordCounts, Mapping[str, Any]]:
        rows = np.concatenate([np.empty(0, np.uint32), *self.rows])
        hashes = np.concatenate([np.empty(0, np.uint64), *self.hashes])
        for table in band_tables(rows, hashes, self.partitions):
            self.bands.write(table)
        signed = self.fingerprints.rows
        return RecordCounts(signed, signed, {}, {}, end.covered, end.expected), {}
