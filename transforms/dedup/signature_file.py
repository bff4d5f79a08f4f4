"""What workers exchange about documents, and what later crawls are compared with.

Signing a documents file gives two tables, each a file of its own:

- *bands*: (band hash, row) of every document and band. Row group p holds partition p, the band hashes whose top bits
  say p, ascending; so the task of a partition reads one row group of every file. 14 bands take 168 bytes a document.
- *fingerprints*: one row a document in the order of the documents file: what ranks it and what it is compared by.
  About 60 bytes a document.

``row`` is the row in the documents file. A *node* names a document among several files: file number << 32 | row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, pairwise
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gristmill.corpus.document import ID_BYTES
from gristmill.corpus.words import word_hashes
from gristmill.transforms.dedup.minhash import MinHasher
from gristmill.transforms.dedup.shingles import HASH_BYTES, UInt32s, UInt64s, shingle_set, text_hash

BAND_SCHEMA = pa.schema([pa.field("band", pa.uint64(), nullable=False), pa.field("row", pa.uint32(), nullable=False)])

FINGERPRINT_SCHEMA = pa.schema(
    [
        pa.field("row", pa.uint32(), nullable=False),
        pa.field("id", pa.binary(ID_BYTES), nullable=False),
        pa.field("source", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("date", pa.string()),
        pa.field("words", pa.uint32(), nullable=False),
        pa.field("shingles", pa.uint32(), nullable=False),
        pa.field("text_hash", pa.binary(HASH_BYTES), nullable=False),
    ]
)
"""``words`` counts normalised words, ``shingles`` distinct ones; ``id``, ``source`` and ``date`` are the document's."""

_SIGNED_AT_ONCE = 2**20  # shingles: 8 MB


class Signed(NamedTuple):
    """What a run of n documents is compared by."""

    words: UInt32s
    shingles: UInt32s
    text_hash: list[bytes]
    bands: UInt64s
    """[n, bands]"""


def sign(texts: Iterable[str], hasher: MinHasher, ngram: int) -> Signed:
    """Sign texts one after another; memory beyond the result holds a million shingles, or one long document's."""
    parts = [Signed(*_sign_run(run, hasher)) for run in _runs(texts, ngram)]
    empty = Signed(np.empty(0, np.uint32), np.empty(0, np.uint32), [], np.empty((0, hasher.bands), np.uint64))
    words, shingles, hashes, bands = zip(empty, *parts, strict=True)
    return Signed(np.concatenate(words), np.concatenate(shingles), list(chain(*hashes)), np.concatenate(bands))


class _Prepared(NamedTuple):
    words: int
    text_hash: bytes
    shingles: UInt64s


def _runs(texts: Iterable[str], ngram: int) -> Iterator[list[_Prepared]]:
    run: list[_Prepared] = []
    held = 0
    for text in texts:
        words = word_hashes(text)
        run.append(_Prepared(len(words), text_hash(words), shingle_set(words, ngram)))
        held += len(run[-1].shingles)
        if held >= _SIGNED_AT_ONCE:
            yield run
            run, held = [], 0
    if run:
        yield run


def _sign_run(run: list[_Prepared], hasher: MinHasher) -> tuple[UInt32s, UInt32s, list[bytes], UInt64s]:
    words, hashes, shingles = zip(*run, strict=True)
    counts = np.fromiter(map(len, shingles), np.int64, len(run))
    signatures = hasher.signatures(np.concatenate(shingles), counts.cumsum() - counts)
    return np.array(words, np.uint32), counts.astype(np.uint32), list(hashes), hasher.band_hashes(signatures)


def fingerprint_table(documents: pa.Table, rows: UInt32s, signed: Signed) -> pa.Table:
    """The fingerprints (``FINGERPRINT_SCHEMA``) of the signed documents.

    ``documents`` has the columns ``id``, ``source`` and ``date`` of the n documents that were signed, ``rows`` their
    rows in the documents file.
    """
    columns = {
        "row": pa.array(rows),
        "id": documents["id"],
        "source": documents["source"],
        "date": documents["date"],
        "words": pa.array(signed.words),
        "shingles": pa.array(signed.shingles),
        "text_hash": pa.array(signed.text_hash, pa.binary(HASH_BYTES)),
    }
    return pa.table(columns).cast(FINGERPRINT_SCHEMA)


def partition_tables(rows: UInt32s, bands: UInt64s, partitions: int) -> list[pa.Table]:
    """One table (``BAND_SCHEMA``) a partition, to be written as one row group each, empty ones too.

    ``rows`` uint32 [n], ``bands`` uint64 [n, bands]; ``partitions`` is a power of two. Sorted by (band, row).
    """
    band = bands.ravel()
    row = np.repeat(rows, bands.shape[1])
    order = np.lexsort((row, band))
    band, row = band[order], row[order]
    shift = 64 - (partitions.bit_length() - 1)
    firsts = [part << shift for part in range(partitions)]
    cuts = [*np.searchsorted(band, np.array(firsts, np.uint64)), len(band)]
    table = pa.table([band, row], schema=BAND_SCHEMA)
    return [table.slice(begin, end - begin) for begin, end in pairwise(cuts)]


class BandRows(NamedTuple):
    """A partition of one bands file: how many there are in it, and the band hashes and rows of this one."""

    partitions: int
    band: UInt64s
    row: UInt32s


def band_rows(file: pq.ParquetFile, partition: int) -> BandRows:
    table = file.read_row_group(partition)
    return BandRows(file.num_row_groups, table["band"].to_numpy(), table["row"].to_numpy())


def join_partition(files: Sequence[BandRows]) -> tuple[UInt64s, UInt64s]:
    """(band hashes, nodes) of a partition from every bands file; a file's number is its place in ``files``.

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


def node(file: int, rows: UInt32s) -> UInt64s:
    """Name rows of file number ``file`` among several files."""
    return rows.astype(np.uint64) | np.uint64(file << 32)
