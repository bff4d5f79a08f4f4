"""Reads the batches of a run. The model sees all tokens of a sequence and predicts all but the first.

Neighbouring sequences of a shard come from different sources, so nothing is predicted across two sequences.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gristmill.corpus.arrays import Int64s
from gristmill.errors import InputError
from gristmill.training.batch_plan import Batch


class Sequences(Protocol):
    """The training data; ``gristmill.mixing.mixed_shards.MixedShards`` implements it."""

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

    def documents(self, position: int) -> pa.Table:
        """Return the pieces of documents in the sequence at ``position``: ``id``, ``source``, ``start``, ``end``."""


class BatchReader:
    """Reads one process's contiguous share of each batch, and in the background that of the batch likely to follow."""

    def __init__(self, sequences: Sequences, rank: int, processes: int) -> None:
        self._sequences, self._rank, self._processes = sequences, rank, processes
        self._thread = ThreadPoolExecutor(1)
        self._next: tuple[Batch, Future[Int64s]] | None = None

    def __enter__(self) -> BatchReader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._thread.shutdown(cancel_futures=True)

    def read(self, batch: Batch) -> Int64s:
        """Return this process's share of ``batch``, shape (share, length).

        Raises InputError if a token id is outside the vocabulary.
        """
        known, tokens = self._next or (None, None)
        result = tokens.result() if tokens is not None and known == batch else self._load(batch)
        following = Batch(batch.end, batch.end + batch.size)
        within = following.end <= len(self._sequences)
        self._next = (following, self._thread.submit(self._load, following)) if within else None
        return result

    def _load(self, batch: Batch) -> Int64s:
        share = batch.size // self._processes
        first = batch.first + self._rank * share
        tokens = self._sequences.tokens(first, share).astype(np.int64)
        if tokens.max() >= self._sequences.vocab_size:
            raise InputError(
                f"the sequences from {first:,} on contain the token {tokens.max()}, but the mix has a vocabulary "
                f"of {self._sequences.vocab_size:,} tokens: the shards are damaged, run the stage mix again"
            )
        return tokens
