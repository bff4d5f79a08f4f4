"""Megatron-LM and Megatron-Core: ``tokens-*.bin``, which are linked, and ``tokens-*.idx``, with the documents.

Layout of an index, after ``_IndexWriter`` in ``megatron/core/datasets/indexed_dataset.py`` (megatron-core 0.16);
numbers are little-endian:

    9 bytes   MMIDIDX\\0\\0
    uint64    version, 1
    uint8     type of the tokens: 8 is uint16, 4 is int32
    uint64    number of sequences, n
    uint64    number of document boundaries, n + 1
    int32     [n] tokens of each sequence
    int64     [n] byte at which each sequence starts
    int64     [n + 1] sequences before each document, and in all

What Megatron calls a sequence is here a document, of one sequence: Megatron itself concatenates documents and cuts them
to the length of its samples. It has no uint32; ids below 2^31 have the same bytes as int32.
"""

from __future__ import annotations

import struct

import numpy as np

from gristmill.corpus.arrays import Int64s
from gristmill.mixing.export.export_format import ExportFolder, ExportFormat, document_ends, file_stem
from gristmill.mixing.mixed_shards import MixedShards
from gristmill.store import storage

_MAGIC = b"MMIDIDX\x00\x00"
_VERSION = 1
_TYPE_CODES = {"uint16": 8, "int32": 4}
_TOKEN_TYPES = {"uint16": "uint16", "uint32": "int32"}


def write(mix: MixedShards, folder: ExportFolder) -> str:
    """Link the shards and write their indexes."""
    token_type = _TOKEN_TYPES[mix.dtype.name]
    for number, shard in enumerate(mix.shards):
        stem = file_stem(mix, number)
        folder.link(storage.join_below(mix.url, shard.path), f"{stem}.bin")
        folder.write_bytes(f"{stem}.idx", *_index(document_ends(mix, shard), token_type))
    note = "pass each file to --data-path, without its suffix"
    if token_type != mix.dtype.name:
        note += f"; Megatron has no {mix.dtype.name}, but all ids of {mix.vocab_size:,} fit {token_type}, byte for byte"
    return note


def _index(ends: Int64s, token_type: str) -> list[bytes]:
    starts = np.concatenate([[0], ends[:-1]])
    return [
        _MAGIC,
        struct.pack("<QBQQ", _VERSION, _TYPE_CODES[token_type], len(ends), len(ends) + 1),
        (ends - starts).astype("<i4").tobytes(),
        (starts * np.dtype(token_type).itemsize).astype("<i8").tobytes(),
        np.arange(len(ends) + 1, dtype="<i8").tobytes(),
    ]


MEGATRON = ExportFormat("megatron", "Megatron", _TOKEN_TYPES, write, max_vocab_size=1 << 31)
