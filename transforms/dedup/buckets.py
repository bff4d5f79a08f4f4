"""Buckets: the documents that share a band hash.

A bucket is named by its band hash, which is unique among all bands and partitions; so the buckets of several partitions
are put together by concatenation. A bucket of a million members is a million rows here, like any other.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gristmill.transforms.dedup.shingles import UInt64s


class Members(NamedTuple):
    """Rows (bucket, node), ascending: which documents are in which bucket."""

    bucket: UInt64s
    node: UInt64s


def shared(band: UInt64s, node: UInt64s, fresh: int = 0) -> Members:
    """The buckets of two members or more with one at least of this run.

    ``band`` and ``node`` are parallel, uint64 [n], in any order in which the nodes of a band ascend. Nodes from
    ``fresh`` on are of this run; an index of earlier runs comes before (its files have the smaller numbers), and what
    only its documents share was decided then. Memory: about 40 bytes a row beyond the input.
    """
    order = np.argsort(band, kind="stable")  # which merges what files hold sorted
    band, node = band[order], node[order]
    starts = np.flatnonzero(np.insert(band[1:] != band[:-1], 0, True)[: len(band)])
    sizes = np.diff(starts, append=len(band))
    undecided = (sizes > 1) & (node[starts + sizes - 1] >= np.uint64(fresh))
    rows = np.repeat(undecided, sizes)
    return Members(band[rows], node[rows])
