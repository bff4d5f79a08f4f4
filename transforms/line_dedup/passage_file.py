"""The files in which workers exchange lines and paragraphs. Each unit has two:

- *passages*, the exchange: hash, order and number of every passage. Row group p holds partition p. 20 bytes a passage.
- *places*, by number: the document's row, and the range of characters of every passage.

``order`` ranks documents of the same priority: it is the first eight bytes of the document's id, which is a hash. Equal
orders (of documents with the same name) are ranked by unit and row. A passage is identified among several units by its
node (``exchange.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from gristmill.corpus.arrays import Int64s, UInt64s
from gristmill.corpus.document import ID_BYTES
from gristmill.transforms.core.exchange import node_ids, split_partitions
from gristmill.transforms.line_dedup.passage_hashes import Passages

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


def document_order(ids: pa.ChunkedArray) -> UInt64s:
    """The numbers, uint64, by which documents with these ids are ranked."""
    column = ids.combine_chunks()
    first = np.frombuffer(column.buffers()[1] or b"", ">u8").reshape(-1, ID_BYTES // 8)[:, 0]
    return first[column.offset : column.offset + len(column)].astype(np.uint64)


def places_table(passages: Passages, rows: Int64s) -> pa.Table:
    """``PLACES_SCHEMA``; ``rows`` are those of the documents in the document file."""
    return pa.table([rows[passages.document], passages.start, passages.end], names=PLACES_SCHEMA.names)


def passage_tables(hashes: UInt64s, order: UInt64s, partitions: int) -> list[pa.Table]:
    """``PASSAGES_SCHEMA``, one table per partition. ``hashes`` and ``order`` are those of all passages, by number."""
    number = np.argsort(hashes, kind="stable")
    table = pa.table([hashes[number], order[number], number.astype(np.uint32)], schema=PASSAGES_SCHEMA)
    return split_partitions(table, partitions)


class PassageRows(NamedTuple):
    """Passages of several units, parallel; those with the same hash are in the order of nodes."""

    hash: UInt64s
    priority: Int64s
    order: UInt64s
    node: UInt64s


def join_passages(tables: Sequence[pa.Table], priorities: Sequence[int]) -> PassageRows:
    """Join the same partitions of all units; ``priorities`` are those of the units."""
    nodes = [node_ids(unit, table["number"].to_numpy()) for unit, table in enumerate(tables)]
    sizes = [table.num_rows for table in tables]
    joined = pa.concat_tables([PASSAGES_SCHEMA.empty_table(), *tables])
    return PassageRows(
        joined["hash"].to_numpy(),
        np.repeat(np.array(priorities, np.int64), sizes),
        joined["order"].to_numpy(),
        np.concatenate([np.empty(0, np.uint64), *nodes]),
    )
