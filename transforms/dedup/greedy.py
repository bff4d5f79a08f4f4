"""The decision: best-ranked first, a document goes if and only if it matches a kept one before it.

Two documents match when they share a bucket and the true Jaccard similarity of their shingle sets, rounded, reaches the
threshold. So a chain a ~ b ~ c does not take c along when b goes and a and c are not alike.

Exact duplicates come first and cost no text: all of a group but its best-ranked go. That changes nothing about who
goes. Equal text means equal shingles, hence equal signatures, buckets and similarities to everyone: if the best of the
group stays, the others share its buckets and match it at 1; if it goes, the kept document that it matches stands before
the others too, and they match it just as well. The report names that document for them: ``kept`` is always a kept one.

Shingles are asked for in rank order, in blocks, and only where two of a bucket are left after that. A kept document's
are held while a document that shares a bucket with it is to come. Memory: 8 bytes a shingle for those, and one block.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gristmill.transforms.dedup.buckets import Members
from gristmill.transforms.dedup.components import batches
from gristmill.transforms.dedup.rank import Ranked
from gristmill.transforms.dedup.shingles import DIGITS, UInt64s, jaccard

_BLOCK = 2**22  # shingles: 32 MB
_MASK = 2**16 - 1
_COMPARED_AT_ONCE = 32
_ROUNDING = 10.0**-DIGITS  # more than rounding adds to a similarity

Integers: TypeAlias = NDArray[np.int64]
Shingles: TypeAlias = Callable[[UInt64s], Sequence[UInt64s]]
"""Gives the ``shingle_set`` of each of the nodes asked for."""


class Removals(NamedTuple):
    """Documents that go, in rank order; ``exact`` where the text equals that of a better-ranked document."""

    node: UInt64s
    kept: UInt64s
    """The kept document that stands for it."""
    exact: NDArray[np.bool_]
    jaccard: NDArray[np.float64]
    """Similarity of the two, rounded to 4 digits."""


def greedy(ranked: Ranked, members: Members, shingles: Shingles, threshold: float) -> Removals:
    """Who goes among ``ranked``, which holds whole components. Settled documents stay whatever they match.

    Members that are not among ``ranked`` are left out; that is how documents removed by an earlier run are passed over.
    """
    count = len(ranked.node)
    _, first, group = np.unique(ranked.text, return_index=True, return_inverse=True)
    original = first[group]
    exact = (original != np.arange(count)) & ~ranked.settled
    match, similarity = _near(ranked, _Buckets.of(ranked, members, ~exact), shingles, threshold)
    goes = exact | (match >= 0)[original]
    kept = np.where(match >= 0, match, np.arange(count))[original]
    return Removals(ranked.node[goes], ranked.node[kept[goes]], exact[goes], similarity[original][goes])


class _Buckets(NamedTuple):
    """Buckets with two or more documents that take part, by position in rank order."""

    position: Integers
    """The documents in such buckets, ascending."""
    start: Integers
    """Document i of ``position`` is in ``bucket[start[i] : start[i + 1]]``."""
    bucket: Integers
    size: Integers
    """Members of each bucket."""

    @classmethod
    def of(cls, ranked: Ranked, members: Members, taking_part: NDArray[np.bool_]) -> _Buckets:
        present = np.isin(members.node, ranked.node[taking_part])
        order = np.argsort(ranked.node)
        position = order[np.searchsorted(ranked.node, members.node[present], sorter=order)]
        _, bucket, size = np.unique(members.bucket[present], return_inverse=True, return_counts=True)
        mates = size[bucket] > 1
        position, bucket = position[mates], bucket[mates]
        rows = np.lexsort((bucket, position))
        distinct, start = np.unique(position[rows], return_index=True)
        return cls(distinct, np.append(start, len(rows)), bucket[rows], size)

    def last_mates(self) -> Integers:
        """The last position among the members of each document's buckets."""
        if not len(self.position):
            return self.position
        last = np.zeros(len(self.size), np.int64)
        np.maximum.at(last, self.bucket, np.repeat(self.position, np.diff(self.start)))
        return np.maximum.reduceat(last[self.bucket], self.start[:-1])


class _Kept:
    """The kept documents of each bucket so far."""

    def __init__(self, sizes: Integers) -> None:
        self._slots = np.empty(sizes.sum(), np.int64)
        self._start = np.cumsum(sizes) - sizes
        self._end = self._start.copy()

    def add(self, position: int, buckets: Integers) -> None:
        self._slots[self._end[buckets]] = position
        self._end[buckets] += 1

    def sharing(self, buckets: Integers) -> Integers:
        """Positions of those in any of ``buckets``: by number of buckets shared, most first, then by rank."""
        spans = zip(self._start[buckets].tolist(), self._end[buckets].tolist(), strict=True)
        positions, shared = np.unique(np.concatenate([self._slots[a:b] for a, b in spans]), return_counts=True)
        return positions[np.argsort(-shared, kind="stable")]


def _near(
    ranked: Ranked, buckets: _Buckets, shingles: Shingles, threshold: float
) -> tuple[Integers, NDArray[np.float64]]:
    """Position of the kept document that each document matches (-1: none), and their similarity (else 1)."""
    match = np.full(len(ranked.node), -1)
    similarity = np.ones(len(ranked.node))
    kept = _Kept(buckets.size)
    held: dict[int, UInt64s] = {}
    last_mate = dict(zip(buckets.position.tolist(), buckets.last_mates().tolist(), strict=True))
    for places in _blocks(ranked.shingles[buckets.position]):
        positions = buckets.position[places]
        held = {position: own for position, own in held.items() if last_mate[position] >= positions[0]}
        sets = shingles(ranked.node[positions])
        for place, position, own in zip(places.tolist(), positions.tolist(), sets, strict=True):
            in_buckets = buckets.bucket[buckets.start[place] : buckets.start[place + 1]]
            if not ranked.settled[position]:
                candidates = kept.sharing(in_buckets)
                candidates = candidates[_within(ranked.shingles[candidates], len(own), threshold)]
                match[position], similarity[position] = _first_match(own, candidates.tolist(), held, threshold)
            if match[position] < 0:
                kept.add(position, in_buckets)
                held[position] = own
    return match, similarity


def _blocks(sizes: Integers) -> list[Integers]:
    """Consecutive indices of ``sizes``, in runs that hold ``_BLOCK`` in sum and one document more at most."""
    numbers = batches(sizes, _BLOCK)
    return np.split(np.arange(len(sizes)), np.flatnonzero(np.diff(numbers)) + 1) if len(sizes) else []


def _first_match(own: UInt64s, candidates: list[int], held: dict[int, UInt64s], threshold: float) -> tuple[int, float]:
    """The first of ``candidates`` that reaches the threshold and its similarity, or (-1, 1).

    Shingles whose low 16 bits some shingle of ``own`` has are at least as many as those in common. They are counted for
    many candidates at a time; only where that many could do are the sets compared. Nothing is missed by it, and a
    template with thousands of kept documents costs a few microseconds a pair.
    """
    marks = np.zeros(_MASK + 1, np.uint8)
    marks[own.view(np.int64) & _MASK] = 1
    for begin in range(0, len(candidates), _COMPARED_AT_ONCE):
        chunk = candidates[begin : begin + _COMPARED_AT_ONCE]
        sets = [held[candidate] for candidate in chunk]
        sizes = np.fromiter(map(len, sets), np.int64, len(sets))
        marked = marks.take(np.concatenate(sets).view(np.int64) & _MASK)
        most = np.add.reduceat(marked, np.cumsum(sizes) - sizes, dtype=np.int64)
        near = most / (len(own) + sizes - most) >= threshold - _ROUNDING
        for place in np.flatnonzero(near).tolist():
            alike = jaccard(own, sets[place])
            if alike >= threshold:
                return chunk[place], alike
    return -1, 1.0


def _within(theirs: Integers, own: int, threshold: float) -> NDArray[np.bool_]:
    """Which sizes can reach the threshold at all: the similarity of two sets is at most the ratio of their sizes."""
    return np.minimum(theirs, own) / np.maximum(np.maximum(theirs, own), 1) >= threshold - _ROUNDING
