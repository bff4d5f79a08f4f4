"""The files that signing writes: the exchange between workers, and the index for later runs.

Signing a document file writes three files:

- *bands*: (band hash, row) for every document and band, and for every URL where URLs are compared. Row group p holds
  partition p, the band hashes with p in their top bits, ascending; so the task of a partition reads one row group of
  every file. 14 bands take 168 bytes a document.
- *fingerprints*: one row for each document, in the order of the document file: what it is ranked and compared by.
  About 70 bytes a document.
- *sketches*: what verification compares, concatenated little-endian uint32 without a header. A set of shingles takes 4
  bytes a shingle, a signature 4 bytes a permutation.

``row`` is the row in the document file. A document is identified among several files by its node (``exchange.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from gristmill.corpus.arrays import Int64s, UInt32s, UInt64s
from gristmill.corpus.document import ID_BYTES
from gristmill.store import storage
from gristmill.store.stage_directory import open_table
from gristmill.transforms.core.exchange import node_ids, split_partitions
from gristmill.transforms.dedup.sign import HASH_BYTES, SignedTexts

QUALITY_DIGITS = 4
_MAX_GAP = 2**14  # values: reading 64 KiB that are not needed costs no more than another request

BAND_SCHEMA = pa.schema([pa.field("band", pa.uint64(), nullable=False), pa.field("row", pa.uint32(), nullable=False)])

FINGERPRINT_SCHEMA = pa.schema(
    [
        pa.field("row", pa.uint32(), nullable=False),
        pa.field("id", pa.binary(ID_BYTES), nullable=False),
        pa.field("source", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("date", pa.string()),
        pa.field("quality", pa.float32()),
        pa.field("words", pa.uint32(), nullable=False),
        pa.field("shingles", pa.uint32(), nullable=False),
        pa.field("text_hash", pa.binary(HASH_BYTES), nullable=False),
        pa.field("sketch", pa.uint64(), nullable=False),
    ]
)
"""``words`` is the number of normalized words, ``shingles`` that of distinct shingles; ``id``, ``source`` and ``date``
are the document's; ``quality`` is the signal by which documents are ranked, if any; ``sketch`` is the index of the
sketch's first value in the sketches file."""

URL_FIELD = pa.field("url_hash", pa.binary(HASH_BYTES))
"""Hash of the canonical URL; null for documents without one."""


def fingerprint_schema(urls: bool) -> pa.Schema:
    """The schema of fingerprints, with the hash of the URL where ``urls`` are compared."""
    return FINGERPRINT_SCHEMA.append(URL_FIELD) if urls else FINGERPRINT_SCHEMA


def fingerprint_table(documents: pa.Table, rows: UInt32s, signed: SignedTexts, sketches: Int64s) -> pa.Table:
    """The fingerprints (``fingerprint_schema``) of the signed documents.

    ``documents`` has the columns ``id``, ``source``, ``date``, optionally ``quality``, and ``url_hash`` if URLs are
    compared; ``rows`` are the rows in the document file, ``sketches`` the number of values in each sketch.
    """
    quality = documents["quality"] if "quality" in documents.column_names else pa.nulls(len(rows), pa.float32())
    columns = {
        "row": pa.array(rows),
        "id": documents["id"],
        "source": documents["source"],
        "date": documents["date"],
        "quality": pc.round(quality.cast(pa.float64()), QUALITY_DIGITS),
        "words": pa.array(signed.words),
        "shingles": pa.array(signed.shingles),
        "text_hash": pa.array(signed.text_hash, pa.binary(HASH_BYTES)),
        "sketch": pa.array(sketches.cumsum() - sketches),
    }
    urls = URL_FIELD.name in documents.column_names
    if urls:
        columns[URL_FIELD.name] = documents[URL_FIELD.name]
    return pa.table(columns).cast(fingerprint_schema(urls))


def band_tables(rows: UInt32s, bands: UInt64s, partitions: int) -> list[pa.Table]:
    """One table (``BAND_SCHEMA``) for each partition, also for empty ones, to be written as one row group each.

    ``rows`` uint32 and ``bands`` uint64 are parallel; ``partitions`` is a power of two. Sorted by (band, row).
    """
    order = np.lexsort((rows, bands))
    band, row = bands[order], rows[order]
    return split_partitions(pa.table([band, row], schema=BAND_SCHEMA), partitions)


class BandRows(NamedTuple):
    """Some partitions of one bands file: the number of partitions in the file, and the band hashes and rows read."""

    partitions: int
    band: UInt64s
    row: UInt32s


def read_band_rows(file: pq.ParquetFile, partitions: range) -> BandRows:
    """Read some partitions of a bands file."""
    table = file.read_row_groups(list(partitions))
    return BandRows(file.num_row_groups, table["band"].to_numpy(), table["row"].to_numpy())


def join_band_rows(files: Sequence[BandRows]) -> tuple[UInt64s, UInt64s]:
    """(band hashes, nodes) of the same partitions of all bands files; a file's number is its place in ``files``.

    Raises ValueError if the files differ in their number of partitions.
    """
    for number, file in enumerate(files):
        if file.partitions != files[0].partitions:
            raise ValueError(
                f"signature file {number} has {file.partitions} partitions but file 0 has {files[0].partitions}; "
                "sign both with the same `dedup.partitions`"
            )
    bands = [np.empty(0, np.uint64), *(file.band for file in files)]
    nodes = [np.empty(0, np.uint64), *(node_ids(number, file.row) for number, file in enumerate(files))]
    return np.concatenate(bands), np.concatenate(nodes)


def read_fingerprints(url: str, rows: UInt32s) -> pa.Table:
    """Read the fingerprints of ascending ``rows``, and only the row groups that hold any of them."""
    with open_table(url) as file:
        statistics = [file.metadata.row_group(group).column(0).statistics for group in range(file.num_row_groups)]
        firsts = np.array([column.min for column in statistics if column is not None], np.uint32)
        groups = np.unique(np.searchsorted(firsts, rows, side="right") - 1)
        filled = [group for group, column in enumerate(statistics) if column is not None]
        table = file.read_row_groups([filled[group] for group in groups.tolist()])
    return table.take(pa.array(np.searchsorted(table["row"].to_numpy(), rows)))


def read_sketches(url: str, starts: Int64s, lengths: Int64s) -> UInt32s:
    """Read the sketches at ascending ``starts``, concatenated. Sketches close to each other are read in one request."""
    ends = starts + lengths
    cuts = np.flatnonzero(starts[1:] - ends[:-1] > _MAX_GAP) + 1
    parts = [np.empty(0, np.uint32)]
    with storage.open_input(url) as file:
        for first, last in pairwise([0, *cuts.tolist(), len(starts)]):
            file.seek(4 * int(starts[first]))
            values = np.frombuffer(file.read(4 * int(ends[last - 1] - starts[first])), "<u4")
            parts.append(take_runs(values, starts[first:last] - starts[first], lengths[first:last]))
    return np.concatenate(parts)


def take_runs(values: UInt32s, starts: Int64s, lengths: Int64s) -> UInt32s:
    """The runs ``values[start : start + length]``, concatenated."""
    begins = lengths.cumsum() - lengths
    taken: UInt32s = values[np.repeat(starts - begins, lengths) + np.arange(lengths.sum())]
    return taken
