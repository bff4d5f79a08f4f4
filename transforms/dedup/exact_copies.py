"""Exact copies: which documents share the outcome of the best-ranked document with their text.

Equal texts mean equal sketches, hence equal buckets and equal similarities to every other document. Let o be the
best-ranked document of a text (the *original*) and d a later one (a *copy*):

- If o is kept, d matches o.
- If o is removed for a kept document k that it is similar to, d is similar to k too, shares the bucket, and is ranked
  after k. So d is removed as well, and k is reported as its match.
- If o is removed only because of its URL, nothing follows for d, which may have another URL.

So a copy *follows* its original, and needs no comparison, unless the original might be removed because of its URL (it
has one, is not the first with it, and is not of the index). Copies that do not follow take part in the greedy pass.

With ``scope: index``, an original of this run that is kept removes no copies. There a copy follows only if it cannot be
removed because of its own URL either; then both are kept or both are removed.
"""

from __future__ import annotations

import numpy as np

from gristmill.corpus.arrays import Bools, Int64s
from gristmill.transforms.dedup.dedup_section import Scope
from gristmill.transforms.dedup.rank import RankedDocuments


def originals(ranked: RankedDocuments) -> Int64s:
    """For each document, the position of the best-ranked document with its text (its own if that is the best)."""
    _, first, group = np.unique(ranked.text, return_index=True, return_inverse=True)
    return first[group]


def following_copies(ranked: RankedDocuments, original: Int64s, scope: Scope) -> Bools:
    """Which documents share the outcome of their original and need not take part in the greedy pass."""
    follows: Bools = (original != np.arange(len(original))) & ~ranked.from_index
    by_url = _removable_by_url(ranked)
    if scope == "index":
        follows &= ~by_url
    follows &= ~by_url[original]
    return follows


def _removable_by_url(ranked: RankedDocuments) -> Bools:
    """Which documents might be removed because of their URL: a better-ranked one has it, and they are of this run."""
    if ranked.url is None:
        return np.zeros(len(ranked.node), np.bool_)
    _, first, group = np.unique(ranked.url, return_index=True, return_inverse=True)
    later: Bools = (ranked.url >= 0) & (first[group] != np.arange(len(group))) & ~ranked.from_index
    return later
