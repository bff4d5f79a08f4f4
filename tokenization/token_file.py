"""The token files of a unit: a payload and its index.

The payload is headerless little-endian tokens. Documents are sorted by bucket, and inside a bucket by their order in
the document file; each is followed by an end-of-text token, its separator. The index has one row per document in the
same order, and one row group per bucket, including empty buckets. So a bucket is one row group of the index and one
range of the payload, and shuffling a bucket of a source takes one range read from each of its units.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import IO, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gristmill.corpus.arrays import Int64s
from gristmill.corpus.document import ID_BYTES
from gristmill.tokenization.id_hashing import hash_ids, hash_key, id_words
from gristmill.tokenization.token_batch import TokenBatch, Tokens

TOKEN_INDEX_SCHEMA = pa.schema(
    [
        pa.field("id", pa.binary(ID_BYTES), nullable=False),
        pa.field("source", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("bucket", pa.uint16(), nullable=False),
        pa.field("start", pa.int64(), nullable=False),
        pa.field("end", pa.int64(), nullable=False),
    ]
)
"""``start`` and ``end`` count tokens of the payload; the range includes the end-of-text token at ``end - 1``."""


class TokenFile(NamedTuple):
    """The tokens of a unit, their index, and the counts of each bucket: int64 [buckets]. Separators count as tokens."""

    payload: Tokens
    index: pa.Table
    bucket_tokens: Int64s
    bucket_documents: Int64s


def build_token_file(
    ids: pa.Array | pa.ChunkedArray, source: str, *batches: TokenBatch, eos_id: int, buckets: int, seed: int
) -> TokenFile:
    """Return the token file of documents of one source; ``batches`` have their tokens in the order of ``ids``.

    ``buckets`` is a power of two. Raises ValueError if the numbers of ids, lengths and tokens disagree.
    """
    lengths = np.concatenate([batch.lengths for batch in batches])
    tokens = sum(len(batch.tokens) for batch in batches)
    if len(ids) != len(lengths) or int(lengths.sum()) != tokens:
        raise ValueError(f"{len(ids)} ids, {len(lengths)} lengths and {tokens} tokens disagree")
    bucket = document_buckets(ids, buckets, seed)
    order = np.argsort(bucket, kind="stable")
    ends = np.cumsum(lengths[order] + 1)
    starts = ends - lengths[order] - 1
    index = pa.table(
        [
            ids.take(pa.array(order)),
            _constant(source, len(ids)),
            pa.array(bucket[order], pa.uint16()),
            pa.array(starts, pa.int64()),
            pa.array(ends, pa.int64()),
        ],
        schema=TOKEN_INDEX_SCHEMA,
    )
    bucket_tokens = np.zeros(buckets, np.int64)
    np.add.at(bucket_tokens, bucket, lengths + 1)
    payload = _payload(batches, order, eos_id)
    return TokenFile(payload, index, bucket_tokens, np.bincount(bucket, minlength=buckets))


def document_buckets(ids: pa.Array | pa.ChunkedArray, buckets: int, seed: int) -> Int64s:
    """Return the bucket of each document, a hash of its id and the seed modulo a power of two: int64 [documents]."""
    result: Int64s = (hash_ids(id_words(ids), hash_key("bucket", seed)) & np.uint64(buckets - 1)).astype(np.int64)
    return result


def read_bucket(file: str | IO[bytes], bucket: int) -> pa.Table:
    """Return the index rows of a bucket, in the order of the payload. Raises ValueError if there is no such bucket."""
    with pq.ParquetFile(file) as index:
        if not 0 <= bucket < index.num_row_groups:
            raise ValueError(f"no bucket {bucket} in a token index of {index.num_row_groups} buckets")
        return index.read_row_group(bucket)


def _payload(batches: Sequence[TokenBatch], order: Int64s, eos_id: int) -> Tokens:
    empty = batches[-1].tokens[:0]
    separator = np.array([eos_id], empty.dtype)
    documents = [tokens for batch in batches for tokens in batch.documents()]
    return np.concatenate([empty, *(part for row in order.tolist() for part in (documents[row], separator))])


def _constant(value: str, rows: int) -> Any:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([value], pa.string()))


def bucket_rows(token_file: TokenFile) -> Iterator[pa.Table]:
    """Yield the index rows of each bucket, including empty ones: the row groups of the file for ``read_bucket``."""
    start = 0
    for documents in token_file.bucket_documents.tolist():
        yield token_file.index.slice(start, documents)
        start += documents
