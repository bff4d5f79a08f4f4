"""Which copies of a line or paragraph go."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gristmill.corpus.arrays import UInt64s
from gristmill.transforms.line_dedup.passage_file import Copies
from gristmill.transforms.line_dedup.passage_hashes import kinds_of
from gristmill.transforms.line_dedup.repeats_section import PassageRule


def copies_to_cut(copies: Copies, rules: Mapping[int, PassageRule]) -> tuple[UInt64s, UInt64s]:
    """(hashes, nodes) of the passages that go: uint64, parallel.

    ``copies`` holds all passages of some hashes, those of one hash in the order of nodes; ``rules`` has the rule of
    each kind. The first copy is the one of the least (priority, order, node).
    """
    order = np.argsort(copies.hash, kind="stable")
    hashes = copies.hash[order]
    starts = np.flatnonzero(np.insert(hashes[1:] != hashes[:-1], 0, True)[: len(hashes)])
    sizes = np.diff(starts, append=len(hashes))
    kinds = kinds_of(hashes[starts])
    fewest, spared = np.zeros(2, np.int64), np.zeros(2, np.bool_)
    for kind, rule in rules.items():
        fewest[kind], spared[kind] = rule.min_count, rule.keep == "first"
    frequent = sizes >= fewest[kinds]
    order = order[np.repeat(frequent, sizes)]
    order = order[np.lexsort((copies.order[order], copies.priority[order], copies.hash[order]))]
    gone = np.ones(len(order), np.bool_)
    sizes, kinds = sizes[frequent], kinds[frequent]
    gone[(sizes.cumsum() - sizes)[spared[kinds]]] = False
    return copies.hash[order[gone]], copies.node[order[gone]]
