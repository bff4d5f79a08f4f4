"""Seeded hashes of document ids: who is sampled, which bucket a document lies in, and in what order it is read.

Ids are 16 uniform bytes already, so a short integer mix suffices where a choice depends on a seed, and it runs over a
whole column at once. It is written out here rather than taken from ``numpy.random``, whose streams may change between
versions: an order must be reproducible for ever.

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
    """A 64-bit key for one use of the hash: different purposes and parts give independent choices."""
    name = "\0".join([purpose, *map(str, parts)])
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "little")


def hash_ids(words: UInt64s, key: int) -> UInt64s:
    """One 64-bit hash for each id: shape (documents, 2) → (documents,)."""
    return mix(mix(words[:, 0] ^ np.uint64(key)) + words[:, 1])


def mix(values: UInt64s) -> UInt64s:
    """One step of SplitMix64, a bijection of 64-bit words in which each input bit moves half of the output bits."""
    return mix64(values + np.uint64(0x9E3779B97F4A7C15))


def seeded_order(words: UInt64s, key: int) -> Int64s:
    """Row numbers in a random-looking order that depends on the ids and the key only, not on the rows' own order."""
    return np.lexsort((words[:, 1], words[:, 0], hash_ids(words, key)))


def id_words(ids: pa.Array | pa.ChunkedArray | Sequence[bytes]) -> UInt64s:
    """A column of 16-byte ids as numbers, shape (documents, 2). Raises ValueError for an id that is not 16 bytes."""
    if isinstance(ids, (pa.Array, pa.ChunkedArray)):
        return _column_words(ids)
    if any(len(one) != ID_BYTES for one in ids):
        raise ValueError(f"a document id has {ID_BYTES} bytes")
    return np.frombuffer(b"".join(ids), "<u8").reshape(-1, 2)


def _column_words(ids: Any) -> UInt64s:
    if ids.type != pa.binary(ID_BYTES) or ids.null_count:
        raise ValueError(f"an id column holds {ID_BYTES} bytes in every row, not {ids.type}")
    chunks = ids.chunks if isinstance(ids, pa.ChunkedArray) else [ids]
    parts = [
        np.frombuffer(chunk.buffers()[1], "<u8", count=2 * len(chunk), offset=ID_BYTES * chunk.offset)
        for chunk in chunks
        if len(chunk)
    ]
    return np.concatenate([np.empty(0, "<u8"), *parts]).reshape(-1, 2)


def id_column(words: UInt64s) -> pa.Array:
    """The inverse of :func:`id_words`: an Arrow column of 16-byte ids."""
    data = np.ascontiguousarray(words, "<u8").tobytes()
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(ID_BYTES), len(words), [None, pa.py_buffer(data)])
