"""The sequences that each process reads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.errors import InputError
from gristmill.training.batch_plan import Batch
from gristmill.training.sequence_batches import BatchReader


class CountingSequences:
    """Sequences in memory; sequence ``n`` consists of the token ``n``, three times."""

    sequence_length, vocab_size, eos_id, digest = 3, 1000, 0, "d"

    def __init__(self, count: int) -> None:
        self.count = count
        self.reads: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return self.count

    def tokens(self, first: int, count: int) -> np.ndarray[Any, Any]:
        assert first + count <= self.count
        self.reads.append((first, count))
        return np.repeat(np.arange(first, first + count, dtype=np.uint16), 3).reshape(-1, 3)

    def documents(self, position: int) -> pa.Table:
        raise NotImplementedError


@settings(max_examples=30)
@given(st.integers(1, 3), st.integers(1, 3), st.lists(st.integers(0, 20), min_size=1, max_size=4))
def test_processes_split_a_batch_without_overlap(processes: int, share: int, starts: list[int]) -> None:
    batches = [Batch(start, start + processes * share) for start in starts]
    parts = []
    for rank in range(processes):
        with BatchReader(CountingSequences(30), rank, processes) as reader:
            parts.append([reader.read(batch) for batch in batches])
    for batch, shares in zip(batches, zip(*parts, strict=True), strict=True):
        assert [int(row[0]) for part in shares for row in part] == list(range(*batch))
        assert all(part.dtype == np.int64 and part.shape == (share, 3) for part in shares)


def test_the_next_batch_is_read_ahead_once() -> None:
    sequences = CountingSequences(8)
    with BatchReader(sequences, 0, 1) as reader:
        for first in (0, 2, 6):  # 4 is skipped
            assert reader.read(Batch(first, first + 2))[:, 0].tolist() == [first, first + 1]
    reads = sorted(sequences.reads)
    assert [read for read in reads if read != (4, 2)] == [(0, 2), (2, 2), (6, 2)]  # each once, and none beyond the end


def test_a_token_outside_the_vocabulary_is_reported() -> None:
    sequences = CountingSequences(8)
    sequences.vocab_size = 7
    with BatchReader(sequences, 0, 1) as reader:
        reader.read(Batch(0, 4))
        with pytest.raises(InputError, match="from 4 on contain the token 7, but the mix has a vocabulary of 7 tokens"):
            reader.read(Batch(4, 8))
