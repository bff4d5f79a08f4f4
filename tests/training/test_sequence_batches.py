"""The sequences that each step and process reads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.errors import InputError
from gristmill.training.sequence_batches import planned_steps, read_batches
from gristmill.training.train_section import TrainSection


class CountingSequences:
    """Sequences in memory; sequence ``n`` consists of the token ``n``, three times."""

    sequence_length, vocab_size, eos_id, digest = 3, 1000, 0, "d"

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def tokens(self, first: int, count: int) -> np.ndarray[Any, Any]:
        if first + count > self.count:
            raise IndexError(first)
        return np.repeat(np.arange(first, first + count, dtype=np.uint16), 3).reshape(-1, 3)


@pytest.mark.parametrize(
    ("steps", "sequences", "planned"),
    [(None, 4, 1), (None, 7, 1), (None, 8, 2), (2, 8, 2), (2, 100, 2), (None, 3, None), (None, 0, None), (2, 7, None)],
)
def test_planned_steps(steps: int | None, sequences: int, planned: int | None) -> None:
    section = TrainSection(batch_sequences=4, micro_batch=4, steps=steps)
    if planned is not None:
        assert planned_steps(section, sequences) == planned
        return
    with pytest.raises(InputError, match=f"the mix holds {sequences}: raise mix.tokens, or lower train.steps"):
        planned_steps(section, sequences)


@settings(max_examples=30)
@given(st.integers(1, 3), st.integers(1, 3), st.integers(0, 5), st.integers(0, 5))
def test_processes_split_a_batch_without_overlap(processes: int, share: int, first: int, steps: int) -> None:
    batch = processes * share
    shares = [
        list(read_batches(CountingSequences(steps * batch), batch, first, steps, rank, processes))
        for rank in range(processes)
    ]
    read = [int(row[0]) for step in zip(*shares, strict=True) for part in step for row in part]
    assert read == list(range(first * batch, steps * batch))
    assert all(part.dtype == np.int64 and part.shape == (share, 3) for parts in shares for part in parts)


def test_a_token_outside_the_vocabulary_is_reported() -> None:
    sequences = CountingSequences(8)
    sequences.vocab_size = 8
    assert len(list(read_batches(sequences, 4, 0, 2, 0, 1))) == 2
    sequences.vocab_size = 7
    with pytest.raises(InputError, match="step 1 reads the token 7, but the vocabulary of the mix has 7"):
        list(read_batches(sequences, 4, 0, 2, 0, 1))
