"""What workers exchange about documents, and what later crawls are compared with.

Signing a documents file gives three files:

- *bands*: (band hash, row) of every document and band, and of every URL where those count. Row group p holds
  partition p, the band hashes whose top bits say p, ascending; so the task of a partition reads one row group of every
  file. 14 bands take 168 bytes a document.
- *fingerprints*: one row a document in the order of the documents file: what ranks it and what it is compared by.
  About 70 bytes a document.
- *sketches*: what verification compares, uint32 in little-endian order without a header, one document's values after
  another's: of a set of shingles 4 bytes each, of a signature 4 a permutation.

``row`` is the row in the documents file, and a document is named among several files by its node (``exchange.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from gristmill.corpus.document import ID_BYTES
from gristmill.store import storage
from gristmill.store.stage_directory import open_table
from gristmill.transforms.core.exchange import node, partitioned
from gristmill.transforms.dedup.shingles import Integers, UInt32s, UInt64s
from gristmill.transforms.dedup.sign import HASH_BYTES, Signed

QUALITY_DIGITS = 4
_FAR = 2**14  # values: reading 64 KiB in vain is no dearer than another request

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
"""``words`` counts normalised words, ``shingles`` distinct ones; ``id``, ``source`` and ``date`` are the document's;
``quality`` is the signal that ranks it, if any; ``sketch`` is where its values begin in the sketches file."""

URL_FIELD = pa.field("url_hash", pa.binary(HASH_BYTES))
"""Of the canonical URL, where there is one."""


def fingerprint_schema(urls: bool) -> pa.Schema:
    """Of fingerprints, with the hash of the URL where ``urls`` count."""
    return FINGERPRINT_SCHEMA.append(URL_FIELD) if urls else FINGERPRINT_SCHEMA


def fingerprint_table(documents: pa.Table, rows: UInt32s, signed: Signed, sketches: Integers) -> pa.Table:
    """The fingerprints (``fingerprint_schema``) of the signed documents.

    ``documents`` has the columns ``id``, ``source``, ``date`` and, where one ranks, ``quality`` and, where URLs count,
    ``url_hash`` of the n documents that were signed; ``rows`` are their rows in the documents file, ``sketches`` the
    number of values in each one's sketch.
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


def partition_tables(rows: UInt32s, bands: UInt64s, partitions: int) -> list[pa.Table]:
    """One table (``BAND_SCHEMA``) a partition, to be written as one row group each, empty ones too.

    ``rows`` uint32 and ``bands`` uint64 are parallel; ``partitions`` is a power of two. Sorted by (band, row).
    """
    order = np.lexsort((rows, bands))
    band, row = bands[order], rows[order]
    return partitioned(pa.table([band, row], schema=BAND_SCHEMA), partitions)


class BandRows(NamedTuple):
    """Some partitions of one bands file: how many there are in it, and the band hashes and rows of these."""

    partitions: int
    band: UInt64s
    row: UInt32s


def band_rows(file: pq.ParquetFile, partitions: range) -> BandRows:
    table = file.read_row_groups(list(partitions))
    return BandRows(file.num_row_groups, table["band"].to_numpy(), table["row"].to_numpy())


def join_partitions(files: Sequence[BandRows]) -> tuple[UInt64s, UInt64s]:
    """(band hashes, nodes) of the same partitions of every bands file; a file's number is its place in ``files``.

    Raises ValueError where a file has another number of partitions than the first.
    """
    for number, file in enumerate(files):
        if file.partitions != files[0].partitions:
            raise ValueError(
                f"signature file {number} has {file.partitions} partitions and the first has {files[0].partitions}; "
                "sign both with the same `dedup.partitions`"
            )
    bands = [np.empty(0, np.uint64), *(file.band for file in files)]
    nodes = [np.empty(0, np.uint64), *(node(number, file.row) for number, file in enumerate(files))]
    return np.concatenate(bands), np.concatenate(nodes)


def read_fingerprints(url: str, rows: UInt32s) -> pa.Table:
    """The fingerprints of ascending ``rows``; reads only the row groups that hold any."""
    with open_table(url) as file:
        spans = [file.metadata.row_group(group).column(0).statistics for group in range(file.num_row_groups)]
        firsts = np.array([span.min for span in spans if span is not None], np.uint32)
        groups = np.unique(np.searchsorted(firsts, rows, side="right") - 1)
        filled = [group for group, span in enumerate(spans) if span is not None]
        table = file.read_row_groups([filled[group] for group in groups.tolist()])
    return table.take(pa.array(np.searchsorted(table["row"].to_numpy(), rows)))


def read_sketches(url: str, starts: Integers, lengths: Integers) -> UInt32s:
    """Sketches of ascending ``starts``, in values, one after another. What is not far apart is read at once."""
    ends = starts + lengths
    cuts = np.flatnonzero(starts[1:] - ends[:-1] > _FAR) + 1
    parts = [np.empty(0, np.uint32)]
    with storage.open_input(url) as file:
        for first, last in pairwise([0, *cuts.tolist(), len(starts)]):
            file.seek(4 * int(starts[first]))
            values = np.frombuffer(file.read(4 * int(ends[last - 1] - starts[first])), "<u4")
            parts.append(runs(values, starts[first:last] - starts[first], lengths[first:last]))
    return np.concatenate(parts)


def runs(values: UInt32s, starts: Integers, lengths: Integers) -> UInt32s:
    """The runs of ``values`` that begin at ``starts``, one after another."""
    begins = lengths.cumsum() - lengths
    found: UInt32s = values[np.repeat(starts - begins, lengths) + np.arange(lengths.sum())]
    return found
