"""Seeded hashes of document ids. They determine the sample, the bucket and the order of documents.

Ids are 16 uniform bytes already, so a short integer mix suffices for a seeded choice, and is applied to a whole column
at once. ``numpy.random`` is not used because its streams may change between versions, while an order must stay
reproducible.

In this module ``words`` are ids as pairs of little-endian integers: uint64 [documents, 2].

The mix is the finalizer of SplitMix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators").
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow as pa

from gristmill.corpus.arrays import Int64s, UInt64s
from gristmill.corpus.document import ID_BYTES
from gristmill.corpus.multilinear_hash import mix64


def hash_key(purpose: str, *parts: str | int) -> int:
    """Return a 64-bit key for one use of the hash: different purposes and parts give independent choices."""
    name = "\0".join([purpose, *map(str, parts)])
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "little")


def hash_ids(words: UInt64s, key: int) -> UInt64s:
    """Return a 64-bit hash of each id: uint64 [documents]."""
    return splitmix64(splitmix64(words[:, 0] ^ np.uint64(key)) + words[:, 1])


def splitmix64(values: UInt64s) -> UInt64s:
    """Apply one step of SplitMix64, a bijection of 64-bit integers: each input bit affects half of the output bits."""
    return mix64(values + np.uint64(0x9E3779B97F4A7C15))


def seeded_order(words: UInt64s, key: int) -> Int64s:
    """Return row numbers in a pseudo-random order that depends on ids and key only, not on the order of the rows."""
    return np.lexsort((words[:, 1], words[:, 0], hash_ids(words, key)))


def id_words(ids: pa.Array | pa.ChunkedArray | Sequence[bytes]) -> UInt64s:
    """Return a column of 16-byte ids as words. Raises ValueError if an id does not have 16 bytes."""
    if isinstance(ids, (pa.Array, pa.ChunkedArray)):
        return _column_words(ids)
    if any(len(document_id) != ID_BYTES for document_id in ids):
        raise ValueError(f"a document id has {ID_BYTES} bytes")
    return np.frombuffer(b"".join(ids), "<u8").reshape(-1, 2)


def _column_words(ids: Any) -> UInt64s:
    if ids.type != pa.binary(ID_BYTES) or ids.null_count:
        raise ValueError(f"an id column has {ID_BYTES} bytes in every row, not {ids.type}")
    chunks = ids.chunks if isinstance(ids, pa.ChunkedArray) else [ids]
    parts = [
        np.frombuffer(chunk.buffers()[1], "<u8", count=2 * len(chunk), offset=ID_BYTES * chunk.offset)
        for chunk in chunks
        if len(chunk)
    ]
    return np.concatenate([np.empty(0, "<u8"), *parts]).reshape(-1, 2)


def id_column(words: UInt64s) -> pa.Array:
    """Return words as an Arrow column of 16-byte ids: the inverse of :func:`id_words`."""
    data = np.ascontiguousarray(words, "<u8").tobytes()
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(ID_BYTES), len(words), [None, pa.py_buffer(data)])
