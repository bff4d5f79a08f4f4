"""Sequences as the trainer reads them. Its place in the data is one integer, the next sequence.

Step ``s`` with batch ``B`` reads sequences ``s × B`` to ``(s + 1) × B``, and each process an equal stretch of them.
A model sees a sequence's tokens but the last and predicts those but the first; neighbours in a shard come from other
sources, so nothing is predicted across the border of two sequences.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from gristmill.errors import InputError
from gristmill.training.train_section import TrainSection


class Sequences(Protocol):
    """What the trainer needs of a mix; ``gristmill.mixing.reader.MixedShards`` is one."""

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
        """Sequences ``first`` to ``first + count`` in training order, shape (count, sequence_length), unsigned."""


def planned_steps(section: TrainSection, sequences: int) -> int:
    """The run's number of steps; a pass leaves over less than a batch. Raises InputError if there are too few."""
    steps = section.steps or max(sequences // section.batch_sequences, 1)
    needed = steps * section.batch_sequences
    if needed > sequences:
        raise InputError(
            f"{steps:,} steps of {section.batch_sequences} sequences need {needed:,} sequences, but the mix holds "
            f"{sequences:,}: raise mix.tokens, or lower train.steps or train.batch_sequences"
        )
    return steps


def batches(
    sequences: Sequences, batch: int, first_step: int, steps: int, rank: int, processes: int
) -> Iterator[npt.NDArray[np.int64]]:
    """This process's share of every step from ``first_step`` to ``steps``, shape (batch / processes, sequence_length).

    The next share is read while the caller works on this one. Raises InputError for a token outside of the vocabulary.
    """
    share = batch // processes

    def read(step: int) -> npt.NDArray[np.int64]:
        tokens = sequences.tokens(step * batch + rank * share, share).astype(np.int64)
        if tokens.max() >= sequences.vocab_size:
            raise InputError(
                f"step {step} reads token {tokens.max()}, but the mix's vocabulary has {sequences.vocab_size:,}: "
                "the shards are damaged, run the stage mix again"
            )
        return tokens

    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(read, first_step) if first_step < steps else None
        for step in range(first_step, steps):
            assert coming is not None
            tokens = coming.result()
            coming = reader.submit(read, step + 1) if step + 1 < steps else None
            yield tokens
