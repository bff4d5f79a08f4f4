"""Exchange of rows between units through files instead of a shuffle.

Every unit writes one Parquet file whose first column is a hash. Row group p holds partition p: the rows whose top hash
bits are p, sorted by hash. The task of a partition reads that row group of every unit's file.

A *node* identifies a row among several files: file number << 32 | row number.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pyarrow as pa

from gristmill.corpus.arrays import UInt32s, UInt64s

TASK_ROWS = 2**22


def split_partitions(table: pa.Table, partitions: int) -> list[pa.Table]:
    """Split ``table`` into one table per partition, empty ones included, each to be written as one row group.

    The first column of ``table`` is uint64 and sorted; ``partitions`` is a power of two.
    """
    shift = 64 - (partitions.bit_length() - 1)
    firsts = [part << shift for part in range(partitions)]
    cuts = [*np.searchsorted(table.column(0).to_numpy(), np.array(firsts, np.uint64)), table.num_rows]
    return [table.slice(begin, end - begin) for begin, end in pairwise(cuts)]


def partitions_per_task(rows: int, partitions: int, task_rows: int = TASK_ROWS) -> list[range]:
    """Return each task's partitions, such that a task has about ``task_rows`` of the ``rows`` rows of all units."""
    per_task = min(max(task_rows * partitions // max(rows, 1), 1), partitions)
    return [range(start, min(start + per_task, partitions)) for start in range(0, partitions, per_task)]


def node_ids(file: int, rows: UInt32s) -> UInt64s:
    """Return the nodes of ``rows`` of file number ``file``."""
    result: UInt64s = rows.astype(np.uint64) | np.uint64(file << 32)
    return result


def split_by_file(nodes: UInt64s) -> Iterator[tuple[int, UInt32s]]:
    """Yield ``(file number, rows)`` for each file among sorted nodes."""
    files = (nodes >> np.uint64(32)).astype(np.int64)
    rows = (nodes & np.uint64(2**32 - 1)).astype(np.uint32)
    for file in np.unique(files).tolist():
        yield file, rows[files == file]
