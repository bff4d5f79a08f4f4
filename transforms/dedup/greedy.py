"""The decision: best-ranked first, a document goes if and only if it matches a kept one before it.

Two documents match when their texts are equal, when their canonical URLs are equal (where URLs count), or when they
share a bucket and are alike: their similarity, rounded, reaches the threshold. So a chain a ~ b ~ c does not take c
along when b goes and a and c are not alike. Where the scope is the index, only settled documents count as kept.

**Equal texts** cost no comparison. They mean equal sketches, hence equal buckets and similarities to everyone. Let o
be the best-ranked document of a text and d a later one. If o is kept, d matches o. If o goes for a kept k that it is
alike, d is alike k too and shares the bucket, and k ranks before d as well: d goes, and the report names k for it. But
if o goes for its *URL* alone, that says nothing about d, whose URL may be another: d is then looked at like any other,
and is what o might have been to those after it. So two cases are told apart:

- Where o cannot go for its URL (it has none, is the first of it, or is settled), d follows o and is left out of the
  pass. Whatever d's own URL is, d goes, and what goes removes nobody. In the scope of the index an unsettled o that
  stays takes nobody along; so there d is left out only if it cannot go for its own URL either: both stay or both go.
- Where o can, all of that text are in the pass, which remembers for a text the first member that stays, or else the
  document that the first member to go for being alike goes for. Who went for a URL leaves no trace there.

**URLs** need no lists: one kept document of a URL removes all later ones, so there is one only (but for settled ones,
of which the first is named). A document without words has nothing to be equal or alike in, but it may have a URL.

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
from gristmill.transforms.dedup.dedup_section import Comparison, DedupSection, Scope
from gristmill.transforms.dedup.minhash import BAND_MASK, URL_BAND
from gristmill.transforms.dedup.passing import EXACT, NEAR, WHOLE, GreedyPass
from gristmill.transforms.dedup.rank import Ranked
from gristmill.transforms.dedup.shingles import Integers, UInt32s, UInt64s
from gristmill.transforms.dedup.signature_file import runs

LISTED = 64
LEVELS = 3
_BLOCK = 2**22  # values of sketches: 16 MB

Sketches: TypeAlias = Callable[[UInt64s], UInt32s]
"""Gives the sketches of the nodes asked for, one after another."""


class Rule(NamedTuple):
    """When two documents of a bucket match, and for whom a document can go."""

    threshold: float
    """The least Jaccard similarity; of ``hamming`` the greatest distance."""
    comparison: Comparison
    bands: int
    scope: Scope = "all"

    @classmethod
    def of(cls, section: DedupSection) -> Rule:
        threshold = section.threshold if section.simhash is None else section.simhash.distance
        return cls(threshold, section.comparison, section.tables, section.scope)


class Removals(NamedTuple):
    """Documents that go, in rank order."""

    node: UInt64s
    kept: UInt64s
    """The kept document that stands for it."""
    why: NDArray[np.uint8]
    """``EXACT`` where the text equals that of a better-ranked document in scope, ``SAME_URL``, or ``NEAR``."""
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
    follows = _following(ranked, original, rule.scope)
    found, at = _passed(ranked, members, ~follows, sketches, rule)
    match, why, similarity = np.full(count, -1), np.full(count, EXACT, np.uint8), np.full(count, WHOLE)
    gone = found.match >= 0
    match[at[gone]] = at[found.match[gone]]
    why[at[gone]] = found.why[gone]
    similarity[at[gone]] = found.alike[gone]
    # A follower goes for its original where that can be gone for, else with it.
    stands = ranked.settled[original] | (rule.scope == "all")
    leader = np.where(follows, original, np.arange(count))
    goes = (match >= 0)[leader] | (follows & stands)
    kept = np.where(match >= 0, match, np.arange(count))[leader]
    why = np.where(follows, np.where(stands, EXACT, NEAR), why).astype(np.uint8)
    return Removals(
        ranked.node[goes],
        ranked.node[kept[goes]],
        why[goes],
        similarity[leader][goes],
        ranked.node[at[found.capped > 0]],
    )


def _following(ranked: Ranked, original: Integers, scope: Scope) -> NDArray[np.bool_]:
    """Which documents fare as the best-ranked of their text does, and need no look of their own."""
    later: NDArray[np.bool_] = (original != np.arange(len(original))) & ~ranked.settled
    by_url = _later_of_url(ranked)
    if scope == "index":
        later &= ~by_url
    later &= ~by_url[original]
    return later


def _later_of_url(ranked: Ranked) -> NDArray[np.bool_]:
    """Which documents may go for their URL: those that have it from a better-ranked one, and are not settled."""
    if ranked.url is None:
        return np.zeros(len(ranked.node), np.bool_)
    _, first, group = np.unique(ranked.url, return_index=True, return_inverse=True)
    later: NDArray[np.bool_] = (ranked.url >= 0) & (first[group] != np.arange(len(group))) & ~ranked.settled
    return later


class _Buckets(NamedTuple):
    """Buckets with two or more documents that take part."""

    position: Integers
    """The documents in such buckets or of a URL that others have too, by position in rank order, ascending."""
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
        present = np.isin(members.node, ranked.node[taking_part]) & (members.bucket & BAND_MASK != URL_BAND)
        order = np.argsort(ranked.node)
        position = order[np.searchsorted(ranked.node, members.node[present], sorter=order)]
        names, bucket, size = np.unique(members.bucket[present], return_inverse=True, return_counts=True)
        mates = size[bucket] > 1
        position, bucket = position[mates], bucket[mates]
        band = (names & BAND_MASK).astype(np.int64)[bucket]
        order = np.lexsort((band, position))
        position, bucket, band = position[order], bucket[order], band[order]
        every = np.union1d(position, _sharing_url(ranked, taking_part))
        place, rows = np.searchsorted(every, position), np.searchsorted(position, every)
        last = np.zeros(len(size), np.int64)
        np.maximum.at(last, bucket, place)
        last_mate = np.arange(len(every))
        np.maximum.at(last_mate, place, last[bucket])
        paths, room = _paths(bucket, size, _next_rows(place, rows, band, bands))
        return cls(every, np.append(rows, len(position)), paths, room, last_mate)


def _sharing_url(ranked: Ranked, taking_part: NDArray[np.bool_]) -> Integers:
    """The documents, of those that take part, that have a URL in common with another of them, ascending."""
    if ranked.url is None:
        return np.empty(0, np.int64)
    having = np.flatnonzero(taking_part & (ranked.url >= 0))
    _, group, count = np.unique(ranked.url[having], return_inverse=True, return_counts=True)
    return having[count[group] > 1]


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


def _passed(
    ranked: Ranked, members: Members, taking_part: NDArray[np.bool_], sketches: Sketches, rule: Rule
) -> tuple[GreedyPass, Integers]:
    """The pass, done, and the documents that were in it, by position in rank order."""
    buckets = _Buckets.of(ranked, members, taking_part, rule.bands)
    at = buckets.position
    compared = buckets.rows[1:] > buckets.rows[:-1]
    nodes, lengths = ranked.node[at], np.where(compared, ranked.sketch[at], 0)
    begins = np.append(0, buckets.room.cumsum())
    settled = ranked.settled[at].astype(np.uint8)
    text = np.unique(ranked.text[at], return_inverse=True)[1].astype(np.int64)
    url = np.full(len(at), -1) if ranked.url is None else _numbered(ranked.url[at])
    state = GreedyPass(
        settled, buckets.rows, buckets.paths, begins, text, url, rule.threshold, rule.comparison, rule.scope == "all"
    )
    starts = np.zeros(len(nodes), np.int64)
    held, values = np.empty(0, np.int64), np.empty(0, np.uint32)
    for first, last in _blocks(lengths):
        held = held[(state.listed[held] > 0) & (buckets.last_mate[held] >= first)]
        fresh = first + np.flatnonzero(compared[first:last])
        values = np.concatenate([runs(values, starts[held], lengths[held]), sketches(nodes[fresh])])
        held = np.append(held, fresh)
        starts[held] = lengths[held].cumsum() - lengths[held]
        state.run(first, last, values, starts, lengths)
    return state, at


def _numbered(codes: Integers) -> Integers:
    """Codes as numbers without gaps, -1 staying what it is."""
    names, number = np.unique(codes, return_inverse=True)
    return number.astype(np.int64) - int(len(names) > 0 and names[0] < 0)


def _blocks(sizes: Integers) -> list[tuple[int, int]]:
    """Runs of indices of ``sizes``, (first, after last), that hold ``_BLOCK`` in sum and one document more at most."""
    if not len(sizes):
        return []
    cuts = (np.flatnonzero(np.diff(batches(sizes, _BLOCK))) + 1).tolist()
    return list(zip([0, *cuts], [*cuts, len(sizes)], strict=True))
