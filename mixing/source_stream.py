"""The stream of one source's tokens: epoch after epoch, each in an order of its own.

In each epoch the buckets stand in a seeded order, and in each bucket the documents of all units in a seeded order that
depends on their ids only: however documents lie in units, the stream is the same. A document is followed by its
separator. To answer what stands at some tokens of the stream, only the buckets concerned are loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from gristmill.corpus.arrays import Bools, Int64s, UInt64s
from gristmill.errors import InputError
from gristmill.mixing.mix_plan import SourcePlan
from gristmill.tokenization.id_hashing import hash_key, id_words, seeded_order

LoadBucket = Callable[[int], pa.Table]
"""A bucket's number → its index rows in all units: ``id``, ``unit`` (int), ``start``, ``end``; see ``join_units``."""


class Slices(NamedTuple):
    """Pieces of documents, in the order of the stream; each field has one entry a piece.

    ``start`` and ``length`` are tokens in the unit's payload, ``offset`` tokens inside the document, ``copy`` the epoch
    (from 0). ``closes`` tells that the piece ends with the document's separator.
    """

    unit: Int64s
    start: Int64s
    length: Int64s
    id: UInt64s
    offset: Int64s
    copy: Int64s
    closes: Bools


class TokenCount(NamedTuple):
    """Tokens of documents, and separators, which are apart."""

    documents: int
    separators: int


class SourceStream:
    """The token stream of one source of a plan."""

    def __init__(self, source: SourcePlan, seed: int, load_bucket: LoadBucket) -> None:
        self.source = source
        self._seed = seed
        self._load_bucket = load_bucket
        self._tokens = np.array(source.bucket_tokens, np.int64)

    def slices(self, first: int, count: int) -> Slices:
        """What makes up tokens ``first`` to ``first + count`` of the stream.

        Raises InputError if a bucket's index does not hold the tokens that the plan counted.
        """
        epoch_tokens = self.source.tokens
        parts = [
            self._epoch_slices(copy, max(0, first - copy * epoch_tokens), first + count - copy * epoch_tokens)
            for copy in range(first // epoch_tokens, -(-(first + count) // epoch_tokens))
        ]
        return _joined(parts)

    def rest_of_epoch(self, first: int) -> TokenCount:
        """What stands from token ``first`` of the stream to the end of its epoch; nothing if an epoch begins there."""
        copy, low = divmod(first, self.source.tokens)
        if low == 0:
            return TokenCount(0, 0)
        order, begins = self._bucket_order(copy)
        place = int(np.searchsorted(begins, low, side="right")) - 1
        later = order[place + 1 :]
        bucket_end = int(begins[place] + self._tokens[order[place]])
        cut = self._epoch_slices(copy, low, bucket_end)
        tokens = int(self._tokens[later].sum() + cut.length.sum())
        separators = int(np.array(self.source.bucket_documents)[later].sum() + cut.closes.sum())
        return TokenCount(tokens - separators, separators)

    def _epoch_slices(self, copy: int, low: int, high: int) -> Slices:
        order, begins = self._bucket_order(copy)
        concerned = (begins < high) & (begins + self._tokens[order] > low)
        return _joined(
            [
                self._bucket_slices(copy, bucket, low - begin, high - begin)
                for bucket, begin in zip(order[concerned].tolist(), begins[concerned].tolist(), strict=True)
            ]
        )

    def _bucket_order(self, copy: int) -> tuple[Int64s, Int64s]:
        """The epoch's order of buckets, and where in the epoch each begins."""
        numbers = np.arange(len(self._tokens), dtype=np.uint64)
        key = hash_key("buckets", self._seed, self.source.source, copy)
        order = seeded_order(np.stack([numbers, numbers], axis=1), key)
        return order, np.cumsum(self._tokens[order]) - self._tokens[order]

    def _bucket_slices(self, copy: int, bucket: int, low: int, high: int) -> Slices:
        rows = self._load_bucket(bucket)
        ids, start = id_words(rows["id"]), _integers(rows["start"])
        size = _integers(rows["end"]) - start
        if size.sum() != self._tokens[bucket]:
            raise InputError(
                f"bucket {bucket} of source {self.source.source!r} holds {size.sum()} tokens where its plan counted "
                f"{self._tokens[bucket]}: run the stage tokenize again"
            )
        order = seeded_order(ids, hash_key("documents", self._seed, self.source.source, copy, bucket))
        ends = np.cumsum(size[order])
        begins = ends - size[order]
        touched = slice(int(np.searchsorted(ends, low, side="right")), int(np.searchsorted(begins, high)))
        order, begins, ends = order[touched], begins[touched], ends[touched]
        offset = np.maximum(low - begins, 0)
        length = np.minimum(ends, high) - begins - offset
        return Slices(
            unit=_integers(rows["unit"])[order],
            start=start[order] + offset,
            length=length,
            id=ids[order],
            offset=offset,
            copy=np.full(len(order), copy),
            closes=ends <= high,
        )


def join_units(tables: Iterable[tuple[int, pa.Table]]) -> pa.Table:
    """Index rows of several units, each with its number, as one table with a column ``unit``."""
    return pa.concat_tables(
        table.select(["id", "start", "end"]).append_column("unit", pa.array(np.full(len(table), unit, np.int32)))
        for unit, table in tables
    )


def _joined(parts: list[Slices]) -> Slices:
    return Slices(*map(np.concatenate, zip(_NONE, *parts, strict=True)))


def _integers(column: pa.ChunkedArray) -> Int64s:
    return column.to_numpy().astype(np.int64, copy=False)  # type: ignore[no-any-return]


_EMPTY = np.empty(0, np.int64)
_NONE = Slices(_EMPTY, _EMPTY, _EMPTY, np.empty((0, 2), np.uint64), _EMPTY, _EMPTY, np.empty(0, bool))
