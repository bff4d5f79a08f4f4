"""Sequences of the mix: where each is in its shard, the pieces of documents in it, and the sequences of a document."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gristmill.corpus.document import ID_BYTES
from gristmill.errors import InputError
from gristmill.mixing.mixed_shards import MixedShards, ShardFile
from gristmill.pipelines.trace.stage_files import Row, map_files, open_file, read_columns
from gristmill.store import storage


def sequences_between(mix: MixedShards, first: int, end: int) -> list[Row]:
    """Return the sequences ``first`` to ``end`` (exclusive) with all of their pieces.

    Raises InputError if the mix does not have all of them.
    """
    for number in (first, end - 1):
        if not 0 <= number < len(mix):
            raise InputError(f"there is no sequence {number:,}: the mix has {len(mix):,}, 0 to {len(mix) - 1:,}")
    found = []
    for shard in mix.shards:
        begin, after = shard.first_sequence, shard.first_sequence + shard.sequences
        if begin < end and first < after:
            low, high = ((number - begin) * mix.sequence_length for number in (first, end))
            found += _sequences(mix, shard, "start", partial(_between, low, high))
    return found


def sequences_with(mix: MixedShards, ids: Collection[bytes]) -> list[Row]:
    """Return all sequences that contain a document of ``ids``, in order, with the pieces of these documents only."""
    values = pa.array(sorted(ids), pa.binary(ID_BYTES))

    def find(shard: ShardFile) -> list[Row]:
        return _sequences(mix, shard, "id", lambda column: pc.is_in(column, value_set=values))

    return [sequence for found in map_files(mix.url, find, mix.shards) for sequence in found]


def _between(low: int, high: int, column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.and_(pc.greater_equal(column, low), pc.less(column, high))


def _sequences(mix: MixedShards, shard: ShardFile, column: str, chosen: Callable[[Any], Any]) -> list[Row]:
    """The sequences with pieces whose ``column`` is chosen; other columns are read only where there are any."""
    by_row: dict[int, list[Row]] = defaultdict(list)
    with open_file(storage.join_below(mix.url, shard.pieces_path)) as file:
        for group in range(file.num_row_groups):
            mask = chosen(read_columns(file, [group], [column])[column])
            if rows := np.flatnonzero(mask.to_numpy()).tolist():
                for piece in read_columns(file, [group]).take(rows).to_pylist():
                    by_row[piece["start"] // mix.sequence_length].append(piece)
    return [_sequence(mix, shard, row, pieces) for row, pieces in sorted(by_row.items())]


def _sequence(mix: MixedShards, shard: ShardFile, row: int, pieces: list[Row]) -> Row:
    begin, size = row * mix.sequence_length, mix.sequence_length * mix.dtype.itemsize

    def within(piece: Row) -> Row:
        return {**piece, "id": piece["id"].hex(), "start": piece["start"] - begin, "end": piece["end"] - begin}

    return {
        "sequence": shard.first_sequence + row,
        "file": f"{mix.url.rstrip('/').rpartition('/')[2]}/{shard.path}",
        "offset": row * size,
        "length": size,
        "pieces": [within(piece) for piece in pieces],
    }
