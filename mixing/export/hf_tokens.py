"""Hugging Face ``datasets``: ``data/train-*.parquet``, which ``load_dataset`` finds as the split ``train``.

A row is a sequence. ``input_ids`` are its tokens, as they are in the shards; ``seq_lengths`` are the tokens of each
document, or part of one, in it, which is how TRL's ``pack_dataset`` marks the documents of a packed sequence.
"""

from __future__ import annotations

from functools import partial
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gristmill.corpus.arrays import Int64s
from gristmill.mixing.export.export_format import (
    ExportFolder,
    ExportFormat,
    document_ends_by_sequence,
    token_blocks,
)
from gristmill.mixing.mixed_shards import MixedShards, ShardFile


def write(mix: MixedShards, folder: ExportFolder) -> str:
    """Write a Parquet file for each shard."""
    for number, shard in enumerate(mix.shards):
        name = f"data/train-{number:05}-of-{len(mix.shards):05}.parquet"
        folder.write(name, partial(_write_shard, mix, shard))
    return "load_dataset reads the folder; the columns are input_ids and seq_lengths"


def _write_shard(mix: MixedShards, shard: ShardFile, file: IO[bytes]) -> None:
    width = pa.from_numpy_dtype(mix.dtype)
    schema = pa.schema([("input_ids", pa.list_(width)), ("seq_lengths", pa.list_(pa.int32()))])
    lengths = _lengths_by_sequence(document_ends_by_sequence(mix, shard), shard.sequences, mix.sequence_length)
    row = 0
    # Ids are close to random, so a dictionary would only cost time.
    with pq.ParquetWriter(file, schema, compression="zstd", use_dictionary=False) as writer:
        for block in token_blocks(mix, shard):
            offsets = pa.array(np.arange(len(block) + 1, dtype=np.int32) * mix.sequence_length)
            ids = pa.ListArray.from_arrays(offsets, pa.array(block.reshape(-1), width))
            writer.write_table(pa.table([ids, lengths.slice(row, len(block))], schema=schema))
            row += len(block)


def _lengths_by_sequence(ends: Int64s, sequences: int, sequence_length: int) -> pa.Array:
    """The lengths of the documents of each sequence, a list per sequence."""
    lengths = np.diff(ends, prepend=0).astype(np.int32)
    documents = np.bincount((ends - 1) // sequence_length, minlength=sequences)
    offsets = np.concatenate([[0], np.cumsum(documents)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(lengths))


HF_TOKENS = ExportFormat("hf-tokens", "datasets", {"uint16": "uint16", "uint32": "uint32"}, write)
