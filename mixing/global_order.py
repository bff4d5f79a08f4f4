"""The global order of sequences: groups interleaved evenly, any position computed without a scan.

Sequence ``j`` of the ``n`` sequences of a group has the time ``(j + u) / n``, with a seeded offset ``u`` in [0, 1) per
group; sequences are sorted by time. So any range of times has each group in its proportion, to within one sequence.
Times are exact 64-bit fixed-point fractions; equal times are sorted by group.

The number of sequences of a group before a time has a closed form, so the time of a position is found by bisection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from gristmill.corpus.arrays import Int64s, UInt64s
from gristmill.tokenization.id_hashing import hash_key

MAX_SEQUENCES = 1 << 40
"""Maximum number of sequences of a group: times are computed in 64 bits up to here."""

_TIME_BITS = 64
_OFFSET_BITS = 16
_STEP_BITS = 8


class Positions(NamedTuple):
    """The group of each position, as an index into ``GlobalOrder.groups``, and its sequence in that group."""

    group: Int64s
    sequence: Int64s


class GlobalOrder:
    """The order of the sequences of several groups; ``groups`` are their names, sorted."""

    def __init__(self, sequences: Mapping[str, int], seed: int) -> None:
        """Take the number of sequences of each group. Raises ValueError if it is above 2**40."""
        self.groups = tuple(sorted(sequences))
        self._sequences = [sequences[name] for name in self.groups]
        if max(self._sequences, default=0) > MAX_SEQUENCES:
            raise ValueError(f"a group has at most {MAX_SEQUENCES} sequences")
        self._offsets = [hash_key("offset", seed, name) >> (64 - _OFFSET_BITS) for name in self.groups]
        self.total = sum(self._sequences)

    def positions(self, first: int, count: int) -> Positions:
        """Return what is at positions ``first`` to ``first + count`` (exclusive): two arrays of shape (count,).

        Takes time proportional to ``count``, plus a bisection. Raises IndexError outside of [0, total].
        """
        if not 0 <= first <= first + count <= self.total:
            raise IndexError(f"positions {first} to {first + count} are not within {self.total} sequences")
        begin = self._counts_before(self._time_of(first))
        end = self._counts_before(self._time_of(first + count) + 1)
        group = np.repeat(np.arange(len(begin)), [b - a for a, b in zip(begin, end, strict=True)])
        ranges = [np.arange(a, b, dtype=np.int64) for a, b in zip(begin, end, strict=True)]
        sequence = np.concatenate([np.empty(0, np.int64), *ranges])
        times = np.concatenate([np.empty(0, np.uint64), *map(self._times, range(len(ranges)), ranges)])
        skipped = first - sum(begin)
        sorted_rows = np.lexsort((group, times))[skipped : skipped + count]
        return Positions(group[sorted_rows], sequence[sorted_rows])

    def counts_before(self, position: int) -> list[int]:
        """Return the number of sequences of each group before ``position``."""
        begin = self._counts_before(self._time_of(position))
        rest = self.positions(sum(begin), position - sum(begin)).group
        return [a + int(b) for a, b in zip(begin, np.bincount(rest, minlength=len(begin)), strict=True)]

    def _time_of(self, position: int) -> int:
        """Return the last time with at most ``position`` sequences before it."""
        low, high = 0, 1 << _TIME_BITS
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if sum(self._counts_before(middle)) <= position else (low, middle - 1)
        return low

    def _counts_before(self, time: int) -> list[int]:
        """Return the number of sequences of each group before ``time``, a multiple of 2**-64; exact in integers.

        floor((j * 2**16 + u) * 2**64 / (n * 2**16)) < time is equivalent to j * 2**16 + u < ceil(time * n / 2**48).
        """
        counts = []
        for n, offset in zip(self._sequences, self._offsets, strict=True):
            bound = -(-time * n >> (_TIME_BITS - _OFFSET_BITS))
            counts.append(min(n, max(0, (bound - offset + (1 << _OFFSET_BITS) - 1) >> _OFFSET_BITS)))
        return counts

    def _times(self, group: int, sequence: Int64s) -> UInt64s:
        """Return the times of sequences, by long division in steps of 8 bits: n * 2**16 takes up to 56 of 64 bits."""
        divisor = np.uint64(max(1, self._sequences[group]) << _OFFSET_BITS)
        rest = (sequence.astype(np.uint64) << np.uint64(_OFFSET_BITS)) + np.uint64(self._offsets[group])
        times = np.zeros(len(sequence), np.uint64)
        for _ in range(_TIME_BITS // _STEP_BITS):
            rest <<= np.uint64(_STEP_BITS)
            times = (times << np.uint64(_STEP_BITS)) | (rest // divisor)
            rest %= divisor
        return times


class SegmentedOrder:
    """Global orders of the same groups, one after the other: of each, the first ``length`` positions.

    A group goes on in a segment at the sequence at which it stopped in the segment before.
    """

    def __init__(self, segments: Sequence[tuple[GlobalOrder, int]]) -> None:
        self.groups = segments[0][0].groups if segments else ()
        self.total = sum(length for _, length in segments)
        self.counts = [np.array(order.counts_before(length), np.int64) for order, length in segments]
        """Sequences of each group in each segment: int64 [groups]."""
        self._segments = []
        first, before = 0, np.zeros(len(self.groups), np.int64)
        for (order, length), counts in zip(segments, self.counts, strict=True):
            self._segments.append((first, length, order, before))
            first, before = first + length, before + counts

    def positions(self, first: int, count: int) -> Positions:
        """Return what is at positions ``first`` to ``first + count`` (exclusive): two arrays of shape (count,).

        Raises IndexError outside of [0, total].
        """
        if not 0 <= first <= first + count <= self.total:
            raise IndexError(f"positions {first} to {first + count} are not within {self.total} sequences")
        parts = [Positions(np.empty(0, np.int64), np.empty(0, np.int64))]
        for start, length, order, before in self._segments:
            low, high = max(first, start), min(first + count, start + length)
            if low < high:
                group, sequence = order.positions(low - start, high - low)
                parts.append(Positions(group, sequence + before[group]))
        return Positions(*map(np.concatenate, zip(*parts, strict=True)))
