"""The token stream of one group: epoch after epoch, each in its own order.

An epoch has the buckets in a seeded order, and in each bucket the documents of all units in a seeded order of their
ids. So the stream does not depend on the distribution of documents over units. A document is followed by its separator.
To read a range of the stream, only the buckets that overlap it are loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from gristmill.corpus.arrays import Bools, Int64s, UInt64s
from gristmill.errors import InputError
from gristmill.mixing.mix_plan import GroupPlan
from gristmill.tokenization.id_hashing import hash_key, id_words, seeded_order

LoadBucket = Callable[[int], pa.Table]
"""The number of a bucket → its index rows in all units: ``id``, ``unit``, ``start``, ``end`` (see ``join_units``)."""


class Slices(NamedTuple):
    """Slices of documents, in the order of the stream, with one array entry per slice.

    ``start`` and ``length`` count tokens in the unit's payload, ``offset`` tokens in the document; ``copy`` is the
    epoch, from 0. ``has_separator`` is true if the slice ends with the separator of the document.
    """

    unit: Int64s
    start: Int64s
    length: Int64s
    id: UInt64s
    offset: Int64s
    copy: Int64s
    has_separator: Bools


class TokenCount(NamedTuple):
    """The number of document tokens, and of separators."""

    documents: int
    separators: int


class GroupStream:
    """The token stream of one group of a plan."""

    def __init__(self, group: GroupPlan, seed: int, load_bucket: LoadBucket, unit_sources: Sequence[str]) -> None:
        """``unit_sources`` are the sources of the group's units, by their number."""
        self.group = group
        self.unit_sources = unit_sources
        self._seed = seed
        self._load_bucket = load_bucket
        self._tokens = np.array(group.bucket_tokens, np.int64)

    def slices(self, first: int, count: int) -> Slices:
        """Return the slices that make up tokens ``first`` to ``first + count`` (exclusive) of the stream.

        Raises InputError if the index of a bucket does not have the tokens that the plan counted.
        """
        epoch_tokens = self.group.tokens
        parts = [
            self._epoch_slices(copy, max(0, first - copy * epoch_tokens), first + count - copy * epoch_tokens)
            for copy in range(first // epoch_tokens, -(-(first + count) // epoch_tokens))
        ]
        return _concatenate(parts)

    def rest_of_epoch(self, first: int) -> TokenCount:
        """Count the tokens from token ``first`` of the stream to the end of its epoch; 0 at the start of an epoch."""
        copy, low = divmod(first, self.group.tokens)
        if low == 0:
            return TokenCount(0, 0)
        order, begins = self._bucket_order(copy)
        place = int(np.searchsorted(begins, low, side="right")) - 1
        later = order[place + 1 :]
        bucket_end = int(begins[place] + self._tokens[order[place]])
        cut = self._epoch_slices(copy, low, bucket_end)
        tokens = int(self._tokens[later].sum() + cut.length.sum())
        separators = int(np.array(self.group.bucket_documents)[later].sum() + cut.has_separator.sum())
        return TokenCount(tokens - separators, separators)

    def _epoch_slices(self, copy: int, low: int, high: int) -> Slices:
        order, begins = self._bucket_order(copy)
        overlapping = (begins < high) & (begins + self._tokens[order] > low)
        return _concatenate(
            [
                self._bucket_slices(copy, bucket, low - begin, high - begin)
                for bucket, begin in zip(order[overlapping].tolist(), begins[overlapping].tolist(), strict=True)
            ]
        )

    def _bucket_order(self, copy: int) -> tuple[Int64s, Int64s]:
        """Return the order of buckets in an epoch, and where in the epoch each starts."""
        numbers = np.arange(len(self._tokens), dtype=np.uint64)
        key = hash_key("buckets", self._seed, self.group.group, copy)
        order = seeded_order(np.stack([numbers, numbers], axis=1), key)
        return order, np.cumsum(self._tokens[order]) - self._tokens[order]

    def _bucket_slices(self, copy: int, bucket: int, low: int, high: int) -> Slices:
        rows = self._load_bucket(bucket)
        ids, start = id_words(rows["id"]), _integers(rows["start"])
        size = _integers(rows["end"]) - start
        if size.sum() != self._tokens[bucket]:
            raise InputError(
                f"bucket {bucket} of group {self.group.group!r} has {size.sum()} tokens, but its plan counted "
                f"{self._tokens[bucket]}: run the stage tokenize again"
            )
        order = seeded_order(ids, hash_key("documents", self._seed, self.group.group, copy, bucket))
        ends = np.cumsum(size[order])
        begins = ends - size[order]
        overlap = slice(int(np.searchsorted(ends, low, side="right")), int(np.searchsorted(begins, high)))
        order, begins, ends = order[overlap], begins[overlap], ends[overlap]
        offset = np.maximum(low - begins, 0)
        length = np.minimum(ends, high) - begins - offset
        return Slices(
            unit=_integers(rows["unit"])[order],
            start=start[order] + offset,
            length=length,
            id=ids[order],
            offset=offset,
            copy=np.full(len(order), copy),
            has_separator=ends <= high,
        )


def join_units(tables: Iterable[tuple[int, pa.Table]]) -> pa.Table:
    """Concatenate the index rows of numbered units, with the number as a column ``unit``."""
    return pa.concat_tables(
        table.select(["id", "start", "end"]).append_column("unit", pa.array(np.full(len(table), unit, np.int32)))
        for unit, table in tables
    )


def _concatenate(parts: list[Slices]) -> Slices:
    return Slices(*map(np.concatenate, zip(_NO_SLICES, *parts, strict=True)))


def _integers(column: pa.ChunkedArray) -> Int64s:
    return column.to_numpy().astype(np.int64, copy=False)  # type: ignore[no-any-return]


_EMPTY = np.empty(0, np.int64)
_NO_SLICES = Slices(_EMPTY, _EMPTY, _EMPTY, np.empty((0, 2), np.uint64), _EMPTY, _EMPTY, np.empty(0, bool))
