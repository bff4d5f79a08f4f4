"""The batches that the trainer reads. The position in the data is one integer, the index of the next sequence.

Step ``s`` with batch size ``B`` reads the sequences ``s × B`` to ``(s + 1) × B``, and each process an equal contiguous
share of them. The model sees all tokens of a sequence but the last and predicts all but the first; neighbouring
sequences of a shard come from different sources, so nothing is predicted across the boundary of two sequences.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from gristmill.corpus.arrays import Int64s
from gristmill.errors import InputError
from gristmill.training.train_section import TrainSection


class Sequences(Protocol):
    """The training data; ``gristmill.mixing.reader.MixedShards`` implements it."""

    @property
    def sequence_length(self) -> int: ...

    @property
    def vocab_size(self) -> int: ...

    @property
    def eos_id(self) -> int: ...

    @property
    def digest(self) -> str: ...

    def __len__(self) -> int: ...

    def tokens(self, first: int, count: int) -> npt.NDArray[Any]:
        """Return the sequences ``first`` to ``first + count`` in training order, unsigned, shape (count, length)."""


def planned_steps(section: TrainSection, sequences: int) -> int:
    """Return the run's number of steps; one pass drops the last incomplete batch.

    Raises InputError if there are too few sequences.
    """
    steps = section.steps or max(sequences // section.batch_sequences, 1)
    needed = steps * section.batch_sequences
    if needed > sequences:
        raise InputError(
            f"{steps:,} steps of {section.batch_sequences} sequences need {needed:,} sequences, but the mix holds "
            f"{sequences:,}: raise mix.tokens, or lower train.steps or train.batch_sequences"
        )
    return steps


def read_batches(
    sequences: Sequences, batch_size: int, first_step: int, steps: int, rank: int, processes: int
) -> Iterator[Int64s]:
    """Yields this process's share of each batch from ``first_step`` to ``steps``, shape (batch / processes, length).

    The next share is read while the caller processes the current one. Raises InputError if a token id is outside the
    vocabulary.
    """
    share = batch_size // processes

    def read(step: int) -> Int64s:
        tokens = sequences.tokens(step * batch_size + rank * share, share).astype(np.int64)
        if tokens.max() >= sequences.vocab_size:
            raise InputError(
                f"step {step} reads the token {tokens.max()}, but the vocabulary of the mix has "
                f"{sequences.vocab_size:,} tokens: the shards are damaged, run the stage mix again"
            )
        return tokens

    with ThreadPoolExecutor(1) as reader:
        pending = reader.submit(read, first_step) if first_step < steps else None
        for step in range(first_step, steps):
            assert pending is not None
            tokens = pending.result()
            pending = reader.submit(read, step + 1) if step + 1 < steps else None
            yield tokens
