"""What workers exchange about lines and paragraphs. Two files a unit:

- *passages*, the exchange: hash, order, number of every passage. Row group p holds partition p. 20 bytes a passage.
- *places*: by number, where each one lies: the document's row, and from which character to which.

``order`` ranks documents of one priority: it is the first eight bytes of the document's id, a hash already. Of equal
ones (of two documents of one name, that is) the unit and the row decide. A passage is named among several units by its
node (``exchange.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from gristmill.corpus.arrays import UInt64s
from gristmill.corpus.document import ID_BYTES
from gristmill.transforms.core.exchange import node_ids, split_partitions
from gristmill.transforms.line_dedup.passage_hashes import Integers, Passages

PASSAGES_SCHEMA = pa.schema(
    [
        pa.field("hash", pa.uint64(), nullable=False),
        pa.field("order", pa.uint64(), nullable=False),
        pa.field("number", pa.uint32(), nullable=False),
    ]
)

PLACES_SCHEMA = pa.schema(
    [
        pa.field("row", pa.uint32(), nullable=False),
        pa.field("start", pa.int64(), nullable=False),
        pa.field("end", pa.int64(), nullable=False),
    ]
)
"""``start`` and ``end`` are characters (code points) of the text that the line rules of ``judge`` leave."""


def order_of(ids: pa.ChunkedArray) -> UInt64s:
    """What ranks documents of these ids: uint64, in their order."""
    whole = ids.combine_chunks()
    first = np.frombuffer(whole.buffers()[1] or b"", ">u8").reshape(-1, ID_BYTES // 8)[:, 0]
    return first[whole.offset : whole.offset + len(whole)].astype(np.uint64)


def places_table(passages: Passages, rows: Integers) -> pa.Table:
    """``PLACES_SCHEMA``; ``rows`` are those of the documents in the documents file."""
    return pa.table([rows[passages.document], passages.start, passages.end], names=PLACES_SCHEMA.names)


def partition_tables(hashes: UInt64s, order: UInt64s, partitions: int) -> list[pa.Table]:
    """``PASSAGES_SCHEMA``, one table a partition; ``hashes`` and ``order`` are of all passages, by their number."""
    number = np.argsort(hashes, kind="stable")
    table = pa.table([hashes[number], order[number], number.astype(np.uint32)], schema=PASSAGES_SCHEMA)
    return split_partitions(table, partitions)


class Copies(NamedTuple):
    """Passages of several units, parallel; of one hash they come in the order of nodes."""

    hash: UInt64s
    priority: Integers
    order: UInt64s
    node: UInt64s


def join_partitions(tables: Sequence[pa.Table], priorities: Sequence[int]) -> Copies:
    """The same partitions of the files of all units, of which each has a priority."""
    nodes = [node_ids(unit, table["number"].to_numpy()) for unit, table in enumerate(tables)]
    sizes = [table.num_rows for table in tables]
    joined = pa.concat_tables([PASSAGES_SCHEMA.empty_table(), *tables])
    return Copies(
        joined["hash"].to_numpy(),
        np.repeat(np.array(priorities, np.int64), sizes),
        joined["order"].to_numpy(),
        np.concatenate([np.empty(0, np.uint64), *nodes]),
    )
