"""Decides which copies of a line or paragraph are cut."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gristmill.corpus.arrays import UInt64s
from gristmill.transforms.line_dedup.passage_file import PassageRows
from gristmill.transforms.line_dedup.passage_hashes import passage_kinds
from gristmill.transforms.line_dedup.repeats_section import PassageRule


def copies_to_cut(passages: PassageRows, rules: Mapping[int, PassageRule]) -> tuple[UInt64s, UInt64s]:
    """(hashes, nodes) of the passages to cut: uint64, parallel.

    ``passages`` holds all passages with some hashes; those with the same hash are in the order of nodes. ``rules`` has
    the rule of each kind. The first copy is the one with the smallest (priority, order, node).
    """
    order = np.argsort(passages.hash, kind="stable")
    hashes = passages.hash[order]
    starts = np.flatnonzero(np.insert(hashes[1:] != hashes[:-1], 0, True)[: len(hashes)])
    sizes = np.diff(starts, append=len(hashes))
    kinds = passage_kinds(hashes[starts])
    min_count, keep_first = np.zeros(2, np.int64), np.zeros(2, np.bool_)
    for kind, rule in rules.items():
        min_count[kind], keep_first[kind] = rule.min_count, rule.keep == "first"
    frequent = sizes >= min_count[kinds]
    order = order[np.repeat(frequent, sizes)]
    order = order[np.lexsort((passages.order[order], passages.priority[order], passages.hash[order]))]
    cut = np.ones(len(order), np.bool_)
    sizes, kinds = sizes[frequent], kinds[frequent]
    cut[(sizes.cumsum() - sizes)[keep_first[kinds]]] = False
    return passages.hash[order[cut]], passages.node[order[cut]]
