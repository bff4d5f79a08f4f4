"""Decides which documents are removed.

Documents are decided in rank order: a document is removed if and only if it matches a *kept* document ranked before it.
Two documents match if their texts are equal, if their canonical URLs are equal (where URLs are compared), or if they
share a bucket and their similarity, rounded, reaches the threshold. So in a chain a ~ b ~ c, where a and c are not
similar, b is removed and c is kept. With ``scope: index`` only documents of the index count as kept.

The decision takes three parts: ``exact_copies`` finds the documents that need no comparison, ``candidate_lists`` bounds
what each of the others is compared with, and ``greedy_pass`` decides them one by one. This module loads the sketches
that the pass needs, and combines the results. See ``docs/how-deduplication-works.md`` for an example.

Documents of one URL need no lists: all of them match the one kept document with that URL. A document without words
shares no bucket and has no copies, but it may have a URL.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np

from gristmill.corpus.arrays import Bools, Int64s, UInt8s, UInt32s, UInt64s
from gristmill.transforms.dedup.buckets import BucketMembers
from gristmill.transforms.dedup.candidate_lists import candidate_lists
from gristmill.transforms.dedup.components import batch_numbers
from gristmill.transforms.dedup.dedup_section import Comparison, DedupSection, Scope
from gristmill.transforms.dedup.exact_copies import following_copies, originals
from gristmill.transforms.dedup.greedy_pass import EXACT, NEAR, WHOLE, GreedyPass
from gristmill.transforms.dedup.rank import RankedDocuments
from gristmill.transforms.dedup.signature_file import take_runs

_BLOCK_VALUES = 2**22  # values of sketches: 16 MB

FetchSketches: TypeAlias = Callable[[UInt64s], UInt32s]
"""Returns the concatenated sketches of the given nodes."""


class MatchRule(NamedTuple):
    """When two documents of a bucket match, and which documents can remove others.

    Attributes:
        threshold: Minimum Jaccard similarity, or for ``hamming`` the maximum distance.
        comparison: How sketches are compared.
        bands: Number of buckets that a document's shingles put it in.
        scope: ``all``, or ``index`` if only documents of the index remove others.
    """

    threshold: float
    comparison: Comparison
    bands: int
    scope: Scope = "all"

    @classmethod
    def from_section(cls, section: DedupSection) -> MatchRule:
        threshold = section.threshold if section.simhash is None else section.simhash.distance
        return cls(threshold, section.comparison, section.tables, section.scope)


class Removals(NamedTuple):
    """Removed documents, in rank order.

    Attributes:
        node: The removed document.
        match: The kept document that it duplicates.
        reason: ``EXACT`` if its text equals that of a better-ranked document in scope, else ``SAME_URL`` or ``NEAR``.
        similarity: Similarity of the two in units of 1/``WHOLE``, or ``NOT_COMPARED``.
        capped: Kept documents that found the first list of a bucket full (not parallel to the rest).
    """

    node: UInt64s
    match: UInt64s
    reason: UInt8s
    similarity: Int64s
    capped: UInt64s


def find_removals(
    ranked: RankedDocuments, members: BucketMembers, fetch_sketches: FetchSketches, rule: MatchRule
) -> Removals:
    """The documents to remove from ``ranked``, which holds whole components.

    Bucket members that are not among ``ranked`` are ignored, such as documents that an earlier run removed.
    """
    original = originals(ranked)
    follows = following_copies(ranked, original, rule.scope)
    match, reason, similarity, capped = _run_pass(ranked, members, ~follows, fetch_sketches, rule)
    # A copy is removed for its original if that can remove it, and otherwise together with it.
    position = np.arange(len(original))
    original_removes = ranked.from_index[original] | (rule.scope == "all")
    leader = np.where(follows, original, position)
    removed = (match >= 0)[leader] | (follows & original_removes)
    match = np.where(match >= 0, match, position)[leader]
    reason = np.where(follows, np.where(original_removes, EXACT, NEAR), reason).astype(np.uint8)
    return Removals(
        ranked.node[removed],
        ranked.node[match[removed]],
        reason[removed],
        similarity[leader][removed],
        ranked.node[capped],
    )


class _PassResult(NamedTuple):
    """Outcome of the greedy pass; ``match``, ``reason`` and ``similarity`` are parallel to all ranked documents."""

    match: Int64s
    """Position of the matched document; -1 for documents that are kept or did not take part."""
    reason: UInt8s
    similarity: Int64s
    capped: Int64s
    """Positions of capped documents."""


def _run_pass(
    ranked: RankedDocuments,
    members: BucketMembers,
    taking_part: Bools,
    fetch_sketches: FetchSketches,
    rule: MatchRule,
) -> _PassResult:
    """Run the greedy pass over the documents that are ``taking_part``, in blocks of which the sketches fit in memory.

    Sketches are loaded in rank order. That of a listed document stays loaded while a document that shares a bucket with
    it is still to come.
    """
    lists = candidate_lists(ranked, members, taking_part, rule.bands)
    position, compared = lists.position, lists.compared
    nodes, lengths = ranked.node[position], np.where(compared, ranked.sketch_length[position], 0)
    state = GreedyPass(
        ranked.from_index[position].astype(np.uint8),
        lists.path_rows,
        lists.paths,
        np.append(0, lists.capacity.cumsum()),
        np.unique(ranked.text[position], return_inverse=True)[1].astype(np.int64),
        np.full(len(position), -1) if ranked.url is None else _renumber(ranked.url[position]),
        rule.threshold,
        rule.comparison,
        rule.scope == "all",
    )
    starts = np.zeros(len(nodes), np.int64)
    loaded, values = np.empty(0, np.int64), np.empty(0, np.uint32)
    for first, last in _blocks(lengths):
        loaded = loaded[(state.listed[loaded] > 0) & (lists.last_mate[loaded] >= first)]
        new = first + np.flatnonzero(compared[first:last])
        values = np.concatenate([take_runs(values, starts[loaded], lengths[loaded]), fetch_sketches(nodes[new])])
        loaded = np.append(loaded, new)
        starts[loaded] = lengths[loaded].cumsum() - lengths[loaded]
        state.run(first, last, values, starts, lengths)

    count = len(ranked.node)
    match, reason, similarity = np.full(count, -1), np.full(count, EXACT, np.uint8), np.full(count, WHOLE)
    removed = state.match >= 0
    match[position[removed]] = position[state.match[removed]]
    reason[position[removed]] = state.reason[removed]
    similarity[position[removed]] = state.similarity[removed]
    return _PassResult(match, reason, similarity, position[state.capped > 0])


def _renumber(codes: Int64s) -> Int64s:
    """The codes numbered from 0 without gaps; -1 stays -1."""
    names, number = np.unique(codes, return_inverse=True)
    return number.astype(np.int64) - int(len(names) > 0 and names[0] < 0)


def _blocks(sizes: Int64s) -> list[tuple[int, int]]:
    """Consecutive ranges (first, end) whose sizes sum to about ``_BLOCK_VALUES`` each."""
    if not len(sizes):
        return []
    cuts = (np.flatnonzero(np.diff(batch_numbers(sizes, _BLOCK_VALUES))) + 1).tolist()
    return list(zip([0, *cuts], [*cuts, len(sizes)], strict=True))
