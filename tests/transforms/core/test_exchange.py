"""The exchange: which partition a row is in, and which partitions a task reads."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from gristmill.transforms.core.exchange import partition_ranges, partitioned


@pytest.mark.parametrize(
    ("partitions", "sizes"), [(1, [5]), (2, [3, 2]), (4, [2, 1, 0, 2]), (8, [2, 0, 1, 0, 0, 0, 0, 2])]
)
def test_partitions_are_told_by_the_top_bits(partitions: int, sizes: list[int]) -> None:
    hashes = np.array([0, 2**61 - 1, 2**62, 2**64 - 2**61, 2**64 - 1], np.uint64)
    tables = partitioned(pa.table({"hash": hashes, "row": range(5)}), partitions)
    assert [table.num_rows for table in tables] == sizes
    assert pa.concat_tables(tables)["row"].to_pylist() == list(range(5))


@pytest.mark.parametrize(("rows", "together"), [(0, 8), (1, 8), (100, 8), (101, 7), (200, 4), (800, 1), (10**6, 1)])
def test_a_task_reads_as_many_partitions_as_have_its_rows(rows: int, together: int) -> None:
    ranges = partition_ranges(rows, 8, task_rows=100)
    assert max(map(len, ranges)) == together
    assert [partition for one in ranges for partition in one] == list(range(8))
