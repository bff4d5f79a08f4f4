"""The exchange: the partition of a row, and the partitions of a task."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from gristmill.transforms.core.exchange import partitions_per_task, split_partitions


@pytest.mark.parametrize(
    ("partitions", "sizes"), [(1, [5]), (2, [3, 2]), (4, [2, 1, 0, 2]), (8, [2, 0, 1, 0, 0, 0, 0, 2])]
)
def test_the_top_bits_of_a_hash_select_its_partition(partitions: int, sizes: list[int]) -> None:
    hashes = np.array([0, 2**61 - 1, 2**62, 2**64 - 2**61, 2**64 - 1], np.uint64)
    tables = split_partitions(pa.table({"hash": hashes, "row": range(5)}), partitions)
    assert [table.num_rows for table in tables] == sizes
    assert pa.concat_tables(tables)["row"].to_pylist() == list(range(5))


@pytest.mark.parametrize(("rows", "per_task"), [(0, 8), (1, 8), (100, 8), (101, 7), (200, 4), (800, 1), (10**6, 1)])
def test_the_number_of_rows_determines_the_partitions_per_task(rows: int, per_task: int) -> None:
    ranges = partitions_per_task(rows, 8, task_rows=100)
    assert max(map(len, ranges)) == per_task
    assert [partition for task in ranges for partition in task] == list(range(8))
