"""The exchange: how rows of different units meet, through files and not through a shuffle.

A unit writes one Parquet file of rows that begin with a hash; row group p holds partition p, the rows whose hash says p
in its top bits, ascending. The task of a partition reads that one row group of every unit's file.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa

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
