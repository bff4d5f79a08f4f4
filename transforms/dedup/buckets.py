"""Buckets: sets of documents with the same band hash.

A bucket is identified by its band hash, which is unique over all bands and partitions, so the buckets of several
partitions are combined by concatenation.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gristmill.corpus.arrays import UInt64s


class BucketMembers(NamedTuple):
    """Which documents are in which bucket: rows (bucket, node) in ascending order."""

    bucket: UInt64s
    node: UInt64s


def shared_buckets(band: UInt64s, node: UInt64s, first_of_run: int = 0) -> BucketMembers:
    """The buckets with at least two members of which at least one is of this run.

    ``band`` and ``node`` are parallel, uint64 [n]; the nodes of each band ascend. Nodes from ``first_of_run`` on are of
    this run. Smaller ones are of the index; buckets of these alone were decided by earlier runs. Memory: about 40 bytes
    a row beyond the input.
    """
    order = np.argsort(band, kind="stable")  # a merge: the rows of each file are sorted
    band, node = band[order], node[order]
    starts = np.flatnonzero(np.insert(band[1:] != band[:-1], 0, True)[: len(band)])
    sizes = np.diff(starts, append=len(band))
    undecided = (sizes > 1) & (node[starts + sizes - 1] >= np.uint64(first_of_run))
    rows = np.repeat(undecided, sizes)
    return BucketMembers(band[rows], node[rows])
