"""The exchange: how rows of different units meet, through files and not through a shuffle.

A unit writes one Parquet file of rows that begin with a hash; row group p holds partition p, the rows whose hash says p
in its top bits, ascending. The task of a partition reads that one row group of every unit's file.

A *node* names a row of something among several files: file number << 32 | row.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gristmill.corpus.words import UInt64s

UInt32s: TypeAlias = NDArray[np.uint32]

TASK_ROWS = 2**22


def partitioned(table: pa.Table, partitions: int) -> list[pa.Table]:
    """One table a partition, to be written as one row group each, empty ones too.

    The first column of ``table`` is uint64, ascending; ``partitions`` is a power of two.
    """
    shift = 64 - (partitions.bit_length() - 1)
    firsts = [part << shift for part in range(partitions)]
    cuts = [*np.searchsorted(table.column(0).to_numpy(), np.array(firsts, np.uint64)), table.num_rows]
    return [table.slice(begin, end - begin) for begin, end in pairwise(cuts)]


def partition_ranges(rows: int, partitions: int, task_rows: int = TASK_ROWS) -> list[range]:
    """The partitions of each task, where all units together have ``rows`` rows: about ``task_rows`` rows a task."""
    together = min(max(task_rows * partitions // max(rows, 1), 1), partitions)
    return [range(at, min(at + together, partitions)) for at in range(0, partitions, together)]


def node(file: int, rows: UInt32s) -> UInt64s:
    """Name rows of file number ``file`` among several files."""
    return rows.astype(np.uint64) | np.uint64(file << 32)


def by_file(nodes: UInt64s) -> Iterator[tuple[int, UInt32s]]:
    """(file number, rows) of ascending nodes."""
    files = (nodes >> np.uint64(32)).astype(np.int64)
    rows = (nodes & np.uint64(2**32 - 1)).astype(np.uint32)
    for file in np.unique(files).tolist():
        yield file, rows[files == file]
