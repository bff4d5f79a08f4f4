"""The decision: best-ranked first, a document goes if and only if it matches a kept one before it.

Two documents match when they share a bucket and their similarity, rounded, reaches the threshold. So a chain a ~ b ~ c
does not take c along when b goes and a and c are not alike.

Exact duplicates come first and cost no comparison: all of a group but its best-ranked go. That changes nothing about
who goes. Equal text means equal shingles, hence equal signatures, buckets and similarities to everyone: if the best of
the group stays, the others share its buckets and match it at 1; if it goes, the kept document that it matches stands
before the others too, and they match it just as well. The report names that document for them: ``kept`` is always a
kept one.

**Caps.** Thousands of pages of one template, each different enough to stay, would be compared each with each. So a
bucket is met through *lists*: its first ``LISTED`` kept documents, and for those after them a list for each bucket of
the next band that they share as well, and so once more (``LEVELS``). A document is compared with bands x levels x
``LISTED`` others at most. Which they are follows from rank and buckets alone, and what comes later changes nothing for
what came before: so an earlier crawl's kept documents fill the lists as they did then. Kept documents beyond a first
list are ``capped``: who shares that one bucket with them, and no other, is not compared with them.

Sketches are asked for in rank order, in blocks, and only where two of a bucket are left after the exact ones. A listed
document's is held while a document that shares a bucket with it is to come.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gristmill.transforms.dedup.buckets import Members
from gristmill.transforms.dedup.components import batches
from gristmill.transforms.dedup.minhash import BAND_MASK
from gristmill.transforms.dedup.passing import WHOLE, GreedyPass
from gristmill.transforms.dedup.rank import Ranked
from gristmill.transforms.dedup.section import Verify
from gristmill.transforms.dedup.shingles import Integers, UInt32s, UInt64s
from gristmill.transforms.dedup.signature_file import runs

LISTED = 64
LEVELS = 3
_BLOCK = 2**22  # values of sketches: 16 MB

Sketches: TypeAlias = Callable[[UInt64s], UInt32s]
"""Gives the sketches of the nodes asked for, one after another."""


class Rule(NamedTuple):
    """When two documents of a bucket match."""

    threshold: float
    verify: Verify
    bands: int


class Removals(NamedTuple):
    """Documents that go, in rank order; ``exact`` where the text equals that of a better-ranked document."""

    node: UInt64s
    kept: UInt64s
    """The kept document that stands for it."""
    exact: NDArray[np.bool_]
    similarity: Integers
    """Of the two, in ten-thousandths, or ``NOT_COMPARED``."""
    capped: UInt64s
    """Kept documents that were beyond a bucket's first list."""


def greedy(ranked: Ranked, members: Members, sketches: Sketches, rule: Rule) -> Removals:
    """Who goes among ``ranked``, which holds whole components. Settled documents stay whatever they match.

    Members that are not among ``ranked`` are left out; that is how documents removed by an earlier run are passed over.
    """
    count = len(ranked.node)
    _, first, group = np.unique(ranked.text, return_index=True, return_inverse=True)
    original = first[group]
    exact = (original != np.arange(count)) & ~ranked.settled
    buckets = _Buckets.of(ranked, members, ~exact, rule.bands)
    found = _passed(ranked, buckets, sketches, rule)
    at = buckets.position
    match, similarity = np.full(count, -1), np.full(count, WHOLE)
    gone = found.match >= 0
    match[at[gone]] = at[found.match[gone]]
    similarity[at[gone]] = found.alike[gone]
    goes = exact | (match >= 0)[original]
    kept = np.where(match >= 0, match, np.arange(count))[original]
    return Removals(
        ranked.node[goes],
        ranked.node[kept[goes]],
        exact[goes],
        similarity[original][goes],
        ranked.node[at[found.capped > 0]],
    )


class _Buckets(NamedTuple):
    """Buckets with two or more documents that take part."""

    position: Integers
    """The documents in such buckets, by position in rank order, ascending."""
    rows: Integers
    """Document i of ``position`` has the rows ``rows[i]`` to ``rows[i + 1]`` of ``paths``."""
    paths: Integers
    """[rows, LEVELS]: numbers of lists; -1 where a path ends."""
    room: Integers
    """Places of each list."""
    last_mate: Integers
    """The last of ``position`` in any bucket of each document, by its place there."""

    @classmethod
    def of(cls, ranked: Ranked, members: Members, taking_part: NDArray[np.bool_], bands: int) -> _Buckets:
        present = np.isin(members.node, ranked.node[taking_part])
        order = np.argsort(ranked.node)
        position = order[np.searchsorted(ranked.node, members.node[present], sorter=order)]
        names, bucket, size = np.unique(members.bucket[present], return_inverse=True, return_counts=True)
        mates = size[bucket] > 1
        position, bucket = position[mates], bucket[mates]
        band = (names & BAND_MASK).astype(np.int64)[bucket]
        order = np.lexsort((band, position))
        position, bucket, band = position[order], bucket[order], band[order]
        distinct, rows, place = np.unique(position, return_index=True, return_inverse=True)
        last = np.zeros(len(size), np.int64)
        np.maximum.at(last, bucket, place)
        last_mate = np.maximum.reduceat(last[bucket], rows) if len(rows) else rows
        paths, room = _paths(bucket, size, _next_rows(place, rows, band, bands))
        return cls(distinct, np.append(rows, len(position)), paths, room, last_mate)


def _next_rows(place: Integers, rows: Integers, band: Integers, bands: int) -> Integers:
    """For each row that of the same document and the next band, the first after the last one; -1: there is none."""
    if not len(place):
        return place
    following = np.arange(1, len(place) + 1) % len(place)
    following = np.where(band == bands - 1, rows[place], following)
    follows = (place[following] == place) & (band[following] == (band + 1) % bands)
    return np.where(follows, following, -1)


def _paths(bucket: Integers, size: Integers, following: Integers) -> tuple[Integers, Integers]:
    """The lists that each row's document is looked for in, int64 [rows, LEVELS], and the room in each.

    A list that may come to be full branches by the bucket of the next band; a branch of one document leads nowhere.
    """
    paths = np.full((len(bucket), LEVELS), -1)
    paths[:, 0] = bucket
    room = [size]
    step = following
    for level in range(1, LEVELS):
        sizes = np.concatenate(room)
        row = np.flatnonzero((paths[:, level - 1] >= 0) & (step >= 0))
        row = row[sizes[paths[row, level - 1]] > LISTED]
        pair = paths[row, level - 1] * len(size) + bucket[step[row]]
        _, branch, count = np.unique(pair, return_inverse=True, return_counts=True)
        number = np.where(count > 1, len(sizes) + np.cumsum(count > 1) - 1, -1)
        paths[row, level] = number[branch]
        room.append(count[count > 1])
        step = np.where(step >= 0, following[step], -1)
    return paths, np.minimum(np.concatenate(room), LISTED)


def _passed(ranked: Ranked, buckets: _Buckets, sketches: Sketches, rule: Rule) -> GreedyPass:
    """The pass over the documents of ``buckets``, done."""
    nodes, lengths = ranked.node[buckets.position], ranked.sketch[buckets.position]
    begins = np.append(0, buckets.room.cumsum())
    settled = ranked.settled[buckets.position].astype(np.uint8)
    state = GreedyPass(settled, buckets.rows, buckets.paths, begins, rule.threshold, rule.verify)
    starts = np.zeros(len(nodes), np.int64)
    held, values = np.empty(0, np.int64), np.empty(0, np.uint32)
    for first, last in _blocks(lengths):
        held = held[(state.listed[held] > 0) & (buckets.last_mate[held] >= first)]
        values = np.concatenate([runs(values, starts[held], lengths[held]), sketches(nodes[first:last])])
        held = np.append(held, np.arange(first, last))
        starts[held] = lengths[held].cumsum() - lengths[held]
        state.run(first, last, values, starts, lengths)
    return state


def _blocks(sizes: Integers) -> list[tuple[int, int]]:
    """Runs of indices of ``sizes``, (first, after last), that hold ``_BLOCK`` in sum and one document more at most."""
    if not len(sizes):
        return []
    cuts = (np.flatnonzero(np.diff(batches(sizes, _BLOCK))) + 1).tolist()
    return list(zip([0, *cuts], [*cuts, len(sizes)], strict=True))
